// A row of a table as a form: the answer follows whatever is changed.
import { complaint, element, field, latest, Plain } from "./dom.js";
import { shown } from "./shown.js";

/** A number as the table writes it, from its decimal sign and the mark between thousands; NaN where it is none. */
export function numberOf(text, { decimal = ".", thousands = "", unit = "" }) {
  let plain = text.trim();
  if (unit) plain = plain.replace(unit, "").trim();
  if (thousands && thousands !== decimal) plain = plain.split(thousands).join("");
  plain = plain.replace("−", "-");
  if (decimal === "," && plain.includes(",")) plain = plain.replace(",", ".");
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : NaN;
}

/** Year, month, weekday (0 is Monday) and hour of a date input's text; four NaN where it is empty. */
export function dateNumbers(text) {
  const found = /^(\d{1,6})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d(?:\.\d+)?))?)?$/.exec(text);
  if (!found) return [NaN, NaN, NaN, NaN];
  const [year, month, day, hour, minute, second] = found.slice(1).map((part) => Number(part ?? 0));
  const date = new Date(Date.UTC(2000, month - 1, day));
  date.setUTCFullYear(year);
  return [year, month, (date.getUTCDay() + 6) % 7, hour + minute / 60 + second / 3600];
}

function numberInput(column) {
  const { mean, std, decimal, required, unit } = column;
  const digits = Math.min(Math.max(2 - Math.floor(Math.log10(std || 1)), 0), 8);
  const usual = Number.isFinite(mean) ? mean.toFixed(digits).replace(".", decimal || ".") : "";
  const control = element("input", {
    type: "text",
    inputMode: "decimal",
    autocomplete: "off",
    placeholder: usual,
    dir: "ltr",
  });
  if (required) control.value = usual;
  const hint = [`mean ${usual}${unit}`, required ? "" : "may be empty"].filter(Boolean).join(", ");
  const read = () => {
    if (control.value.trim() === "") {
      if (required) throw new Plain(`“${column.name}” is needed.`);
      return [NaN];
    }
    const value = numberOf(control.value, column);
    if (Number.isNaN(value)) throw new Plain(`“${column.name}”: “${control.value}” is no number, such as ${usual}.`);
    return [value];
  };
  return { control, hint, read, raw: () => control.value.trim() };
}

function categoryInput(column) {
  const options = column.categories.map((name, id) => element("option", { value: id, textContent: name, dir: "auto" }));
  const missing = column.missing ?? (column.required ? null : column.categories.length);
  const special = [
    [missing, "(missing)", ""],
    [column.unknown, "(another)", "(another)"],
  ];
  const raws = [...column.categories];
  for (const [id, text, raw] of special) {
    if (id === null || id === undefined) continue;
    raws[id] ??= raw;
    if (!options.some((option) => option.value === String(id)))
      options.push(element("option", { value: id, textContent: text }));
  }
  const control = element("select", {}, options);
  return { control, hint: null, read: () => [Number(control.value)], raw: () => raws[control.value] };
}

function dateInput(column) {
  const timed = /%[HIMSTXcp]/.test(column.date);
  const control = element("input", { type: timed ? "datetime-local" : "date", step: timed ? "1" : null });
  const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60000).toISOString();
  control.value = timed ? now.slice(0, 16) : now.slice(0, 10);
  const read = () => {
    const numbers = dateNumbers(control.value);
    if (column.required && Number.isNaN(numbers[0])) throw new Plain(`“${column.name}” is needed.`);
    return numbers;
  };
  return {
    control,
    hint: column.required ? null : "may be empty",
    read,
    raw: () => written(control.value, column.date),
  };
}

/** A date input's text in the form of `strptime` that the table has. */
function written(text, form) {
  const found = /^(\d+)-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?)?/.exec(text);
  if (!found) return "";
  const [Y, m, d, H = "00", M = "00", S = "00"] = found.slice(1);
  const parts = { Y, y: Y.slice(-2), m, d, H, M, S, F: `${Y}-${m}-${d}`, T: `${H}:${M}:${S}` };
  return form ? form.replace(/%([YymdHMSFT])/g, (_, sign) => parts[sign]) : text;
}

const INPUTS = { number: numberInput, category: categoryInput, date: dateInput };

/** The view for rows; `judge` answers for {numbers, categories, row}: the two inputs, and the cells as texts. */
export function rowsView({ columns }, judge) {
  const fields = columns.map((column) => ({ column, ...INPUTS[column.kind](column) }));
  const place = element("div", { className: "place", "aria-live": "polite" });
  const ask = latest(async () => {
    try {
      place.replaceChildren(shown(await judge(gathered(fields))));
    } catch (error) {
      complaint(error, place);
    }
  });
  const unit = ({ unit }) => (unit ? ` (${unit})` : "");
  const parts = fields.map((each) => field(each.column.name + unit(each.column), each.control, each.hint));
  const form = element("form", { className: "fields" }, parts);
  form.addEventListener("input", ask);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  ask();
  return [
    element("section", { "aria-label": "Values" }, form),
    element("section", { className: "toolbar", "aria-label": "Answer" }, place),
  ];
}

function gathered(fields) {
  const [numbers, categories, row] = [[], [], {}];
  for (const { column, read, raw } of fields) {
    const into = column.input === "categories" ? categories : numbers;
    const values = read();
    values.forEach((value, at) => (into[column.at + at] = value));
    const value = column.kind === "number" ? values[0] : raw();
    row[column.name] = Number.isNaN(value) || value === "" ? null : value;
  }
  return { numbers, categories, row };
}

/** The network's inputs for one gathered row. */
export function rowFeeds({ numbers, categories }) {
  const feeds = {};
  if (numbers.length) feeds.numbers = { type: "float64", data: Float64Array.from(numbers), dims: [1, numbers.length] };
  if (categories.length) {
    feeds.categories = { type: "int64", data: BigInt64Array.from(categories, BigInt), dims: [1, categories.length] };
  }
  return feeds;
}
