// The network on this device: it is loaded once, and run in a worker.
import { Plain } from "./dom.js";

async function download(url, told) {
  const answer = await fetch(url, { cache: "no-cache" }).catch(() => null);
  if (!answer?.ok) {
    const cause = answer ? `the server says ${answer.status}` : "there is no connection";
    throw new Plain(`The network (${url}) cannot be loaded: ${cause}. Load the page again.`);
  }
  const size = Number(answer.headers.get("content-length")) || 0;
  const parts = [];
  let done = 0;
  for (const reader = answer.body.getReader(); ;) {
    const { value, done: ended } = await reader.read();
    if (ended) break;
    parts.push(value);
    done += value.length;
    told(size ? Math.min(done / size, 1) : null);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** The network of `model.onnx` as a function of its inputs: {name: {type, data, dims}} to outputs of the same form. */
export async function loadNetwork(url, told) {
  const waiting = new Map();
  let [last, broken] = [0, null];
  const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  const ask = (message, transfer = []) =>
    new Promise((resolve, reject) => {
      if (broken) reject(broken);
      waiting.set(++last, { resolve, reject });
      worker.postMessage({ id: last, ...message }, transfer);
    });
  worker.addEventListener("message", ({ data: { id, found, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(found);
    else reject(new Plain(`The network cannot compute this: ${error}`));
  });
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    broken = new Plain(
      "The program that runs the network (ort/) did not start: load the page again, and look whether its folder came with it.",
    );
    for (const { reject } of waiting.values()) reject(broken);
  });
  const content = await download(url, told);
  told(1);
  await ask({ load: content }, [content.buffer]).catch((error) => {
    throw new Plain(`The network does not load. ${error.message}`);
  });
  return (feeds) => ask({ feeds });
}
