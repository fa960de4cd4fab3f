// The tagger: from a sound to its tags, in constant memory.

import { EarmarkError } from "./error.js";
import { Explainer } from "./evidence.js";
import { Loudest } from "./loudness.js";
import { joined, Matrix } from "./matrix.js";
import { Networks } from "./networks.js";
import { Pass } from "./pass.js";
import { Prediction } from "./prediction.js";
import { Distance, Probabilities, scoresOf } from "./probability.js";
import { Features, Windows } from "./statistics.js";

/**
 * @typedef {import("./bundle.js").Bundle} Bundle
 * @typedef {import("./networks.js").Runtime} Runtime
 * @typedef {import("./prediction.js").OverTime} OverTime
 * @typedef {{sampleRate: number, numberOfChannels: number, getChannelData: (channel: number) => Float32Array}} Buffer
 *   such as the browser's AudioBuffer
 * @typedef {{sampleRate: number, samples: Float32Array|Float32Array[]}} Samples one channel, or several
 * @typedef {{sampleRate: number, blocks: AsyncIterable<Float32Array>|Iterable<Float32Array>}} Blocks mono, in order
 * @typedef {object} TagOptions
 * @property {{windowSeconds: number, hopSeconds: number}} [overTime] also tag windows of the sound
 * @property {boolean} [keepFeatures] keep what evidence is computed from
 * @property {(samples: Float32Array, seconds: number, soFar: () => Promise<Prediction|null>) => void|Promise<void>} [onBlock]
 *   gets each block, mono at the model's rate, and a function that returns the tags of the sound so far
 */

const BLOCK_SECONDS = 5;
const FIRST_SECONDS = 2;
const PRECISION = 0.9;

/** Tags sounds. It keeps no state between sounds. */
export class Tagger {
  /**
   * @param {Bundle} bundle
   * @param {Networks} networks
   */
  constructor(bundle, networks) {
    this.bundle = bundle;
    this.networks = networks;
    this.labels = bundle.card.tags.map(({ label }) => label);
    this.probabilities = new Probabilities(bundle.card);
    this.distance = new Distance(bundle);
    /** Computes evidence from what `keepFeatures` keeps. */
    this.explainer = new Explainer(bundle, networks, this.probabilities);
  }

  /**
   * @param {Bundle} bundle
   * @param {Runtime} runtime
   * @param {any} [options] of the runtime's sessions
   */
  static async of(bundle, runtime, options) {
    return new Tagger(bundle, await Networks.of(bundle, runtime, options));
  }

  /**
   * Return a tagger with the same networks and another head, such as a taught one.
   *
   * @param {Bundle} bundle with the same extractors
   */
  async withHead(bundle) {
    return new Tagger(bundle, await this.networks.withHead(bundle));
  }

  /**
   * Return the tags of a sound; throws EarmarkError for sound that cannot be used.
   *
   * @param {Buffer|Samples|Blocks} sound
   * @param {TagOptions} [options]
   */
  async tag(sound, { overTime, keepFeatures = false, onBlock } = {}) {
    const { extractors } = this.bundle.card;
    const { rateHz } = this.bundle;
    const windows = overTime ? new WindowTags(this, overTime.windowSeconds, overTime.hopSeconds) : null;
    const features = keepFeatures ? new Features(extractors) : null;
    const pass = new Pass(this.bundle, this.networks, (scale, levels) => {
      windows?.add(scale, levels);
      features?.add(scale, levels);
    });
    const loudest = new Loudest(rateHz);
    const resampler = await this.networks.resampler(sound.sampleRate, rateHz);
    let samples = 0;
    const soFar = async () => {
      const vectors = pass.vectors;
      return vectors && this.predict(joined(vectors), { silent: loudest.silent, durationSeconds: samples / rateHz });
    };
    const hear = async (/** @type {Float32Array} */ block) => {
      if (!block.length) return;
      refuseUnusable(block);
      samples += block.length;
      loudest.add(block);
      await pass.push(block);
      await windows?.classify();
      await onBlock?.(block, samples / rateHz, soFar);
    };
    for await (const block of blocksOf(sound)) await hear(await resampler.push(block));
    await hear(await resampler.finish());
    if (!samples) throw new EarmarkError("The sound has no samples, expected at least one. Choose another sound.");
    const durationSeconds = samples / rateHz;
    const short = await pass.finish();
    features?.finish(durationSeconds);
    await windows?.finish(durationSeconds);
    return this.predict(joined(/** @type {Float32Array[]} */ (pass.vectors)), {
      silent: loudest.silent,
      durationSeconds,
      short,
      overTime: windows?.result() ?? null,
      features,
    });
  }

