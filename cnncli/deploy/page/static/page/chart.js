// A forecast as a picture: what is known, what is expected, and the interval around it.
import { short } from "./dom.js";

const [WIDTH, HEIGHT, LEFT, EDGE] = [640, 260, 64, 14];
const SVG = "http://www.w3.org/2000/svg";

function shape(tag, attributes, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  return made;
}

/** An SVG of one target: `history` and `values` with `lower` and `upper` (undefined where there is no interval). */
export function chart(name, history, values, lower, upper) {
  const banded = lower.every(Number.isFinite) && upper.every(Number.isFinite);
  const all = [...history, ...values, ...(banded ? [...lower, ...upper] : [])].filter(Number.isFinite);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const count = Math.max(history.length + values.length - 1, 1);
  const x = (step) => LEFT + (step / count) * (WIDTH - LEFT - EDGE);
  const y = (value) => HEIGHT - EDGE - ((value - low) / (high - low || 1)) * (HEIGHT - 2 * EDGE);
  const points = (list, first) =>
    list.map((value, at) => `${x(first + at).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const told = `${name}: ${history.length} known steps, then ${values.length} expected, from ${short(values[0])} to ${short(values.at(-1))}`;
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "chart", "aria-label": told });
  for (const value of [low, (low + high) / 2, high]) {
    svg.append(shape("line", { x1: LEFT, x2: WIDTH - EDGE, y1: y(value), y2: y(value), class: "grid" }));
    svg.append(shape("text", { x: LEFT - 6, y: y(value) + 5, class: "tick" }, short(Number(value.toPrecision(3)))));
  }
  const begin = history.length;
  if (banded) {
    const back = upper
      .map((value, at) => `${x(begin + at).toFixed(1)},${y(value).toFixed(1)}`)
      .reverse()
      .join(" ");
    svg.append(shape("polygon", { points: `${points(lower, begin)} ${back}`, class: "band" }));
  }
  svg.append(shape("polyline", { points: points(history, 0), class: "known" }));
  svg.append(shape("polyline", { points: points([history.at(-1), ...values], begin - 1), class: "expected" }));
  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.dir = "auto";
  caption.textContent = `${name}: known, and dashed what is expected${banded ? " with its interval" : ""}`;
  figure.append(svg, caption);
  return figure;
}
