// Text continued one character after the other, as cnncli does it.

const UNKNOWN = 0; // the id that stands for every character that the network has not seen

/** The probabilities to draw with and the ids they belong to, best first, from one position's scores. */
export function candidates(scores, temperature, topK) {
  const order = [...scores.keys()].sort((a, b) => scores[b] - scores[a] || a - b);
  const kept = order.slice(0, temperature === 0 ? 1 : Math.min(topK || order.length, order.length));
  const best = scores[kept[0]];
  const shares = kept.map((id) => Math.exp((scores[id] - best) / (temperature || 1)));
  const sum = shares.reduce((a, b) => a + b, 0);
  return { chances: shares.map((share) => share / sum), ids: kept };
}

/** One of `ids`, drawn with `chances` by a number from 0 to 1. */
export function drawn({ chances, ids }, chance) {
  let left = chance;
  for (let at = 0; at < ids.length; at++) {
    left -= chances[at];
    if (left < 0) return ids[at];
  }
  return ids[0];
}

/** The ids of a text's characters; where it is empty a line break, or else the first character, begins. */
export function encode(prompt, vocabulary) {
  const ids = new Map(vocabulary.map((character, id) => [character, id]).slice(1));
  const start = prompt || (ids.has("\n") ? "\n" : vocabulary[1]);
  return [...start].map((character) => ids.get(character) ?? UNKNOWN);
}

const int64 = (ids) => ({ type: "int64", data: BigInt64Array.from(ids, BigInt), dims: [1, ids.length] });

/** What a network with a state gets first: zeros. */
function zeros(state) {
  return Object.fromEntries(
    state.map(({ name, shape }) => {
      const dims = shape.map((length) => (typeof length === "number" ? length : 1));
      return [name, { type: "float32", data: new Float32Array(dims.reduce((a, b) => a * b, 1)), dims }];
    }),
  );
}

/** A function from new ids to the scores after the last; it remembers what it was given. */
export function reader({ vocabulary, block, state }, run) {
  let [kept, memory] = [[], zeros(state)];
  return async (ids) => {
    if (state.length === 0) {
      kept = kept.concat(ids);
      if (block !== null && kept.length > block) kept = kept.slice(-Math.max(1, Math.floor(block / 2)));
    }
    const outputs = await run({ ids: int64(state.length ? ids : kept), ...memory });
    for (const { name } of state) memory[name] = outputs[`${name}_after`];
    const scores = Float64Array.from(outputs.logits.data.subarray(-vocabulary.length));
    scores[UNKNOWN] = -Infinity;
    return scores;
  };
}

/** `length` characters after `prompt`, one at a time. `random` gives numbers from 0 to 1. */
export async function* continued(text, run, { prompt, length, temperature, topK, random = Math.random }) {
  const read = reader(text, run);
  let ids = encode(prompt, text.vocabulary);
  for (let number = 0; number < length; number++) {
    const id = drawn(candidates(await read(ids), temperature, topK), random());
    yield text.vocabulary[id];
    ids = [id];
  }
}
