// A text continued: character by character, until it is long enough or stopped.
import { complaint, element, field, Plain } from "./dom.js";

const number = (value, properties) => element("input", { type: "number", inputMode: "decimal", value, ...properties });

/** The view for text; `write` gives pieces of text, one at a time, for {prompt, length, temperature, topK}. */
export function textView({ text: { vocabulary } }, write) {
  const prompt = element("textarea", { rows: 3, dir: "auto", spellcheck: false, autocomplete: "off" });
  const length = number(300, { min: 1, max: 100000, step: 1 });
  const temperature = number(0.8, { min: 0, step: 0.1 });
  const topK = number(Math.min(40, vocabulary.length - 1), { min: 1, step: 1 });
  const place = element("div", {
    className: "written",
    dir: "auto",
    tabIndex: 0,
    role: "region",
    "aria-label": "Text",
  });
  const told = element("p", { className: "told", role: "status" });
  const go = element("button", { type: "button", className: "main", textContent: "Continue the text" });
  const stop = element("button", { type: "button", textContent: "Stop", disabled: true });
  let stopped = false;

  stop.addEventListener("click", () => (stopped = true));
  go.addEventListener("click", async () => {
    [go.disabled, stop.disabled, stopped] = [true, false, false];
    try {
      const asked = settings(prompt, length, temperature, topK);
      told.textContent = "Writing …";
      await writeInto(place, asked, write, () => stopped);
      told.textContent = stopped ? "Stopped." : "Done.";
      told.textContent += unknownIn(asked.prompt, vocabulary);
    } catch (error) {
      complaint(error, told);
    } finally {
      [go.disabled, stop.disabled] = [false, true];
    }
  });
  const options = element(
    "div",
    { className: "options" },
    field("Characters", length),
    field("Temperature", temperature, "0: always the most probable"),
    field("Of the best (top-k)", topK),
  );
  return [
    element(
      "section",
      { className: "fields", "aria-label": "Beginning" },
      field("How the text begins", prompt),
      options,
    ),
    element("section", { "aria-label": "Answer" }, place, told),
    element("div", { className: "toolbar" }, go, stop),
  ];
}

async function writeInto(place, asked, write, isStopped) {
  const begin = element("span", { className: "prompt", textContent: asked.prompt });
  const text = document.createTextNode("");
  place.replaceChildren(begin, text);
  let last = performance.now();
  for await (const piece of write(asked)) {
    text.appendData(piece);
    if (isStopped()) break;
    if (performance.now() - last > 50) {
      await new Promise((done) => setTimeout(done));
      last = performance.now();
    }
  }
}

function settings(prompt, length, temperature, topK) {
  const asked = {
    prompt: prompt.value,
    length: length.valueAsNumber,
    temperature: temperature.valueAsNumber,
    topK: topK.valueAsNumber,
  };
  if (!(Number.isInteger(asked.length) && asked.length >= 1)) throw new Plain("Characters: a whole number from 1 on.");
  if (!(asked.temperature >= 0)) throw new Plain("Temperature: 0 (always the most probable character) or more.");
  if (Number.isNaN(asked.topK)) asked.topK = null;
  else if (!(Number.isInteger(asked.topK) && asked.topK >= 1))
    throw new Plain("Top-k: a whole number from 1 on, or nothing.");
  return asked;
}

function unknownIn(prompt, vocabulary) {
  const known = new Set(vocabulary.slice(1));
  const unknown = [...new Set(prompt)].filter((character) => !known.has(character));
  return unknown.length ? ` The network has never seen ${unknown.slice(0, 20).join(" ")}` : "";
}
