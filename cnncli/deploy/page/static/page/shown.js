// An answer as people read it: the name, its probability, bars for the most probable classes, or numbers.
import { element, named, percent, short } from "./dom.js";

const MOST = 5;

function bar({ name, probability, threshold, chosen }) {
  const meter = element("span", { className: "bar", "aria-hidden": "true" });
  const fill = element("span", { className: "fill" });
  fill.style.width = `${100 * probability}%`;
  meter.append(fill);
  if (threshold !== undefined) {
    const mark = element("span", { className: "mark" });
    mark.style.left = `${100 * threshold}%`;
    meter.append(mark);
  }
  const share = element("span", { className: "share", textContent: percent(probability) });
  return element(
    "li",
    { className: chosen ? "chosen" : "" },
    element("span", { className: "name" }, named(name)),
    share,
    meter,
  );
}

/** An element that shows an answer; `data-*` have it unrounded, for programs. */
export function shown(answer) {
  const box = element("div", { className: "answer" });
  if (answer.values) {
    for (const { name, value } of answer.values) {
      const number = element("strong", { textContent: short(value), "data-value": String(value) });
      box.append(element("p", { className: "value" }, named(name), ": ", number));
    }
    return box;
  }
  const names = answer.named.length ? answer.named : ["none of them"];
  const title = element(
    "p",
    { className: "named" },
    ...names.flatMap((name, at) => (at ? [", ", named(name)] : [named(name)])),
  );
  if (answer.named.length === 1 && answer.probability !== null) {
    title.append(" ", element("span", { className: "sure", textContent: percent(answer.probability) }));
  }
  box.dataset.named = answer.named.join("|");
  box.dataset.probability = answer.probability ?? "";
  const most = answer.top.some((each) => each.threshold !== undefined) ? answer.top.length : MOST;
  box.append(title, element("ol", { className: "bars", role: "list" }, answer.top.slice(0, most).map(bar)));
  if (answer.note) box.append(element("p", { className: "note", dir: "auto", textContent: answer.note }));
  return box;
}

/** A canvas that shows pixels [channels, height, width] as they are. */
export function seenCanvas({ data, channels, height, width }, canvas = element("canvas", { className: "seen" })) {
  const image = new ImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let colour = 0; colour < 3; colour++) {
      image.data[4 * i + colour] = data[(channels === 1 ? 0 : colour) * width * height + i];
    }
    image.data[4 * i + 3] = 255;
  }
  canvas.width = width;
  canvas.height = height;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", "What the network sees");
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
