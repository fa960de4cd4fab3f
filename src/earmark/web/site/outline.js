// What the page draws of a sound beside its tags: the waveform, how bright it is, and how sharp its attacks are.

import { Spectrum } from "../earmark/fourier.js";

const PEAK_SAMPLES = 256;
const MOST_PEAKS = 6000;
const FRAME_SAMPLES = 512;
const HOP_FRAMES = 22;
const QUIET = 1e-3;

/** Collects the largest magnitude of each short stretch of a sound. */
export class WaveformPeaks {
  constructor(rateHz) {
    this._rateHz = rateHz;
    this._peaks = [];
    this._peak = 0;
    this._filled = 0;
  }

  /** @param {Float32Array} samples the next ones */
  add(samples) {
    for (const sample of samples) {
      this._peak = Math.max(this._peak, Math.abs(sample));
      this._filled += 1;
      if (this._filled === PEAK_SAMPLES) this._close();
    }
  }

  /** Return at most MOST_PEAKS peaks, 0 to 1, and the seconds that each of them stands for. */
  record() {
    if (this._filled) this._close();
    const together = Math.max(1, Math.ceil(this._peaks.length / MOST_PEAKS));
    const peaks = [];
    for (let at = 0; at < this._peaks.length; at += together)
      peaks.push(Math.min(1, Math.max(...this._peaks.slice(at, at + together))));
    return { seconds_per_point: (together * PEAK_SAMPLES) / this._rateHz, peaks };
  }

  _close() {
    this._peaks.push(this._peak);
    this._peak = 0;
    this._filled = 0;
  }
}

/** Collects the brightness and the sharpest attack of every half second, as Python's `SoundCharacter`. */
export class SoundCharacter {
  constructor(rateHz) {
    this._rateHz = rateHz;
    this._spectrum = new Spectrum(FRAME_SAMPLES);
    this._window = Float64Array.from(
      { length: FRAME_SAMPLES },
      (_, at) => 0.5 - 0.5 * Math.cos((2 * Math.PI * at) / (FRAME_SAMPLES - 1)),
    );
    this._magnitudes = new Float32Array(FRAME_SAMPLES / 2 + 1);
    this._frame = new Float32Array(FRAME_SAMPLES);
    this._filled = 0;
    this._levels = [];
    this._centroids = [];
  }

  /** @param {Float32Array} samples the next ones */
  add(samples) {
    for (let at = 0; at < samples.length; ) {
      const part = samples.subarray(at, at + FRAME_SAMPLES - this._filled);
      this._frame.set(part, this._filled);
      this._filled += part.length;
      at += part.length;
      if (this._filled === FRAME_SAMPLES) this._close();
    }
  }

  record() {
    const decibels = this._levels.map((level) => 20 * Math.log10(Math.max(level, QUIET)));
    const rises = decibels.map((level, frame) => level - decibels[Math.max(0, frame - 1)]);
    const brightness = [];
    const attacks = [];
    for (let start = 0; start < this._levels.length; start += HOP_FRAMES) {
      let [sum, weights, rise] = [0, 0, Number.NEGATIVE_INFINITY];
      for (let frame = start; frame < Math.min(start + HOP_FRAMES, this._levels.length); frame += 1) {
        const weight = this._levels[frame] > QUIET ? this._levels[frame] : 0;
        sum += weight * this._centroids[frame];
        weights += weight;
        rise = Math.max(rise, rises[frame]);
      }
      brightness.push(weights ? sum / weights : null);
      attacks.push(weights ? rise : null);
    }
    const hopSeconds = (HOP_FRAMES * FRAME_SAMPLES) / this._rateHz;
    return { hop_seconds: hopSeconds, brightness_hz: brightness, attack_decibels: attacks };
  }

  _close() {
    this._filled = 0;
    let [power, sum, weighted] = [0, 0, 0];
    for (const sample of this._frame) power += sample * sample;
    this._spectrum.magnitudes(this._frame, 0, this._window, this._magnitudes);
    this._magnitudes.forEach((magnitude, bin) => {
      sum += magnitude;
      weighted += magnitude * bin;
    });
    this._levels.push(Math.sqrt(power / FRAME_SAMPLES));
    this._centroids.push(((weighted / Math.max(sum, 1e-9)) * this._rateHz) / FRAME_SAMPLES);
  }
}
