// From logits to probabilities: calibration, coherence of related tags, promises, and why they are withheld.

/**
 * @typedef {import("./bundle.js").Bundle} Bundle
 * @typedef {import("./bundle.js").Card} Card
 * @typedef {import("./bundle.js").TagName} TagName
 * @typedef {{reason: "silence"|"other sound"|"unfamiliar", sentence: string}} Withheld
 */

const OTHER_SOUND = "other sound";
const GENRES = "genres";
const MOSTLY = 0.5;
const SLACK = 1e-9;

/** @param {number} value */
export function sigmoid(value) {
  const small = Math.exp(-Math.abs(value));
  return Math.fround(value >= 0 ? 1 / (1 + small) : small / (1 + small));
}

/**
 * Return the scores of logits, 0 to 1.
 *
 * @param {ArrayLike<number>} logits
 * @param {"sigmoid"|"softmax"} activation
 */
export function scoresOf(logits, activation) {
  const values = Array.from(logits);
  if (activation === "sigmoid") return values.map(sigmoid);
  const highest = Math.max(...values);
  const powers = values.map((value) => Math.exp(value - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => Math.fround(power / sum));
}

/**
 * Return the log odds of every score.
 *
 * @param {ArrayLike<number>} logits
 * @param {"sigmoid"|"softmax"} activation
 */
export function logOdds(logits, activation) {
  const values = Array.from(logits);
  if (activation === "sigmoid") return values;
  return values.map((value, tag) => {
    const others = values.filter((_, other) => other !== tag);
    const highest = Math.max(...others);
    return value - highest - Math.log(others.reduce((sum, other) => sum + Math.exp(other - highest), 0));
  });
}

/** Turns the logits of one model into probabilities. */
export class Probabilities {
  /** @param {Card} card */
  constructor(card) {
    this._card = card;
    this._relations = relationsOf(card.tags);
  }

  /**
   * Return the calibrated and coherent log odds of one vector's logits, which order the tags.
   *
   * @param {ArrayLike<number>} logits
   */
  odds(logits) {
    const { calibration, activation } = this._card;
    const odds = logOdds(logits, activation).map((value, tag) =>
      calibration.length ? calibration[tag].slope * value + calibration[tag].intercept : value,
    );
    const statements = [...odds, ...odds.map((value) => -value)];
    const values = (/** @type {number[]} */ places) => places.map((place) => statements[place]);
    for (const { place, below, above } of this._relations)
      odds[place] = (Math.max(...values(below)) + Math.min(...values(above))) / 2;
    return odds;
  }

  /**
   * Return the probabilities of one vector's logits, 0 to 1.
   *
   * @param {ArrayLike<number>} logits
   */
  of(logits) {
    const { calibration, activation } = this._card;
    if (!calibration.length && !this._relations.length) return scoresOf(logits, activation);
    return this.odds(logits).map(sigmoid);
  }

  /**
   * Return which tags keep a promised precision.
   *
   * @param {number[]} probabilities
   * @param {number} precision above 0 and up to 1
   * @param {Withheld|null} withheld
   */
  promised(probabilities, precision, withheld) {
    return probabilities.map((probability, tag) => {
      if (withheld && this._card.tags[tag].group !== OTHER_SOUND) return false;
      const fitting = Object.entries(this._card.calibration[tag]?.thresholds ?? {})
        .filter(([stored]) => Number(stored) >= precision - SLACK)
        .map(([, threshold]) => threshold);
      return probability >= Math.fround(Math.min(...fitting));
    });
  }

  /**
   * Return why promises about a sound are withheld, or null where they are not.
   *
   * @param {number[]} probabilities
   * @param {{silent: boolean, distance: number, ofWindow?: boolean}} sound
   * @returns {Withheld|null}
   */
  withheld(probabilities, { silent, distance, ofWindow = false }) {
    if (silent) return { reason: "silence", sentence: "silence" };
    const { tags, familiarity } = this._card;
    const places = (/** @type {(tag: TagName) => boolean} */ wanted) =>
      [...tags.keys()].filter((place) => wanted(tags[place]));
    const other = places(({ group }) => group === OTHER_SOUND);
    if (other.length) {
      const most = other.reduce((best, place) => (probabilities[place] > probabilities[best] ? place : best));
      const genres = places(({ group }) => group === GENRES);
      const music = genres.length ? genres : places(({ group }) => group !== OTHER_SOUND);
      const likely = probabilities[most];
      if (likely >= MOSTLY && likely > Math.max(0, ...music.map((place) => probabilities[place])))
        return { reason: "other sound", sentence: `mostly ${tags[most].label} (${Math.round(100 * likely)} %)` };
    }
    const farthest = (ofWindow ? familiarity?.window_threshold : familiarity?.threshold) ?? null;
    if (farthest !== null && distance > farthest)
      return { reason: "unfamiliar", sentence: "unlike the music that the model learned from" };
    return null;
  }
}

/**
 * Return the related tags, each with the statements that imply it and those that it implies. A statement is a tag, by
 * its place, or a tag's negation, whose number is the tag's plus the number of tags.
 *
 * @param {TagName[]} tags
 */
function relationsOf(tags) {
  const count = tags.length;
  const places = new Map(tags.map(({ label }, place) => [label, place]));
  const negated = (/** @type {number} */ statement) => (statement < count ? statement + count : statement - count);
  /** @type {Map<number, Set<number>>} */
  const implied = new Map();
  const add = (/** @type {number} */ one, /** @type {number} */ other) =>
    implied.set(one, (implied.get(one) ?? new Set()).add(other));
  const imply = (/** @type {number} */ one, /** @type {number} */ other) => {
    add(one, other);
    add(negated(other), negated(one));
  };
  tags.forEach(({ parents = [], opposites = [] }, place) => {
    for (const label of parents) imply(place, places.get(label) ?? place);
    for (const label of opposites) if (places.has(label)) imply(place, negated(places.get(label) ?? place));
  });
  const related = new Set([...implied.keys()].map((statement) => statement % count));
  return [...related].map((place) => ({
    place,
    below: reached(place + count, implied).map(negated),
    above: reached(place, implied),
  }));
}

/**
 * @param {number} start
 * @param {Map<number, Set<number>>} steps
 */
function reached(start, steps) {
  const found = new Set([start]);
  for (const statement of found) for (const next of steps.get(statement) ?? []) found.add(next);
  return [...found];
}

/** The distance of vectors from the music of a model's training; NaN where the model has no familiarity. */
export class Distance {
  /** @param {Bundle} bundle */
  constructor(bundle) {
    this._known = Boolean(bundle.card.familiarity);
    const values = (/** @type {string} */ name) => bundle.tensor(name).values;
    this._parts = this._known
      ? {
          mean: values("head.mean"),
          deviation: values("head.deviation"),
          centre: values("familiarity.mean"),
          axes: values("familiarity.axes"),
          scale: values("familiarity.scale")[0],
        }
      : null;
  }

  /** @param {Float32Array} vector */
  of(vector) {
    if (!this._parts) return Number.NaN;
    const { mean, deviation, centre, axes, scale } = this._parts;
    const values = vector.map((value, at) => (value - mean[at]) / deviation[at] - centre[at]);
    let squares = values.reduce((sum, value) => sum + value * value, 0);
    for (let axis = 0; axis < axes.length; axis += values.length) {
      let along = 0;
      for (let at = 0; at < values.length; at += 1) along += axes[axis + at] * values[at];
      squares -= along * along;
    }
    return Math.sqrt(Math.max(squares, 0) / values.length) / scale;
  }
}
