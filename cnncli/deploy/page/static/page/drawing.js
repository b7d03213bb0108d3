// A field to draw in, by finger, pen or mouse; what is drawn is brought to the network's size as a file would be.
import { complaint, element, latest } from "./dom.js";
import { seenCanvas, shown } from "./shown.js";

const SIDE = 320; // pixels of the longer side
const TINY = 12; // networks up to this size know strokes of about one of their pixels

/** The part of the page with the field. Light ink on dark, or dark on light, as the training pictures are. */
export function drawingPart({ pictures: { size, mean } }, judge) {
  const [height, width] = size;
  const scale = SIDE / Math.max(height, width);
  const dark = (mean?.[0] ?? 0) < 0.5;
  const label = "Drawing field: draw with a finger, a pen or the mouse. Without them, choose a picture below.";
  const canvas = element("canvas", { className: "pad", role: "img", "aria-label": label });
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
  const seen = element("canvas", { className: "seen", role: "img", "aria-label": "What the network sees" });
  const place = element("div", { className: "place", "aria-live": "polite" });
  const hint = () => place.replaceChildren(element("p", { className: "note", textContent: "Draw something." }));

  const clear = () => {
    context.fillStyle = dark ? "#000" : "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.strokeStyle = dark ? "#fff" : "#000";
    context.lineWidth = SIDE * (Math.max(height, width) <= TINY ? 0.13 : 0.085);
    context.lineCap = context.lineJoin = "round";
    seen.width = seen.width; // empties it
    hint();
  };
  let number = 0;
  const ask = latest(async () => {
    const own = number;
    try {
      const { answer, pixels } = await judge(canvas);
      if (own !== number) return; // it was cleared meanwhile
      if (pixels) seenCanvas(pixels, seen);
      place.replaceChildren(shown(answer));
    } catch (error) {
      complaint(error, place);
    }
  });
  strokes(canvas, context, ask);
  const button = element("button", { type: "button", textContent: "Clear" });
  button.addEventListener("click", () => {
    number++;
    clear();
  });
  clear();
  const beside = element("figure", {}, seen, element("figcaption", { textContent: "what the network sees" }));
  const field = element("div", { className: "draw" }, canvas, element("div", { className: "beside" }, beside, button));
  return element("section", { "aria-label": "Draw" }, field, place);
}

function strokes(canvas, context, changed) {
  let last = null;
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) * canvas.width) / box.width,
      ((event.clientY - box.top) * canvas.height) / box.height,
    ];
  };
  const line = (point) => {
    context.beginPath();
    context.moveTo(...last);
    context.lineTo(...point);
    context.stroke();
    last = point;
  };
  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    last = at(event);
    line(last);
    changed();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const each of events.length ? events : [event]) line(at(each));
    changed();
  });
  for (const type of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(type, () => {
      if (last) changed();
      last = null;
    });
  }
}
