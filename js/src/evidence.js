// Why a track got its tags: which scale and level decided, by Shapley values, and when each tag sounds.

import { Matrix } from "./matrix.js";
import { logOdds } from "./probability.js";
import { rowSeconds } from "./segments.js";

/**
 * @typedef {import("./bundle.js").Bundle} Bundle
 * @typedef {import("./networks.js").Networks} Networks
 * @typedef {import("./probability.js").Probabilities} Probabilities
 * @typedef {import("./statistics.js").Features} Features
 * @typedef {{extractor: string, level: number, contribution: number, error: number}} Part
 * @typedef {{log_odds: number, base: number, exact: boolean, parts: Part[], window_seconds: number,
 *   hop_seconds: number, seconds: number[], curve: number[], strongest: [number, number][]}} Evidence
 * @typedef {{probability: number, log_odds: number, base: number, exact: boolean, parts: Part[]}} StretchEvidence
 * @typedef {{contributions: Float64Array[], errors: Float64Array[], base: number[], whole: number[], exact: boolean}} Shares
 */

const EXACT_BLOCKS = 12;
const PERMUTATIONS = 128;
const WINDOW_SECONDS = 5;
const HOP_SECONDS = 1;
const STRONGEST_SHARE = 0.2;

/** Computes the evidence of all tags of a track at once. */
export class Explainer {
  /**
   * @param {Bundle} bundle
   * @param {Networks} networks
   * @param {Probabilities} probabilities
   */
  constructor(bundle, networks, probabilities) {
    this._bundle = bundle;
    this._networks = networks;
    this._probabilities = probabilities;
    this._mean = bundle.tensor("vector.mean").values;
    this._deviation = bundle.tensor("head.deviation").values;
    const headMean = bundle.tensor("head.mean").values;
    this._weight = bundle.tensor("head.layer.1.weight").values;
    const standardised = this._mean.map((value, at) => (value - headMean[at]) / this._deviation[at]);
    const bias = bundle.tensor("head.layer.1.bias").values;
    const all = { start: 0, stop: bundle.width };
    this._firstOfMean = this._product([all], standardised).map((sum, unit) => sum + bias[unit]);
    /** @type {Map<string, {extractor: string, level: number, columns: {start: number, stop: number}[]}>} */
    const blocks = new Map();
    for (const { extractor, level, start, stop } of bundle.card.layout) {
      const key = `${extractor} ${level}`;
      const block = blocks.get(key) ?? { extractor, level, columns: [] };
      block.columns.push({ start, stop });
      blocks.set(key, block);
    }
    this._blocks = [...blocks.values()];
  }

  /**
   * Return the evidence of every tag of a track, by label.
   *
   * @param {Float32Array} vector of the track
   * @param {Features} features
   * @returns {Promise<Record<string, Evidence>>}
   */
  async explain(vector, features) {
    const { card } = this._bundle;
    const shares = await this._shares(vector);
    const longest = Math.max(...card.extractors.map((each) => each.segment_length * rowSeconds(each)));
    const windowSeconds = Math.max(WINDOW_SECONDS, longest);
    const { seconds, vectors } = features.windows(windowSeconds, HOP_SECONDS);
    const logits = await this._networks.logits(Matrix.of(vectors));
    const rows = seconds.map((_, window) => logits.row(window));
    const curves = rows.map((row) => this._probabilities.of(row));
    const strengths = rows.map((row) => logOdds(row, card.activation));
    return Object.fromEntries(
      card.tags.map(({ label }, tag) => [
        label,
        {
          ...this._parts(shares, tag),
          window_seconds: windowSeconds,
          hop_seconds: HOP_SECONDS,
          seconds,
          curve: curves.map((curve) => curve[tag]),
          strongest: strongest(
            strengths.map((row) => row[tag]),
            windowSeconds,
            features.durationSeconds,
          ),
        },
      ]),
    );
  }

  /**
   * Return the evidence of every tag in a stretch of a track, by label.
   *
   * @param {Features} features
   * @param {number} start in seconds
   * @param {number} end in seconds
   * @returns {Promise<Record<string, StretchEvidence>>}
   */
  async explainStretch(features, start, end) {
    const vector = features.vector(start, end);
    const shares = await this._shares(vector);
    const probabilities = this._probabilities.of((await this._networks.logits(Matrix.of([vector]))).row(0));
    return Object.fromEntries(
      this._bundle.card.tags.map(({ label }, tag) => [
        label,
        { probability: probabilities[tag], ...this._parts(shares, tag) },
      ]),
    );
  }

  /**
   * @param {Shares} shares
   * @param {number} tag
   */
  _parts(shares, tag) {
    const parts = this._blocks.map(({ extractor, level }, block) => ({
      extractor,
      level,
      contribution: shares.contributions[block][tag],
      error: shares.errors[block][tag],
    }));
    return { log_odds: shares.whole[tag], base: shares.base[tag], exact: shares.exact, parts };
  }

  /**
   * @param {Float32Array} vector
   * @returns {Promise<Shares>}
   */
  async _shares(vector) {
    const difference = vector.map((value, at) => (value - this._mean[at]) / this._deviation[at]);
    const steps = this._blocks.map(({ columns }) => this._product(columns, difference));
    return steps.length <= EXACT_BLOCKS ? this._exact(steps) : this._sampled(steps);
  }

