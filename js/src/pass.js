// One pass over a sound: from blocks of samples to the vector of the track, windows and stored features.

import { LogMel } from "./log-mel.js";
import { Matrix } from "./matrix.js";
import { Segments } from "./segments.js";
import { Statistics } from "./statistics.js";

/**
 * @typedef {import("./bundle.js").Bundle} Bundle
 * @typedef {import("./networks.js").Networks} Networks
 */

/** All scales of a model on one sound; front ends with equal settings are computed once. */
export class Pass {
  /**
   * @param {Bundle} bundle
   * @param {Networks} networks
   * @param {(scale: number, levels: Matrix) => void} take gets the levels of the next segments of a scale
   */
  constructor(bundle, networks, take) {
    this._networks = networks;
    this._take = take;
    /** @type {Map<string, LogMel>} */
    const frontEnds = new Map();
    this._scales = bundle.card.extractors.map((extractor) => {
      const key = JSON.stringify(extractor.log_mel);
      if (extractor.log_mel && !frontEnds.has(key)) frontEnds.set(key, new LogMel(extractor.log_mel));
      return { extractor, key, segments: new Segments(extractor), statistics: new Statistics(extractor) };
    });
    this._frontEnds = frontEnds;
  }

  /**
   * Take the next samples, mono at the model's rate.
   *
   * @param {Float32Array} samples
   */
  async push(samples) {
    await this._spread((frontEnd) => frontEnd.push(samples), samples);
  }

  /** End the sound: return the names of the scales that it is too short for. */
  async finish() {
    await this._spread((frontEnd) => frontEnd.finish(), new Float32Array(0));
    for (const [place, { segments }] of this._scales.entries()) await this._run(place, segments.finish());
    return this._scales.filter(({ segments }) => segments.short).map(({ extractor }) => extractor.name);
  }

  /** The vector of the sound so far, or null before the first segment of the longest scale. */
  get vectors() {
    return this._scales.every(({ statistics }) => statistics.count)
      ? this._scales.map(({ statistics }) => statistics.vector())
      : null;
  }

  /**
   * @param {(frontEnd: LogMel) => Matrix} frames
   * @param {Float32Array} samples
   */
  async _spread(frames, samples) {
    const rows = new Map([...this._frontEnds].map(([key, frontEnd]) => [key, frames(frontEnd)]));
    for (const [place, { key, segments }] of this._scales.entries())
      await this._run(place, segments.push(rows.get(key) ?? new Matrix(samples, 1)));
  }

  /**
   * @param {number} place
   * @param {Matrix} segments
   */
  async _run(place, segments) {
    if (!segments.rows) return;
    const { extractor, statistics } = this._scales[place];
    const levels = await this._networks.levels(extractor, segments);
    statistics.add(levels);
    this._take(place, levels);
  }
}
