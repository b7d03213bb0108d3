// Pictures brought to size exactly as Pillow does it: the same windows, the same weights of 22 bits, the same rounding.
// A picture here is {width, height, channels, data}, its bytes one row after the other, channels side by side.

const BITS = 22;
const HALF = 1 << (BITS - 1);

const FILTERS = {
  bilinear: { support: 1, at: (x) => Math.max(1 - Math.abs(x), 0) },
  bicubic: { support: 2, at: cubic },
};

function cubic(distance) {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

/** For each of `count` new pixels: the first old pixel it is made of, how many, and their weights. */
function weights(length, begin, end, count, filter) {
  const scale = Math.fround(end - begin) / count;
  const wide = Math.max(scale, 1);
  const support = filter.support * wide;
  const most = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(count);
  const number = new Int32Array(count);
  const values = new Int32Array(count * most);
  const raw = new Float64Array(most);
  for (let place = 0; place < count; place++) {
    const centre = begin + (place + 0.5) * scale;
    const low = Math.max(Math.trunc(centre - support + 0.5), 0);
    const high = Math.min(Math.trunc(centre + support + 0.5), length);
    let sum = 0;
    for (let x = low; x < high; x++) sum += raw[x - low] = filter.at((x - centre + 0.5) * (1 / wide));
    for (let x = 0; x < high - low; x++) {
      const share = (sum === 0 ? raw[x] : raw[x] / sum) * (1 << BITS);
      values[place * most + x] = Math.trunc(share < 0 ? share - 0.5 : share + 0.5);
    }
    first[place] = low;
    number[place] = high - low;
  }
  return { first, number, values, most };
}

/** One pass along the rows or columns; `step` is how far neighbours along the pass lie apart. */
function pass(source, target, lines, lineStep, newLineStep, step, newStep, channels, table) {
  const { first, number, values, most } = table;
  for (let line = 0; line < lines; line++) {
    for (let place = 0; place < first.length; place++) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = HALF;
        let from = line * lineStep + first[place] * step + channel;
        for (let k = place * most, end = k + number[place]; k < end; k++, from += step) sum += source[from] * values[k];
        sum >>= BITS;
        target[line * newLineStep + place * newStep + channel] = sum < 0 ? 0 : sum > 255 ? 255 : sum;
      }
    }
  }
}

/** The rows made narrower or wider, from `begin` to `end` of each. */
function across({ width, height, channels, data }, count, begin, end, filter) {
  if (count === width && begin === 0 && end === width) return { width, height, channels, data };
  const made = new Uint8Array(count * height * channels);
  const table = weights(width, begin, end, count, filter);
  pass(data, made, height, width * channels, count * channels, channels, channels, channels, table);
  return { width: count, height, channels, data: made };
}

/** The columns made shorter or longer, from `begin` to `end` of each. */
function down({ width, height, channels, data }, count, begin, end, filter) {
  if (count === height && begin === 0 && end === height) return { width, height, channels, data };
  const made = new Uint8Array(width * count * channels);
  const table = weights(height, begin, end, count, filter);
  pass(data, made, width, channels, channels, width * channels, width * channels, channels, table);
  return { width, height: count, channels, data: made };
}

/** `picture` in another size; of the `box` [left, top, right, bottom] alone where one is given. */
export function resize(picture, width, height, interpolation, box = [0, 0, picture.width, picture.height]) {
  const filter = FILTERS[interpolation];
  const [left, top, right, bottom] = box.map(Math.fround);
  // since version 13 Pillow begins with the columns where these lose much more than the rows
  const lost = picture.height - height;
  if (lost > 0 && lost > 2 * (picture.width - width)) {
    return across(down(picture, height, top, bottom, filter), width, left, right, filter);
  }
  return down(across(picture, width, left, right, filter), height, top, bottom, filter);
}

/** Scaled until it covers the size, and the centre cut out. */
function covering(picture, width, height, interpolation) {
  const ratio = picture.width / picture.height;
  const wanted = width / height;
  let [w, h] = [picture.width, picture.height];
  if (ratio > wanted) w = wanted * h;
  else if (ratio < wanted) h = w / wanted;
  const left = (picture.width - w) * 0.5;
  const top = (picture.height - h) * 0.5;
  return resize(picture, width, height, interpolation, [left, top, left + w, top + h]);
}

/** Scaled until it fits inside, and padded with black. */
function padded(picture, width, height, interpolation) {
  const ratio = picture.width / picture.height;
  const wanted = width / height;
  let [w, h] = [width, height];
  if (ratio > wanted) h = toEven((picture.height / picture.width) * width);
  else if (ratio < wanted) w = toEven((picture.width / picture.height) * height);
  const { channels } = picture;
  const data = new Uint8Array(width * height * channels);
  if (w === 0 || h === 0) return { width, height, channels, data };
  const inside = resize(picture, w, h, interpolation);
  const left = w === width ? 0 : toEven((width - w) * 0.5);
  const top = w === width ? toEven((height - h) * 0.5) : 0;
  for (let y = 0; y < h; y++) {
    const row = inside.data.subarray(y * w * channels, (y + 1) * w * channels);
    data.set(row, ((y + top) * width + left) * channels);
  }
  return { width, height, channels, data };
}

/** Python's round(): halves go to the even neighbour. */
function toEven(value) {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** `picture` brought to the size of the description `{size: [height, width], fit, interpolation}`. */
export function fitted(picture, { size: [height, width], fit, interpolation }) {
  if (picture.width === width && picture.height === height) return picture;
  if (fit === "stretch") return resize(picture, width, height, interpolation);
  return (fit === "pad" ? padded : covering)(picture, width, height, interpolation);
}

/** Red, green and blue as one level of grey, by the weights that Pillow has. */
export function grey({ width, height, channels, data }) {
  if (channels === 1) return { width, height, channels, data };
  const levels = new Uint8Array(width * height);
  for (let i = 0, from = 0; i < levels.length; i++, from += channels) {
    levels[i] = (data[from] * 19595 + data[from + 1] * 38470 + data[from + 2] * 7471 + 0x8000) >> 16;
  }
  return { width, height, channels: 1, data: levels };
}

/** Red, green, blue and alpha laid over white, as three channels. */
export function overWhite({ width, height, data }) {
  const made = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    const alpha = data[from + 3];
    if (alpha === 255) made.set(data.subarray(from, from + 3), to);
    else for (let i = 0; i < 3; i++) made[to + i] = over(data[from + i], alpha);
  }
  return { width, height, channels: 3, data: made };
}

/** A level laid over white: Pillow keeps 7 bits more, and divides by 255 with two shifts. */
function over(level, alpha) {
  const share = alpha << 7;
  const sum = level * share + 255 * ((255 << 7) - share) + (0x80 << 7);
  return (((sum >> 8) + sum) >> 8) >> 7;
}

/** The pixels [channels, height, width] that the network takes, from a picture of red, green and blue. */
export function networkPixels(picture, about) {
  const made = fitted(picture, about);
  const { width, height, channels, data } = about.channels === 1 ? grey(made) : made;
  const planes = new Uint8Array(data.length);
  for (let channel = 0; channel < channels; channel++) {
    const start = channel * width * height;
    for (let i = 0; i < width * height; i++) planes[start + i] = data[i * channels + channel];
  }
  return planes;
}
