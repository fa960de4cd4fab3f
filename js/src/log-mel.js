// The log-mel front end: a stream from mono samples to frames, with the numbers of Python's to 1e-5.

import { Spectrum } from "./fourier.js";
import { Matrix } from "./matrix.js";

/** @typedef {import("./bundle.js").LogMelSettings} LogMelSettings */

const LEVEL = 3;
const LEAST = 1e-3;
const HZ_PER_MEL = 200 / 3;
const BREAK_HZ = 1000;
const BREAK_MEL = BREAK_HZ / HZ_PER_MEL;
const LOG_STEP = Math.log(6.4) / 27;
const FRAMES_TOGETHER = 256;

/** @param {number} hz */
function melFromHz(hz) {
  return hz < BREAK_HZ ? hz / HZ_PER_MEL : BREAK_MEL + Math.log(hz / BREAK_HZ) / LOG_STEP;
}

/** @param {number} mel */
function hzFromMel(mel) {
  return mel < BREAK_MEL ? mel * HZ_PER_MEL : BREAK_HZ * Math.exp(LOG_STEP * (mel - BREAK_MEL));
}

/**
 * Return triangular filters of equal area, evenly spaced in Slaney mel: for each band its first bin and its weights,
 * times the compression.
 *
 * @param {LogMelSettings} settings
 */
export function melFilters({ rate_hz, window_samples, mel_bands, low_hz, high_hz, compression }) {
  const low = melFromHz(low_hz);
  const high = melFromHz(high_hz);
  const edges = Array.from({ length: mel_bands + 2 }, (_, edge) =>
    hzFromMel(low + ((high - low) * edge) / (mel_bands + 1)),
  );
  return Array.from({ length: mel_bands }, (_, band) => {
    const [left, middle, right] = edges.slice(band, band + 3);
    /** @type {number[]} */
    const weights = [];
    let first = 0;
    for (let bin = 0; bin <= window_samples / 2; bin += 1) {
      const hz = (bin * rate_hz) / window_samples;
      const height = Math.min((hz - left) / (middle - left), (right - hz) / (right - middle));
      if (height <= 0) continue;
      if (!weights.length) first = bin;
      const weight = Math.fround(height * (2 / (right - left)));
      weights.push(Math.fround(weight * Math.fround(compression)));
    }
    return { first, weights: Float32Array.from(weights) };
  });
}

/** A stream from the samples of one sound to its log-mel frames; it returns each frame as soon as it is complete. */
export class LogMel {
  /** @param {LogMelSettings} settings */
  constructor(settings) {
    this.settings = settings;
    const { window_samples: size } = settings;
    this._spectrum = new Spectrum(size);
    this._filters = melFilters(settings);
    this._window = Float64Array.from({ length: size }, (_, at) => 0.5 - 0.5 * Math.cos((2 * Math.PI * at) / size));
    this._magnitudes = new Float32Array(size / 2 + 1);
    // Half a window of zeros is before the sound.
    this._held = new Float32Array(size + FRAMES_TOGETHER * settings.hop_samples);
    this._filled = size / 2;
    this._skip = 0;
    this._samples = 0;
    this._frames = 0;
    this._level = settings.level_seconds
      ? new RunningLevel((settings.level_seconds * settings.rate_hz) / settings.hop_samples)
      : null;
  }

  /**
   * Take the next samples and return the frames that they complete, often none.
   *
   * @param {Float32Array} samples
   */
  push(samples) {
    this._samples += samples.length;
    return this._append(samples);
  }

  /** End the sound and return its last frames, so that there are 1 + samples / hop in all. */
  finish() {
    const { window_samples: size, hop_samples: hop } = this.settings;
    const all = 1 + Math.floor(this._samples / hop);
    const frames = this._append(new Float32Array(size / 2 + hop));
    const before = this._frames - frames.rows;
    return frames.slice(0, all - before);
  }

  /** @param {Float32Array} samples */
  _append(samples) {
    const { window_samples: size, hop_samples: hop, mel_bands: bands } = this.settings;
    const most = Math.max(0, Math.floor((this._filled + samples.length - size) / hop) + 1);
    const frames = Matrix.zeros(most, bands);
    let count = 0;
    let taken = 0;
    while (taken < samples.length) {
      const skipped = Math.min(this._skip, samples.length - taken);
      this._skip -= skipped;
      taken += skipped;
      const part = samples.subarray(taken, taken + this._held.length - this._filled);
      this._held.set(part, this._filled);
      this._filled += part.length;
      taken += part.length;
      let at = 0;
      for (; at + size <= this._filled; at += hop) {
        this._frame(at, frames.row(count));
        count += 1;
      }
      // Where the hop is longer than the window, samples that are still to come are skipped.
      this._skip += Math.max(0, at - this._filled);
      this._held.copyWithin(0, Math.min(at, this._filled), this._filled);
      this._filled = Math.max(0, this._filled - at);
    }
    this._frames += count;
    return frames.slice(0, count);
  }

  /**
   * @param {number} at
   * @param {Float32Array} out
   */
  _frame(at, out) {
    const magnitudes = this._magnitudes;
    this._spectrum.magnitudes(this._held, at, this._window, magnitudes);
    let total = 0;
    for (let band = 0; band < out.length; band += 1) {
      const { first, weights } = this._filters[band];
      let sum = 0;
      for (let place = 0; place < weights.length; place += 1) sum += weights[place] * magnitudes[first + place];
      out[band] = sum;
      total += out[band];
    }
    const gain = this._level ? this._level.gain(Math.fround(total / out.length)) : 1;
    for (let band = 0; band < out.length; band += 1) out[band] = Math.log10(1 + out[band] * gain);
  }
}

/** The gains that bring the frames of one sound, in order, to one level. */
class RunningLevel {
  /** @param {number} frames the time constant of the running mean */
  constructor(frames) {
    this._step = -Math.expm1(-1 / frames);
    this._sum = 0;
    this._weight = 0;
  }

  /** @param {number} magnitude the mean of the next frame */
  gain(magnitude) {
    this._sum += this._step * (magnitude - this._sum);
    this._weight += this._step * (1 - this._weight);
    return Math.fround(LEVEL / (this._sum / this._weight + LEAST));
  }
}
