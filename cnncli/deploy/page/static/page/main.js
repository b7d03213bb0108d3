// The page begins here: it reads what the network is, and shows the view for its kind.
import { deviceJudge } from "./device.js";
import { complaint, element, Plain } from "./dom.js";
import { loadNetwork } from "./network.js";
import { picturesView } from "./pictures.js";
import { rowsView } from "./rows.js";
import { seriesView } from "./series.js";
import { chooser, request, serverJudge } from "./server.js";
import { textView } from "./text.js";

const VIEWS = {
  pictures: (description, judge) => picturesView(description, judge.picture),
  rows: (description, judge) => rowsView(description, judge.row),
  series: (description, judge) => seriesView(description, judge.series),
  text: (description, judge) => textView(description, judge.text),
};
const HEADINGS = {
  pictures: "What is in a picture",
  rows: "An answer for a row",
  series: "A forecast",
  text: "A text continued",
};
const FORMAT = 1;

const place = (id) => document.getElementById(id);

async function description(chosen) {
  const url = chosen ? `models/${encodeURIComponent(chosen)}/model.json` : "model.json";
  const answer = await fetch(url, { cache: "no-cache" }).catch(() => null);
  if (answer?.status === 401) return request(url);
  if (!answer?.ok)
    throw new Plain("model.json, which says what the network is, is not beside this page: export it again.");
  const found = await answer.json().catch(() => {
    throw new Plain("model.json, which says what the network is, cannot be read: export it again.");
  });
  if (found.format !== FORMAT)
    throw new Plain(`model.json has format ${found.format}, and this page knows ${FORMAT}: export it again.`);
  return found;
}

function introduce({ run, kind, task, classes, targets, cnncli, server }) {
  const answers = classes.length ? `${classes.length} classes` : targets.join(", ");
  place("title").textContent = run || HEADINGS[kind];
  document.title = run || HEADINGS[kind];
  place("about").textContent = [HEADINGS[kind], task.replaceAll("_", " "), answers].filter(Boolean).join(" · ");
  place("private").textContent = server
    ? `What you give is sent to this server (${location.host}) and answered there; it goes nowhere else.`
    : "Everything is computed on this device; nothing that you give leaves it.";
  place("credits").textContent =
    `Made by cnncli ${cnncli}` + (server ? "." : "; ONNX Runtime Web, MIT licence (ort/LICENSE.txt).");
}

async function judgeFor(about, chosen) {
  if (about.server) return serverJudge(about, chosen ? `models/${encodeURIComponent(chosen)}/` : "");
  const told = place("status");
  const run = await loadNetwork("model.onnx", (share) => {
    told.textContent = share === null ? "Loading the network …" : `Loading the network … ${Math.floor(100 * share)} %`;
  });
  return deviceJudge(about, run);
}

/** Keep all files on this device, where browsers allow it; a server that answers needs none of it. */
async function keep(server) {
  const told = place("offline");
  if (!navigator.serviceWorker || !isSecureContext) {
    if (!server)
      told.textContent =
        "It needs the network to be opened: only over HTTPS or on localhost do browsers let a page keep itself.";
    return;
  }
  if (server) {
    const registration = await navigator.serviceWorker.getRegistration();
    await registration?.unregister();
    return;
  }
  try {
    await navigator.serviceWorker.register("sw.js");
    await navigator.serviceWorker.ready;
    told.textContent = "This page is kept on this device, and works without a connection.";
    document.body.dataset.kept = "yes";
  } catch {
    told.textContent = "The browser does not keep this page: it needs a connection to be opened.";
  }
}

async function begin() {
  const chosen = new URLSearchParams(location.search).get("model");
  const about = await description(chosen);
  introduce(about);
  const judge = await judgeFor(about, chosen);
  const view = [about.server && chooser(about.models, chosen ?? about.models?.[0]), ...VIEWS[about.kind](about, judge)];
  place("view").replaceChildren(...view.filter(Boolean));
  place("status").textContent = "";
  document.body.dataset.state = "ready";
  await keep(about.server);
}

begin().catch((error) => {
  document.body.dataset.state = "failed";
  complaint(error, place("status"));
});