  /**
   * Return the exact Shapley values, from the log odds of all sets of blocks.
   *
   * @param {Float32Array[]} steps
   */
  async _exact(steps) {
    const sets = Matrix.zeros(2 ** steps.length, this._firstOfMean.length);
    sets.row(0).set(this._firstOfMean);
    steps.forEach((step, block) => {
      for (let set = 0; set < 2 ** block; set += 1) {
        const from = sets.row(set);
        const to = sets.row(set + 2 ** block);
        for (let unit = 0; unit < step.length; unit += 1) to[unit] = from[unit] + step[unit];
      }
    });
    const values = await this._values(sets);
    const tags = values[0].length;
    const weights = steps.map((_, size) => 1 / (steps.length * choose(steps.length - 1, size)));
    const contributions = steps.map((_, block) => {
      const own = new Float64Array(tags);
      for (let set = 0; set < values.length; set += 1) {
        if ((set >> block) & 1) continue;
        const weight = weights[bitCount(set)];
        const withBlock = values[set | (1 << block)];
        for (let tag = 0; tag < tags; tag += 1) own[tag] += weight * (withBlock[tag] - values[set][tag]);
      }
      return own;
    });
    const errors = contributions.map(() => new Float64Array(tags));
    return { contributions, errors, base: values[0], whole: values[values.length - 1], exact: true };
  }

  /**
   * Return Shapley values estimated from random orders of the blocks, the same for every call.
   *
   * @param {Float32Array[]} steps
   */
  async _sampled(steps) {
    const random = numbers(0);
    /** @type {Float64Array[][]} */
    const gains = [];
    /** @type {number[]} */
    let base = [];
    /** @type {number[]} */
    let whole = [];
    for (let permutation = 0; permutation < PERMUTATIONS; permutation += 1) {
      const order = shuffled(steps.length, random);
      const sums = Matrix.zeros(steps.length + 1, this._firstOfMean.length);
      sums.row(0).set(this._firstOfMean);
      order.forEach((block, place) => {
        const [from, to] = [sums.row(place), sums.row(place + 1)];
        for (let unit = 0; unit < to.length; unit += 1) to[unit] = from[unit] + steps[block][unit];
      });
      const values = await this._values(sums);
      [base, whole] = [values[0], values[values.length - 1]];
      /** @type {Float64Array[]} */
      const own = [];
      order.forEach((block, place) => {
        own[block] = Float64Array.from(base, (_, tag) => values[place + 1][tag] - values[place][tag]);
      });
      gains.push(own);
    }
    const mean = (/** @type {number[]} */ values) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const contributions = steps.map((_, block) =>
      Float64Array.from(base, (_, tag) => mean(gains.map((own) => own[block][tag]))),
    );
    const errors = steps.map((_, block) =>
      Float64Array.from(base, (_, tag) => {
        const squares = gains.map((own) => (own[block][tag] - contributions[block][tag]) ** 2);
        return Math.sqrt((mean(squares) * PERMUTATIONS) / (PERMUTATIONS - 1) / PERMUTATIONS);
      }),
    );
    return { contributions, errors, base, whole, exact: false };
  }

  /** @param {Matrix} first sums of the first layer */
  async _values(first) {
    const logits = this._bundle.card.head.hidden_units.length ? await this._networks.later(first) : first;
    return Array.from({ length: logits.rows }, (_, row) => logOdds(logits.row(row), this._bundle.card.activation));
  }

  /**
   * Return the first layer's weights of some columns times values.
   *
   * @param {{start: number, stop: number}[]} columns
   * @param {Float32Array} values
   */
  _product(columns, values) {
    const width = values.length;
    const units = this._weight.length / width;
    return Float32Array.from({ length: units }, (_, unit) => {
      let sum = 0;
      for (const { start, stop } of columns)
        for (let at = start; at < stop; at += 1) sum += this._weight[unit * width + at] * values[at];
      return sum;
    });
  }
}

/**
 * Return the stretches in which a tag is strongest: a fifth of the track, in order.
 *
 * @param {number[]} strengths the log odds in windows that start every hop
 * @param {number} windowSeconds
 * @param {number} durationSeconds
 */
function strongest(strengths, windowSeconds, durationSeconds) {
  const inside = Math.max(1, Math.round(windowSeconds / HOP_SECONDS));
  const hops = Math.max(1, Math.min(strengths.length - 1 + inside, Math.ceil(durationSeconds / HOP_SECONDS)));
  const means = Array.from({ length: hops }, (_, hop) => {
    const own = strengths.slice(Math.max(0, hop - inside + 1), hop + 1);
    return own.reduce((sum, value) => sum + value, 0) / own.length;
  });
  const wanted = Math.max(1, Math.round(STRONGEST_SHARE * hops));
  const chosen = [...means.keys()].sort((a, b) => means[b] - means[a] || a - b).slice(0, wanted);
  /** @type {[number, number][]} */
  const stretches = [];
  for (const hop of chosen.sort((a, b) => a - b)) {
    const end = Math.min((hop + 1) * HOP_SECONDS, durationSeconds);
    const last = stretches[stretches.length - 1];
    if (last && last[1] === hop * HOP_SECONDS) last[1] = end;
    else stretches.push([hop * HOP_SECONDS, end]);
  }
  return stretches;
}

/**
 * @param {number} all
 * @param {number} some
 */
function choose(all, some) {
  let ways = 1;
  for (let place = 0; place < some; place += 1) ways = (ways * (all - place)) / (place + 1);
  return ways;
}

/** @param {number} set */
function bitCount(set) {
  let count = 0;
  for (let rest = set; rest; rest >>= 1) count += rest & 1;
  return count;
}

/**
 * Return a generator of numbers from 0 to 1, the same for a seed (mulberry32).
 *
 * @param {number} seed
 */
export function numbers(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Return the numbers from 0 on in a random order.
 *
 * @param {number} count
 * @param {() => number} random
 */
export function shuffled(count, random) {
  const order = [...Array(count).keys()];
  for (let last = count - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}
