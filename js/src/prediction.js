// A tagger's answer about one sound.

import { EarmarkError } from "./error.js";

/**
 * @typedef {import("./bundle.js").Card} Card
 * @typedef {import("./evidence.js").Evidence} Evidence
 * @typedef {import("./probability.js").Withheld} Withheld
 * @typedef {import("./statistics.js").Features} Features
 * @typedef {{label: string, group: string, probability: number, score: number}} Tag
 * @typedef {{seconds: number[], window_seconds: number, hop_seconds: number, labels: string[],
 *   probabilities: number[][], scores: number[][], withheld: (Withheld|null)[]}} OverTime
 */

/** The tags of a sound. `tags` are all of them, the most probable first; `probabilities` are in the model's order. */
export class Prediction {
  /**
   * @param {object} parts
   * @param {Card} parts.card
   * @param {Float32Array} parts.logits
   * @param {number[]} parts.scores
   * @param {number[]} parts.probabilities
   * @param {number[]} parts.odds the numbers that order the tags
   * @param {boolean[]} parts.promised at 0.9
   * @param {Float32Array} parts.vector
   * @param {Withheld|null} parts.withheld
   * @param {number} parts.distance
   * @param {number} parts.durationSeconds
   * @param {string[]} parts.short
   * @param {OverTime|null} [parts.overTime]
   * @param {Features|null} [parts.features]
   */
  constructor(parts) {
    const { card, scores, probabilities, odds } = parts;
    this.card = card;
    this.labels = card.tags.map(({ label }) => label);
    this.logits = parts.logits;
    this.scores = scores;
    this.probabilities = probabilities;
    /** The track vector. */
    this.vector = parts.vector;
    /** Why no tags of music are promised, or null. */
    this.withheld = parts.withheld;
    this.distance = parts.distance;
    this.durationSeconds = parts.durationSeconds;
    /** The scales that the sound was too short for; it was repeated to fill one segment of each. */
    this.short = parts.short;
    this.overTime = parts.overTime ?? null;
    this.features = parts.features ?? null;
    this._promised = parts.promised;
    const order = [...odds.keys()].sort((a, b) => odds[b] - odds[a] || a - b);
    /** @type {Tag[]} */
    this.tags = order.map((place) => ({
      label: this.labels[place],
      group: card.tags[place].group,
      probability: probabilities[place],
      score: scores[place],
    }));
  }

  /**
   * Return the most probable tags.
   *
   * @param {number} count
   */
  top(count = 5) {
    return this.tags.slice(0, count);
  }

  /** The tags that the model promises at a precision of 0.9. */
  get promised() {
    return this.tags.filter(({ label }) => this._promised[this.labels.indexOf(label)]);
  }

  /**
   * Return the probability of a tag, 0 to 1; throws EarmarkError for a tag that the model does not have.
   *
   * @param {string} label
   */
  probability(label) {
    const place = this.labels.indexOf(label);
    if (place < 0)
      throw new EarmarkError(`Found the tag ${label}, expected one of ${this.labels.join(", ")}. Choose one of those.`);
    return this.probabilities[place];
  }

  /**
   * Return the record that Python's `Prediction.to_dict` returns, for JSON.
   *
   * @param {string} source
   * @param {string} version of what made it
   * @param {string} decoder
   */
  toRecord(source, version, decoder) {
    const byLabel = (/** @type {ArrayLike<number>} */ values) =>
      Object.fromEntries(this.labels.map((label, place) => [label, values[place]]));
    const { card } = this;
    return {
      source,
      duration_seconds: this.durationSeconds,
      truncated: false,
      silent: this.withheld?.reason === "silence",
      withheld: this.withheld,
      short: this.short,
      decoder,
      model: {
        name: card.name,
        extractor_hashes: card.extractors.map(({ hash }) => hash),
        head_hash: card.head.hash,
        version,
        engine: "onnxruntime-web",
      },
      activation: card.activation,
      calibrated: card.calibration.length > 0,
      probabilities: byLabel(this.probabilities),
      scores: byLabel(this.scores),
      logits: byLabel(this.logits),
      groups: Object.fromEntries(card.tags.map(({ label, group }) => [label, group])),
      local_scores: null,
      ...(this.overTime ? { over_time: this.overTime } : {}),
    };
  }
}
