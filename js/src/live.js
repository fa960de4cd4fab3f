// Tagging a sound without end: the tags of its last seconds.

import { Loudness } from "./loudness.js";
import { joined } from "./matrix.js";
import { Pass } from "./pass.js";
import { rowSeconds } from "./segments.js";
import { SegmentBuffer } from "./statistics.js";

/**
 * @typedef {import("./prediction.js").Prediction} Prediction
 * @typedef {import("./tagger.js").Tagger} Tagger
 */

/** Tags a sound that arrives piece by piece; memory is constant. */
export class Live {
  /**
   * @param {Tagger} tagger
   * @param {number} sampleRate of the pieces
   * @param {{windowSeconds?: number}} [settings] how much of the latest sound is tagged
   */
  constructor(tagger, sampleRate, { windowSeconds = 10 } = {}) {
    const { bundle } = tagger;
    this._tagger = tagger;
    this._windowSeconds = windowSeconds;
    this._rateHz = bundle.rateHz;
    this._resampler = tagger.networks.resampler(sampleRate, bundle.rateHz);
    this._buffers = bundle.card.extractors.map((extractor) => new SegmentBuffer(extractor));
    this._pass = new Pass(bundle, tagger.networks, (scale, levels) => this._buffers[scale].add(levels));
    this._loudness = new Loudness(bundle.rateHz, windowSeconds);
    this._samples = 0;
    this._answered = 0;
    this._step = Math.max(...bundle.card.extractors.map((each) => each.segment_hop * rowSeconds(each)));
  }

  /** The length of the sound so far, in seconds. */
  get seconds() {
    return this._samples / this._rateHz;
  }

  /**
   * Take the next piece, mono, and return the tags of the last seconds; null until there is another segment.
   *
   * @param {Float32Array} piece
   * @returns {Promise<Prediction|null>}
   */
  async push(piece) {
    const samples = await (await this._resampler).push(piece);
    if (!samples.length) return null;
    this._samples += samples.length;
    this._loudness.add(samples);
    await this._pass.push(samples);
    const start = this.seconds - this._windowSeconds;
    const latest = Math.min(...this._buffers.map(({ latestSeconds }) => latestSeconds));
    if (latest < 0 || latest < this._answered + this._step / 2) return null;
    this._answered = latest;
    const vector = joined(this._buffers.map((buffer) => buffer.vector(start, this.seconds)));
    for (const buffer of this._buffers) buffer.forget(start, this.seconds);
    return this._tagger.predict(vector, {
      silent: this._loudness.silent,
      durationSeconds: Math.min(this.seconds, this._windowSeconds),
      ofWindow: true,
    });
  }
}
