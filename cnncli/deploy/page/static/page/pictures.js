// Pictures: chosen, photographed, dropped or pasted, one or many; a live camera; a field to draw in for small grey ones.
import { cameraPart } from "./camera.js";
import { complaint, element, newId, Plain } from "./dom.js";
import { drawingPart } from "./drawing.js";
import { seenCanvas, shown } from "./shown.js";

const SMALL = 64; // pixels a side up to which a network is one that people can draw for

/** The view for pictures; `judge` answers {answer, pixels, map} for a file, a canvas or a video. */
export function picturesView(description, judge) {
  const { channels, size } = description.pictures;
  if (![1, 3].includes(channels)) {
    throw new Plain(
      `This network takes arrays of ${channels} channels, which no browser reads: use “cnncli predict” for them.`,
    );
  }
  const list = element("ol", { className: "results", role: "list", "aria-label": "Answers" });
  const told = element("p", { className: "told", role: "status" });
  const ask = (files) => answerFiles([...files], judge, list, told);
  listen(ask);
  const drawable = channels === 1 && Math.max(...size) <= SMALL;
  return [
    drawable && drawingPart(description, judge),
    element("section", { "aria-label": "Pictures" }, dropField(), told, list),
    cameraPart(judge),
    buttons(ask),
  ].filter(Boolean);
}

const dropField = () =>
  element("p", { className: "drop", textContent: "Drop pictures here, paste one, or use the buttons below." });

function buttons(ask) {
  const button = (text, properties) => {
    const input = element("input", {
      type: "file",
      accept: "image/*",
      id: newId(),
      className: "hidden-input",
      ...properties,
    });
    input.addEventListener("change", async () => {
      const files = [...input.files];
      input.value = ""; // so that the same file can be chosen again
      await ask(files);
    });
    return [input, element("label", { htmlFor: input.id, className: "button", textContent: text })];
  };
  const choose = button("Choose pictures", { multiple: true });
  const photograph = matchMedia("(pointer: coarse)").matches ? button("Take a photo", { capture: "environment" }) : [];
  return element("div", { className: "toolbar" }, choose, photograph);
}

function listen(ask) {
  const over = (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragging", event.type === "dragover");
  };
  for (const type of ["dragover", "dragleave"]) document.addEventListener(type, over);
  document.addEventListener("drop", (event) => {
    over(event);
    if (event.dataTransfer.files.length) ask(event.dataTransfer.files);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) ask(event.clipboardData.files);
  });
}

async function answerFiles(files, judge, list, told) {
  for (const [number, file] of files.entries()) {
    told.textContent = files.length > 1 ? `Picture ${number + 1} of ${files.length} …` : "One moment …";
    const item = element(
      "li",
      { className: "result" },
      element("p", { className: "file", dir: "auto", textContent: file.name }),
    );
    const place = element("div", { className: "place" });
    item.append(place);
    list.prepend(item);
    await answerFile(file, judge, place, item);
    const answer = place.querySelector(".named, .value, .error")?.textContent ?? "";
    told.textContent = files.length > 1 ? `${number + 1} of ${files.length} pictures answered.` : answer;
  }
}

async function answerFile(file, judge, place, item) {
  try {
    const { answer, pixels, map } = await judge(file);
    item.insertBefore(beside(file, pixels, map), place);
    place.append(shown(answer));
  } catch (error) {
    complaint(error, place);
  }
}

/** The picture, and what the network sees of it or looks at in it. */
function beside(file, seen, map) {
  const url = URL.createObjectURL(file);
  const picture = element("img", { src: url, alt: "" });
  picture.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
  const views = [element("figure", {}, picture)];
  if (seen) views.push(figure(seenCanvas(seen), "what the network sees"));
  if (map) views.push(figure(element("img", { src: map, alt: "Where the network looks" }), "where it looks"));
  return element("div", { className: "views" }, views);
}

const figure = (content, text) => element("figure", {}, content, element("figcaption", { textContent: text }));
