// Answers computed on this device: what each view asks, by the network that was loaded.
import { answersOf } from "./answers.js";
import { decode, pixels } from "./decode.js";
import { networkPixels } from "./pillow.js";
import { rowFeeds } from "./rows.js";
import { continued } from "./sampling.js";
import { forecastRows, windowFeeds } from "./series.js";

/** The judge of all views for a network that `run` computes. */
export function deviceJudge(description, run) {
  const { pictures, series, text } = description;
  return {
    async picture(source) {
      const [height, width] = pictures.size;
      const seen = {
        data: networkPixels(await read(source, pictures.size), pictures),
        channels: pictures.channels,
        height,
        width,
      };
      const dims = [1, seen.channels, height, width];
      const outputs = await run({ pixels: { type: "uint8", data: seen.data, dims } });
      return { answer: answersOf(description, outputs)[0], pixels: seen };
    },
    row: async (gathered) => answersOf(description, await run(rowFeeds(gathered)))[0],
    series: async ({ rows, part }) => forecastRows(series, await run(windowFeeds(series, rows, part))),
    text: (asked) => continued(text, run, asked),
  };
}

async function read(source, size) {
  if (source instanceof Blob) return decode(source, size);
  return source instanceof HTMLVideoElement ? pixels(source, source.videoWidth, source.videoHeight) : pixels(source);
}
