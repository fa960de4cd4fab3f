// Teaching a model a word from examples: a regression on the classifier's hidden layer, as `earmark teach` fits one.

import { Bundle } from "./bundle.js";
import { EarmarkError } from "./error.js";
import { numbers, shuffled } from "./evidence.js";
import { Matrix } from "./matrix.js";
import { sigmoid } from "./probability.js";
import { fitLogistic, fitRegression } from "./regression.js";

/**
 * @typedef {import("./tagger.js").Tagger} Tagger
 * @typedef {import("./bundle.js").Tensor} Tensor
 * @typedef {{auc: number, low: number, high: number}} Quality
 * @typedef {{weight: number[], bias: number, slope: number, intercept: number}} TaughtHead on the hidden layer's units
 * @typedef {{word: string, head: TaughtHead, quality: Quality, advice: string, examples: number, others: number}} Taught
 */

const STRENGTH = 3;
const FOLDS = 5;
const ENOUGH_EXAMPLES = 10;
const USEFUL_AUC = 0.7;
const GROUP = "taught";
const PRIOR_PLACES = 9;
const PRIOR_TRACKS = 4;
const PRIOR_DOUBT = 0.05;
/** The quantile of the normal distribution for an interval at 95 %. */
const DEVIATIONS = 1.959963984540054;

/**
 * Learn a word from the vectors of tracks, and say how well; throws EarmarkError for fewer than two of either kind.
 *
 * @param {Tagger} tagger
 * @param {string} word
 * @param {Float32Array[]} vectors
 * @param {boolean[]} has which of the tracks have the word
 * @returns {Promise<Taught>}
 */
export async function teach(tagger, word, vectors, has) {
  const examples = has.filter(Boolean).length;
  const others = has.length - examples;
  if (examples < 2 || others < 2)
    throw new EarmarkError(
      `Found ${examples} tracks with “${word}” and ${others} without it, expected at least two of each. Give more.`,
    );
  const read = await reading(tagger, vectors);
  const fold = folds(has);
  const logits = new Array(has.length).fill(0);
  for (let number = 0; number < FOLDS; number += 1) {
    const rest = [...has.keys()].filter((track) => fold[track] === number);
    const train = [...has.keys()].filter((track) => fold[track] !== number);
    const fitted = fitRegression(
      train.map((track) => read.features[track]),
      train.map((track) => has[track]),
      STRENGTH,
    );
    for (const track of rest)
      logits[track] = fitted.weights.reduce(
        (sum, weight, at) => sum + weight * read.features[track][at],
        fitted.intercept,
      );
  }
  const fitted = fitRegression(read.features, has, STRENGTH);
  const quality = qualityOf(logits, has);
  return {
    word,
    head: { ...read.head(fitted), ...calibration(logits, has) },
    quality,
    advice: adviceOf(quality, examples),
    examples,
    others,
  };
}

/**
 * Return a model with a taught head, which the Python package loads like any other; throws EarmarkError on a page
 * without https, where browsers have no `crypto.subtle`.
 *
 * @param {Bundle} base
 * @param {Pick<Taught, "word"|"head"> & Partial<Taught>} taught
 * @param {string} name of the new model
 */
export async function taughtBundle(base, { word, head, quality, examples = 0, others = 0 }, name) {
  const units = base.card.head.hidden_units.slice(0, 1);
  const last = units.length + 1;
  /** @type {Map<string, Tensor>} */
  const tensors = new Map([...base.tensors].filter(([each]) => !/^head\.layer\.([2-9]|\d\d)/.test(each)));
  tensors.set(`head.layer.${last}.weight`, { shape: [1, head.weight.length], values: Float32Array.from(head.weight) });
  tensors.set(`head.layer.${last}.bias`, { shape: [1], values: Float32Array.of(head.bias) });
  const card = {
    ...base.card,
    name,
    head: { hidden_units: units, hash: "" },
    activation: /** @type {const} */ ("sigmoid"),
    tags: [{ label: word, group: GROUP }],
    calibration: [{ label: word, slope: head.slope, intercept: head.intercept, thresholds: {} }],
    provenance: {
      recipe: `[teach]\nbase_head = "${base.card.head.hash}"\nstrength = ${STRENGTH}\n`,
      data_hash: "",
      split_hash: `${examples + others} tracks, ${FOLDS} folds`,
      commit: "earmark for JavaScript",
      versions: {},
      seeds: [0],
      created: new Date().toISOString(),
    },
    metrics: quality ? { roc_auc: quality.auc, tracks: examples + others } : {},
  };
  card.head.hash = await headHash(card, tensors);
  return new Bundle(card, tensors);
}

/**
 * Return what a taught head reads: standardised activations of the hidden layer, or standardised vectors without one.
 *
 * @param {Tagger} tagger
 * @param {Float32Array[]} vectors
 */
async function reading(tagger, vectors) {
  const { bundle, networks } = tagger;
  const hasHidden = bundle.card.head.hidden_units.length > 0;
  const [headMean, headDeviation] = ["head.mean", "head.deviation"].map((name) => bundle.tensor(name).values);
  const rows = hasHidden
    ? (await networks.first(Matrix.of(vectors))).data.map((sum) => Math.max(0, sum))
    : Matrix.of(vectors.map((vector) => vector.map((value, at) => (value - headMean[at]) / headDeviation[at]))).data;
  const width = rows.length / vectors.length;
  const hidden = vectors.map((_, track) => rows.subarray(track * width, (track + 1) * width));
  const mean = Float64Array.from({ length: width }, (_, at) =>
    hasHidden ? hidden.reduce((sum, row) => sum + row[at], 0) / hidden.length : 0,
  );
  const all = rows.reduce((sum, value) => sum + value, 0) / rows.length;
  // One deviation for all units, because that of a rarely active unit is unreliable on few tracks.
  const deviation = hasHidden
    ? Math.sqrt(rows.reduce((sum, value) => sum + (value - all) ** 2, 0) / rows.length) || 1
    : 1;
  const scale = deviation * Math.sqrt(width);
  return {
    features: hidden.map((row) => Float64Array.from(row, (value, at) => (value - mean[at]) / scale)),
    head: (/** @type {{weights: Float64Array, intercept: number}} */ { weights, intercept }) => {
      const weight = Array.from(weights, (each) => each / scale);
      return { weight, bias: weight.reduce((sum, each, at) => sum - each * mean[at], intercept) };
    },
  };
}

