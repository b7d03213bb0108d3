// Small helpers for what stands on the page. Names from data only ever become text, never HTML.

let lastId = 0;

/** An id that nothing else on the page has. */
export const newId = () => `e${++lastId}`;

/** An element with properties and children; names with a dash, and role, become attributes. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.includes("-") || ["role", "for", "capture", "list"].includes(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** The message of a fault that a person can mend; everything else is a fault of the page. */
export class Plain extends Error {}

/** A share as people write it: 97.3 %, never 100 % for less than that. */
export function percent(share) {
  const text = (100 * share).toFixed(1);
  if (share < 1 && text === "100.0") return "> 99.9 %";
  return share > 0 && text === "0.0" ? "< 0.1 %" : `${text} %`;
}

/** A number with at most six digits that matter. */
export function short(value) {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size >= 1e9 || size < 1e-4) ? value.toExponential(4) : String(Number(value.toPrecision(6)));
}

/** A name as it is read aloud and shown, in its own direction. */
export const named = (name) => element("bdi", { textContent: name === "" ? "(empty)" : name });

/** A sentence about what went wrong, where people look for the answer. */
export function complaint(error, where) {
  const text = error instanceof Plain ? error.message : `The page failed: ${error?.message ?? error}`;
  if (!(error instanceof Plain)) console.error(error);
  where.replaceChildren(element("p", { className: "error", textContent: text }));
}

/** A label above a control. */
export function field(text, control, hint = null) {
  control.id ||= newId();
  const about = hint ? element("small", { id: newId(), textContent: hint }) : null;
  if (about) control.setAttribute("aria-describedby", about.id);
  return element(
    "div",
    { className: "field" },
    element("label", { htmlFor: control.id, dir: "auto" }, text),
    control,
    about,
  );
}

/** `run`, and once more after it where it was asked for meanwhile: only the newest question counts. */
export function latest(run) {
  let [running, again] = [false, false];
  return async function ask() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    do {
      again = false;
      await run();
    } while (again);
    running = false;
  };
}
