// The live camera: a picture after the other is answered, as fast as this device computes.
import { complaint, element, Plain } from "./dom.js";
import { shown } from "./shown.js";

const PAUSE = 100; // milliseconds between two answers, so that people can read them

/** The part of the page with the camera, or the sentence why there is none. */
export function cameraPart(judge) {
  if (!isSecureContext) {
    const text = "The live camera works only over HTTPS or on localhost: browsers allow it nowhere else.";
    return element("p", { className: "note", textContent: text });
  }
  if (!navigator.mediaDevices?.getUserMedia)
    return element("p", { className: "note", textContent: "This browser has no live camera." });
  const video = element("video", { muted: true, playsInline: true, hidden: true });
  const place = element("div", { className: "place" });
  const button = element("button", { type: "button", textContent: "Start the live camera" });
  let stream = null;

  const stop = () => {
    stream?.getTracks().forEach((track) => track.stop());
    stream = null;
    video.hidden = true;
    button.textContent = "Start the live camera";
  };
  const start = async () => {
    stream = await open();
    video.srcObject = stream;
    video.hidden = false;
    button.textContent = "Stop the camera";
    await video.play();
    while (stream) {
      const { answer } = await judge(video);
      if (stream) place.replaceChildren(shown(answer));
      await new Promise((done) => setTimeout(done, PAUSE));
    }
  };
  button.addEventListener("click", () => {
    if (stream) {
      stop();
      return;
    }
    start().catch((error) => {
      stop();
      complaint(error, place);
    });
  });
  return element("section", { className: "camera", "aria-label": "Live camera" }, button, video, place);
}

function open() {
  const wanted = { video: { facingMode: "environment", width: { ideal: 640 } }, audio: false };
  return navigator.mediaDevices.getUserMedia(wanted).catch((error) => {
    const refused = error.name === "NotAllowedError";
    throw new Plain(
      refused
        ? "The camera was not allowed: allow it in the browser's settings of this page."
        : "No camera can be opened here.",
    );
  });
}
