// Answers of a server (`cnncli serve`) instead of this device: the same view, another judge.
import { answerOfServer } from "./answers.js";
import { element, field, Plain } from "./dom.js";

let token = "";

/** A request to the server; where it wants a token, one is asked for. Throws `Plain` with what it says. */
export async function request(url, options = {}) {
  const headers = { ...options.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  const answer = await fetch(url, { ...options, headers, cache: "no-store" }).catch(() => null);
  if (!answer) throw new Plain("The server does not answer: is it still running?");
  if (answer.status === 401) {
    token = await askToken(token !== "");
    return request(url, options);
  }
  if (answer.ok) return answer.json();
  throw new Plain(await saidBy(answer));
}

async function saidBy(answer) {
  const told = await answer.json().catch(() => ({}));
  const detail = told.error ?? told.detail;
  if (answer.status === 503) {
    const wait = Number(answer.headers.get("retry-after"));
    return `The server is busy: try again${wait ? ` in ${wait} s` : " soon"}.`;
  }
  return typeof detail === "string" ? detail : `The server refuses this (${answer.status}).`;
}

function askToken(again) {
  const input = element("input", { type: "password", autocomplete: "current-password", required: true });
  const button = element("button", { type: "submit", className: "main", textContent: "Go on" });
  const hint = again ? "This was not the right one." : "Whoever runs the server has it.";
  const form = element("form", { method: "dialog" }, field("The server's token", input, hint), button);
  const dialog = element("dialog", { "aria-label": "Token" }, form);
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(input.value);
    });
  });
}

const json = (content) => ({
  method: "POST",
  headers: { "content-type": "application/json" },
  body: JSON.stringify(content),
});

async function asFile(source) {
  if (source instanceof Blob) return source;
  let canvas = source;
  if (source instanceof HTMLVideoElement) {
    canvas = element("canvas", { width: source.videoWidth, height: source.videoHeight });
    canvas.getContext("2d").drawImage(source, 0, 0);
  }
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  return new File([blob], "picture.png", { type: "image/png" });
}

/** What the views ask, answered by the server at `base`, which ends in a slash or is empty. */
export function serverJudge(description, base) {
  const upload = async (url, name, file) => {
    const body = new FormData();
    body.append(name, file, file.name);
    return request(base + url, { method: "POST", body });
  };
  return {
    async picture(source) {
      const file = await asFile(source);
      const { predictions, errors } = await upload("predict", "files", file);
      if (errors?.length) throw new Plain(errors[0].error);
      const answer = answerOfServer(description, predictions[0]);
      if (!description.explains || !(source instanceof Blob)) return { answer };
      const { map } = await upload("explain", "files", file);
      return { answer, map };
    },
    async row({ row }) {
      const { predictions } = await request(`${base}predict`, json({ rows: [row] }));
      return answerOfServer(description, predictions[0]);
    },
    async series({ rows, part }) {
      const { columns, horizon, parts, by = [] } = description.series;
      const own = by.length === 1 && parts.length ? { [by[0]]: parts[part] } : {};
      const series = rows.map((row) => ({ ...own, ...Object.fromEntries(columns.map((name, at) => [name, row[at]])) }));
      const asked = { series, steps: horizon };
      return (await request(`${base}predict`, json(asked))).forecast;
    },
    async *text({ prompt, length, temperature, topK }) {
      const seed = Math.floor(Math.random() * 2 ** 31);
      yield (await request(`${base}predict`, json({ prompt, length, temperature, top_k: topK, seed }))).text;
    },
  };
}

/** A field to choose among several networks of the server; nothing where there is one. */
export function chooser(models, current) {
  if (!models || models.length < 2) return null;
  const options = models.map((name) =>
    element("option", { value: name, textContent: name, selected: name === current }),
  );
  const select = element("select", {}, options);
  select.addEventListener("change", () => {
    location.search = new URLSearchParams({ model: select.value });
  });
  return field("Network", select);
}