/**
 * Return the fold of every track; both kinds are spread over the folds.
 *
 * @param {boolean[]} has
 */
function folds(has) {
  const random = numbers(0);
  const fold = new Array(has.length).fill(0);
  for (const kind of [true, false]) {
    const tracks = [...has.keys()].filter((track) => has[track] === kind);
    shuffled(tracks.length, random).forEach((place, number) => {
      fold[tracks[place]] = number % FOLDS;
    });
  }
  return fold;
}

/**
 * Return the slope and the intercept from out-of-fold logits to calibrated log odds (Platt); a few tracks that say what
 * the model says keep the slope of few or separable tracks near 1.
 *
 * @param {number[]} logits
 * @param {boolean[]} has
 */
function calibration(logits, has) {
  const sorted = [...logits].sort((a, b) => a - b);
  const prior = Array.from({ length: PRIOR_PLACES }, (_, place) => {
    const at = (place / (PRIOR_PLACES - 1)) * (sorted.length - 1);
    const low = Math.floor(at);
    return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
  });
  const points = [
    ...logits.map((logit, track) => ({ logit, target: has[track] ? 1 : 0, weight: 1 })),
    ...prior.map((logit) => ({
      logit,
      target: Math.min(1 - PRIOR_DOUBT, Math.max(PRIOR_DOUBT, sigmoid(logit))),
      weight: PRIOR_TRACKS / PRIOR_PLACES,
    })),
  ];
  const fitted = fitLogistic(points);
  if (fitted.slope > 0) return fitted;
  const total = points.reduce((sum, { weight }) => sum + weight, 0);
  const share = points.reduce((sum, { weight, target }) => sum + weight * target, 0) / total;
  return { slope: 0, intercept: Math.log(share / (1 - share)) };
}

/**
 * Return the area under the ROC curve, with an interval that is wide for few examples (Hanley and McNeil).
 *
 * @param {number[]} logits
 * @param {boolean[]} has
 * @returns {Quality}
 */
function qualityOf(logits, has) {
  const yes = logits.filter((_, track) => has[track]);
  const no = logits.filter((_, track) => !has[track]);
  let above = 0;
  for (const one of yes) for (const other of no) above += one > other ? 1 : one === other ? 0.5 : 0;
  const auc = above / (yes.length * no.length);
  const more = (yes.length + no.length) / 2 - 1;
  const isAway = (/** @type {number} */ value) => {
    const spread = 1 + more * ((1 - value) / (2 - value) + value / (1 + value));
    const variance = ((value * (1 - value)) / (yes.length * no.length)) * spread;
    return Math.abs(auc - value) > DEVIATIONS * Math.sqrt(Math.max(0, variance));
  };
  return { auc, low: edge(auc, 0, isAway), high: edge(auc, 1, isAway) };
}

/**
 * Return the last value, from one within an interval towards one end, that is within it.
 *
 * @param {number} within
 * @param {number} end
 * @param {(value: number) => boolean} isAway
 */
function edge(within, end, isAway) {
  let [inside, outside] = [within, end];
  for (let step = 0; step < 50; step += 1) {
    const middle = (inside + outside) / 2;
    if (isAway(middle)) outside = middle;
    else inside = middle;
  }
  return inside;
}

/**
 * @param {Quality} quality
 * @param {number} examples
 */
function adviceOf({ low }, examples) {
  if (low <= 0.5) return "no better than chance on these tracks; label more of them, or the word is not in the sound";
  if (examples < ENOUGH_EXAMPLES) return `label ${ENOUGH_EXAMPLES - examples} more tracks with it`;
  return low < USEFUL_AUC ? "label more tracks, of other artists" : "";
}

/**
 * Return the SHA-256 of a classifier, as Python's `head_hash`.
 *
 * @param {import("./bundle.js").Card} card
 * @param {Map<string, Tensor>} tensors
 */
async function headHash({ activation, head, tags }, tensors) {
  if (!globalThis.crypto?.subtle)
    throw new EarmarkError(
      "Found a page without https, where browsers compute no hashes, expected https or localhost. Open it there.",
    );
  const described = tags.map(({ label, group }) => `{"group": ${ascii(group)}, "label": ${ascii(label)}}`);
  const units = head.hidden_units.join(", ");
  const text = `{"activation": ${ascii(activation)}, "hidden_units": [${units}], "tags": [${described.join(", ")}]}`;
  const encoder = new TextEncoder();
  /** @type {Uint8Array[]} */
  const parts = [encoder.encode(text)];
  for (const name of [...tensors.keys()].filter((each) => /^(head|vector)\./.test(each)).sort()) {
    const { shape, values } = /** @type {Tensor} */ (tensors.get(name));
    parts.push(encoder.encode(`\n${name} [${shape.join(", ")}]\n`));
    parts.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  const digest = await crypto.subtle.digest("SHA-256", await new Blob(/** @type {any} */ (parts)).arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Return a text as JSON in ASCII.
 *
 * @param {string} text
 */
function ascii(text) {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
