// Keeps the page on the device: files come from the network while there is one, and from here when there is none.

const CACHE = `cnncli ${registration.scope}`;
const FILES = [
  "./",
  "index.html",
  "app.webmanifest",
  "icon.svg",
  "page/answers.js",
  "page/camera.js",
  "page/chart.js",
  "page/decode.js",
  "page/device.js",
  "page/dom.js",
  "page/drawing.js",
  "page/main.js",
  "page/network.js",
  "page/page.css",
  "page/pictures.js",
  "page/pillow.js",
  "page/rows.js",
  "page/sampling.js",
  "page/series.js",
  "page/server.js",
  "page/shown.js",
  "page/start.js",
  "page/text.js",
  "page/worker.js",
  "ort/ort.js",
  "ort/ort-wasm.js",
  "ort/ort.wasm",
  "ort/LICENSE.txt",
  "ort/ThirdPartyNotices.txt",
  "model.json",
  "model.onnx",
];

addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(FILES))
      .then(() => skipWaiting()),
  );
});

addEventListener("activate", (event) => event.waitUntil(clients.claim()));

async function answer(request) {
  const cache = await caches.open(CACHE);
  try {
    const found = await fetch(request, { cache: "no-cache" });
    if (found.ok) await cache.put(request, found.clone());
    return found;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}

addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && new URL(url).origin === location.origin) event.respondWith(answer(event.request));
});
