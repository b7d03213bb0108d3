// A file becomes red, green and blue as cnncli decodes it: upright, no colour profile, transparent parts over white.
import { Plain } from "./dom.js";
import { overWhite } from "./pillow.js";

const MOST_BYTES = 200 * 2 ** 20;
const MOST_PIXELS = 178_956_970; // Pillow refuses larger ones, too
const STRIPE = 2 ** 22; // pixels of a canvas; some phones have none of more than four times as many

/** A picture as {width, height, channels: 3, data}, from a file, a Blob; throws `Plain` for anything else. */
export async function decode(blob, size) {
  if (blob.size > MOST_BYTES)
    throw new Plain(`This file has ${Math.round(blob.size / 2 ** 20)} MB; 200 MB is the most.`);
  if (blob.size === 0) throw new Plain("This file is empty.");
  const bitmap = await open(blob);
  try {
    if (bitmap.width * bitmap.height > MOST_PIXELS) {
      throw new Plain(
        `This picture has ${bitmap.width} × ${bitmap.height} pixels, which is too large; make it smaller.`,
      );
    }
    const picture = pixels(bitmap);
    return size && (await isJpeg(blob)) ? likeDraft(picture, size) : picture;
  } finally {
    bitmap.close();
  }
}

async function open(blob) {
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "from-image" };
  try {
    return await createImageBitmap(blob, options);
  } catch (error) {
    if (error instanceof TypeError) return createImageBitmap(blob).catch(refuse); // a browser without these options
    return refuse();
  }
}

function refuse() {
  throw new Plain("This file is no picture that the browser can read; use PNG, JPEG, WebP or GIF.");
}

/** What a canvas, video or bitmap shows, as red, green and blue. */
export function pixels(source, width = source.width, height = source.height) {
  const data = new Uint8Array(width * height * 3);
  const rows = Math.max(Math.min(Math.floor(STRIPE / width), height), 1);
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  canvas.width = width;
  canvas.height = rows;
  for (let top = 0; top < height; top += rows) {
    const count = Math.min(rows, height - top);
    context.clearRect(0, 0, width, rows);
    context.drawImage(source, 0, top, width, count, 0, 0, width, count);
    const part = context.getImageData(0, 0, width, count);
    data.set(overWhite({ width, height: count, data: part.data }).data, top * width * 3);
  }
  return { width, height, channels: 3, data };
}

async function isJpeg(blob) {
  const start = new Uint8Array(await blob.slice(0, 3).arrayBuffer());
  return start[0] === 0xff && start[1] === 0xd8 && start[2] === 0xff;
}

/** cnncli decodes large JPEGs at a half, quarter or eighth: so many of the 8 × 8 waves of each block are left out. */
export function likeDraft(picture, [height, width]) {
  const room = Math.min(Math.floor(picture.width / (2 * width)), Math.floor(picture.height / (2 * height)));
  const scale = [8, 4, 2].find((each) => room >= each);
  return scale ? shrunk(picture, scale) : picture;
}

/** What 8 levels become when only their lowest 8 / scale waves (of the cosine transform) are kept: rows of weights. */
function lowWaves(scale) {
  const kept = 8 / scale;
  const wave = (k, x, n) => (k === 0 ? Math.SQRT1_2 : 1) * Math.cos(((2 * x + 1) * k * Math.PI) / (2 * n));
  const rows = [];
  for (let place = 0; place < kept; place++) {
    const row = new Float32Array(8);
    for (let x = 0; x < 8; x++) {
      for (let k = 0; k < kept; k++) row[x] += (wave(k, place, kept) * wave(k, x, 8)) / 4;
    }
    rows.push(row);
  }
  return rows;
}

function shrunk(picture, scale) {
  const { channels } = picture;
  const waves = lowWaves(scale);
  const narrow = line(picture.data, picture.width, picture.height, channels, picture.width * channels, channels, waves);
  const width = Math.ceil(picture.width / scale);
  const flat = line(narrow, picture.height, width, width * channels, channels, channels, waves);
  const data = Uint8Array.from(flat, (level) => Math.max(0, Math.min(255, Math.round(level))));
  return { width, height: Math.ceil(picture.height / scale), channels, data };

  /** `length` levels along each of `count` lines made fewer; they lie `step` apart, lines `lineStep`. */
  function line(source, length, count, step, lineStep, colours, table) {
    const places = Math.ceil(length / scale);
    const newStep = step === colours ? colours : step;
    const newLine = step === colours ? places * colours : lineStep;
    const made = new Float32Array(places * count * colours);
    for (let number = 0; number < count; number++) {
      for (let place = 0; place < places; place++) {
        const block = Math.floor((place * scale) / 8) * 8;
        const row = table[place % table.length];
        for (let colour = 0; colour < colours; colour++) {
          let sum = 0;
          for (let x = 0; x < 8; x++) {
            sum += row[x] * source[number * lineStep + Math.min(block + x, length - 1) * step + colour];
          }
          made[number * newLine + place * newStep + colour] = sum;
        }
      }
    }
    return made;
  }
}
