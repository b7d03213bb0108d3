// Where the network computes, beside the page, so that buttons stay alive. It is told one thing at a time.
import * as ort from "../ort/ort.js";

ort.env.wasm.numThreads = 1; // threads would need headers that file servers do not send
ort.env.wasm.proxy = false;
ort.env.wasm.wasmPaths = {
  mjs: new URL("../ort/ort-wasm.js", import.meta.url).href,
  wasm: new URL("../ort/ort.wasm", import.meta.url).href,
};

let session = null;

async function run(feeds) {
  const given = {};
  for (const [name, { type, data, dims }] of Object.entries(feeds)) given[name] = new ort.Tensor(type, data, dims);
  const found = await session.run(given);
  const outputs = {};
  for (const [name, tensor] of Object.entries(found)) {
    outputs[name] = { type: tensor.type, data: tensor.data, dims: [...tensor.dims] };
  }
  return outputs;
}

async function answer({ load, feeds }) {
  if (!load) return run(feeds);
  session = await ort.InferenceSession.create(load, { executionProviders: ["wasm"] });
  return { inputs: session.inputNames, outputs: session.outputNames };
}

addEventListener("message", async ({ data }) => {
  try {
    postMessage({ id: data.id, found: await answer(data) });
  } catch (error) {
    postMessage({ id: data.id, error: String(error?.message ?? error) });
  }
});