  /**
   * Return the prediction of a vector.
   *
   * @param {Float32Array} vector
   * @param {{silent: boolean, durationSeconds: number, short?: string[], ofWindow?: boolean, overTime?: OverTime|null,
   *   features?: Features|null}} sound
   */
  async predict(vector, { silent, durationSeconds, short = [], ofWindow = false, overTime, features }) {
    if (!vector.every(Number.isFinite))
      throw new EarmarkError(
        "Found activations beyond float32, expected a sound of about -1 to 1. Scale its samples down and try again.",
      );
    const logits = (await this.networks.logits(Matrix.of([vector]))).data;
    const likely = this.probabilities.of(logits);
    const distance = this.distance.of(vector);
    const withheld = this.probabilities.withheld(likely, { silent, distance, ofWindow });
    return new Prediction({
      card: this.bundle.card,
      logits,
      scores: scoresOf(logits, this.bundle.card.activation),
      probabilities: likely,
      odds: this.probabilities.odds(logits),
      promised: this.probabilities.promised(likely, PRECISION, withheld),
      vector,
      withheld,
      distance,
      durationSeconds,
      short,
      overTime,
      features,
    });
  }
}

/** The tags of the windows of one sound. */
class WindowTags {
  /**
   * @param {Tagger} tagger
   * @param {number} windowSeconds
   * @param {number} hopSeconds
   */
  constructor(tagger, windowSeconds, hopSeconds) {
    this._tagger = tagger;
    this._windows = new Windows(tagger.bundle.card.extractors, windowSeconds, hopSeconds);
    /** @type {OverTime} */
    this._found = {
      window_seconds: windowSeconds,
      hop_seconds: hopSeconds,
      seconds: [],
      labels: tagger.labels,
      probabilities: [],
      scores: [],
      withheld: [],
    };
  }

  /**
   * @param {number} scale
   * @param {Matrix} levels
   */
  add(scale, levels) {
    this._windows.add(scale, levels);
  }

  classify() {
    return this._take(this._windows.ready());
  }

  /** @param {number} durationSeconds */
  finish(durationSeconds) {
    return this._take(this._windows.finish(durationSeconds));
  }

  result() {
    return this._found;
  }

  /** @param {import("./statistics.js").WindowVectors} windows */
  async _take({ seconds, vectors }) {
    if (!vectors.length) return;
    const { networks, probabilities, distance, bundle } = this._tagger;
    const logits = await networks.logits(Matrix.of(vectors));
    vectors.forEach((vector, window) => {
      const likely = probabilities.of(logits.row(window));
      const sound = { silent: false, distance: distance.of(vector), ofWindow: true };
      this._found.seconds.push(seconds[window]);
      this._found.probabilities.push(likely);
      this._found.scores.push(scoresOf(logits.row(window), bundle.card.activation));
      this._found.withheld.push(probabilities.withheld(likely, sound));
    });
  }
}

/**
 * Yield mono blocks of any kind of sound; the first is short, so that there are tags soon.
 *
 * @param {Buffer|Samples|Blocks} sound
 */
async function* blocksOf(sound) {
  if ("blocks" in sound) {
    yield* sound.blocks;
    return;
  }
  const channels = channelsOf(sound);
  const { length } = channels[0];
  let seconds = FIRST_SECONDS;
  for (let at = 0; at < length; ) {
    const size = Math.round(seconds * sound.sampleRate);
    yield mixed(channels.map((channel) => channel.subarray(at, at + size)));
    at += size;
    seconds = BLOCK_SECONDS;
  }
}

/**
 * @param {Buffer|Samples} sound
 * @returns {Float32Array[]}
 */
function channelsOf(sound) {
  if ("getChannelData" in sound)
    return Array.from({ length: sound.numberOfChannels }, (_, channel) => sound.getChannelData(channel));
  return Array.isArray(sound.samples) ? sound.samples : [sound.samples];
}

/**
 * Return the mean of some channels.
 *
 * @param {Float32Array[]} channels of equal length
 */
export function mixed(channels) {
  if (channels.length === 1) return channels[0];
  return channels[0].map((_, at) => channels.reduce((sum, channel) => sum + channel[at], 0) / channels.length);
}

/** @param {Float32Array} samples */
function refuseUnusable(samples) {
  if (!samples.every((sample) => Math.abs(sample) <= 1e30))
    throw new EarmarkError("The sound has samples that are no numbers, expected about -1 to 1. Decode it again.");
}
