// A series continued: its last values pasted as CSV or typed, the forecast as a line with its interval and as a table.
import { chart } from "./chart.js";
import { complaint, element, field, Plain, short } from "./dom.js";

const MOST_SHOWN = 120; // known steps in the picture

/** The rows of numbers [[…]] of a pasted text, in the order of `columns`; throws `Plain` where they cannot be read. */
export function parseSeries(text, columns) {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter(Boolean);
  if (lines.length === 0) throw new Plain(`Paste the values of ${columns.join(", ")}, the oldest first.`);
  const sign = delimiterOf(lines);
  const cells = lines.map((line) =>
    (sign ? line.split(sign) : [line]).map((cell) => cell.trim().replace(/^"(.*)"$/, "$1")),
  );
  const comma = sign !== "," && !cells.some((row) => row.some((cell) => cell.includes(".")));
  const value = (cell) => (cell === "" ? NaN : Number(comma ? cell.replace(",", ".") : cell));
  const headed = columns.every((name) => cells[0].includes(name));
  const named = headed || cells[0].every((cell) => Number.isNaN(value(cell)));
  if (named && !headed) {
    const lost = columns.find((name) => !cells[0].includes(name));
    throw new Plain(`The first line names no column “${lost}”.`);
  }
  const flat = columns.length === 1 && !named && cells[0].length > 1 && !Number.isNaN(value(cells[0][0]));
  if (flat)
    return cells
      .flat()
      .filter((cell) => cell !== "")
      .map((cell, at) => [checked(value(cell), cell, at + 1)]);
  const places = headed ? columns.map((name) => cells[0].indexOf(name)) : ownPlaces(cells, columns);
  return cells
    .slice(headed ? 1 : 0)
    .map((row, at) => places.map((place) => checked(value(row[place] ?? ""), row[place] ?? "", at + (headed ? 2 : 1))));
}

function delimiterOf(lines) {
  const found = [";", "\t", ","].find((sign) => lines.every((line) => line.includes(sign)));
  if (found) return found;
  return lines.some((line) => /\s/.test(line)) ? /[\s,;]+/ : null;
}

/** Without a header the last columns are the values: a date, if there is one, comes before them. */
function ownPlaces(cells, columns) {
  const extra = cells[0].length - columns.length;
  if (extra < 0) throw new Plain(`A line needs ${columns.length} values, one each of ${columns.join(", ")}.`);
  return columns.map((_, at) => at + extra);
}

function checked(value, cell, line) {
  if (!Number.isFinite(value)) throw new Plain(`Line ${line}: “${cell}” is no number.`);
  return value;
}

/** The network's inputs for the last rows of a series; throws `Plain` where they are too few, or cannot be. */
export function windowFeeds({ window, columns, log, parts }, rows, part = 0) {
  if (rows.length < window) {
    throw new Plain(`The network looks at ${window} steps, and these are ${rows.length}: give more.`);
  }
  const last = rows.slice(-window);
  if (log && last.some((row) => row.some((value) => value <= 0))) {
    throw new Plain("The network takes logarithms: all values have to be above 0.");
  }
  const feeds = {
    window: { type: "float64", data: Float64Array.from(last.flat()), dims: [1, window, columns.length] },
  };
  if (parts.length) feeds.series = { type: "int64", data: BigInt64Array.from([BigInt(part)]), dims: [1] };
  return feeds;
}

/** The steps ahead as rows {step, name: value, name_lower, name_upper}, from the network's outputs. */
export function forecastRows({ targets, horizon }, outputs) {
  return Array.from({ length: horizon }, (_, step) => {
    const row = { step: step + 1 };
    targets.forEach((name, at) => {
      const place = step * targets.length + at;
      row[name] = outputs.forecast.data[place];
      if (!outputs.lower) return;
      row[`${name}_lower`] = outputs.lower.data[place];
      row[`${name}_upper`] = outputs.upper.data[place];
    });
    return row;
  });
}

/** The view for a series; `judge` answers with rows of a forecast for {rows, part}. */
export function seriesView({ series }, judge) {
  const text = element("textarea", { rows: 8, spellcheck: false, dir: "ltr", autocomplete: "off" });
  const label = `The last ${series.window} steps or more of ${series.columns.join(", ")}`;
  const hint = "A line for each step, the oldest first: CSV with the names in its first line, or the numbers alone.";
  const part = series.parts.length
    ? element(
        "select",
        {},
        series.parts.map((id, at) => element("option", { value: at, textContent: id || "(no name)" })),
      )
    : null;
  const place = element("div", { className: "place", "aria-live": "polite" });
  const button = element("button", { type: "button", className: "main", textContent: "Forecast" });
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      const rows = parseSeries(text.value, series.columns);
      place.replaceChildren(...forecastShown(series, rows, await judge({ rows, part: Number(part?.value ?? 0) })));
    } catch (error) {
      complaint(error, place);
    } finally {
      button.disabled = false;
    }
  });
  const fields = [part && field("Series", part), field(label, text, hint)].filter(Boolean);
  return [
    element("section", { className: "fields", "aria-label": "Values" }, fields),
    element("section", { "aria-label": "Forecast" }, place),
    element("div", { className: "toolbar" }, button),
  ];
}

function forecastShown({ columns, targets }, known, found) {
  const charts = targets.map((name) => {
    const history = known.slice(-MOST_SHOWN).map((row) => row[columns.indexOf(name)]);
    return chart(
      name,
      history,
      found.map((row) => row[name]),
      found.map((row) => row[`${name}_lower`]),
      found.map((row) => row[`${name}_upper`]),
    );
  });
  const names = Object.keys(found[0]);
  const head = names.map((name) => element("th", { scope: "col", dir: "auto", textContent: name }));
  const lines = found.map((row) =>
    element(
      "tr",
      {},
      names.map((name) =>
        element("td", {
          textContent: typeof row[name] === "number" ? short(row[name]) : row[name],
          "data-value": String(row[name]),
        }),
      ),
    ),
  );
  const table = element("table", {}, element("thead", {}, element("tr", {}, head)), element("tbody", {}, lines));
  return [
    ...charts,
    element("div", { className: "scroll", tabIndex: 0, role: "region", "aria-label": "Table of the forecast" }, table),
  ];
}
