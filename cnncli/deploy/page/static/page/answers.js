// What the network's numbers mean: the decision that cnncli takes, as {named, probability, top, values}.

/** The places of the largest probabilities, the largest first; of equal ones the first. */
const ranked = (probabilities) =>
  [...probabilities.keys()].sort((a, b) => probabilities[b] - probabilities[a] || a - b);

/** The class of least expected cost: of equal ones the most probable. */
function cheapest(probabilities, costs) {
  const expected = costs[0].map((_, named) =>
    costs.reduce((sum, row, truth) => sum + probabilities[truth] * row[named], 0),
  );
  const least = Math.min(...expected) + 1e-12;
  return ranked(probabilities).find((place) => expected[place] <= least);
}

function ofBinary({ classes, positive, thresholds }, [probability]) {
  const place = positive ?? 1;
  const yes = probability >= thresholdAt(thresholds, 0);
  const both = classes.map((name, at) => ({ name, probability: at === place ? probability : 1 - probability }));
  const named = both[yes ? place : 1 - place];
  const top = [...both].sort((a, b) => b.probability - a.probability);
  const threshold = thresholdAt(thresholds, 0);
  const note = threshold === 0.5 ? "" : `“${classes[place]}” is named from ${(100 * threshold).toFixed(1)} % on.`;
  return { named: [named.name], probability: named.probability, top, note };
}

function ofSeveral({ classes, thresholds }, probabilities) {
  const top = ranked(probabilities).map((at) => {
    const threshold = thresholdAt(thresholds, at);
    return { name: classes[at], probability: probabilities[at], threshold, chosen: probabilities[at] >= threshold };
  });
  const chosen = top.filter((each) => each.chosen);
  const least = chosen.length ? Math.min(...chosen.map((each) => each.probability)) : null;
  return {
    named: chosen.map((each) => each.name),
    probability: least,
    top,
    note: "The mark is where a class begins to be named.",
  };
}

function ofOne({ classes, costs }, probabilities) {
  const order = ranked(probabilities);
  const best = costs ? cheapest(probabilities, costs) : order[0];
  const top = order.map((at) => ({ name: classes[at], probability: probabilities[at] }));
  const note = best === order[0] ? "" : "Not the most probable class, but the one whose mistakes cost least.";
  return { named: [classes[best]], probability: probabilities[best], top, note };
}

const thresholdAt = (thresholds, at) => (Array.isArray(thresholds) ? thresholds[at] : thresholds) ?? 0.5;

/** The answers to all samples of a batch, from the network's outputs. */
export function answersOf(description, outputs) {
  const { data, dims } = outputs.probabilities ?? outputs.values;
  const [count, width] = [dims[0], dims.slice(1).reduce((a, b) => a * b, 1)];
  const decide = { binary: ofBinary, multilabel: ofSeveral }[description.task] ?? ofOne;
  return Array.from({ length: count }, (_, sample) => {
    const own = Array.from(data.subarray(sample * width, (sample + 1) * width));
    if (outputs.probabilities) return decide(description, own);
    return { values: description.targets.map((name, at) => ({ name, value: own[at] })) };
  });
}

/** What a server's `POST predict` says of one picture, or of one row, in the same form. */
export function answerOfServer(description, told) {
  if (told.top) {
    const top = told.top.map((each) => ({ name: each.class, probability: each.probability }));
    if (description.task !== "multilabel")
      return { named: [told.prediction], probability: told.probability, top, note: "" };
    const probabilities = description.classes.map(
      (name) => told.top.find((each) => each.class === name)?.probability ?? 0,
    );
    return ofSeveral(description, probabilities);
  }
  const named = Object.entries(told).filter(([name]) => name.startsWith("probability_"));
  if (named.length > 0 || description.classes.length > 0) {
    const top = named.map(([name, probability]) => ({ name: name.slice("probability_".length), probability }));
    top.sort((a, b) => b.probability - a.probability);
    return { named: [].concat(told.prediction), probability: told.probability ?? null, top, note: "" };
  }
  const { targets } = description;
  const values = targets.map((name) => ({ name, value: told[`prediction_${name}`] ?? told[name] ?? told.prediction }));
  return { values };
}
