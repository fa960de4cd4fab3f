// The Fourier transform of real numbers.

import { EarmarkError } from "./error.js";

/** Computes the magnitudes of the transform of `size` real numbers, in float64; it uses its memory again. */
export class Spectrum {
  /** @param {number} size a power of two, at least 4; throws EarmarkError for others */
  constructor(size) {
    if (size < 4 || size & (size - 1))
      throw new EarmarkError(
        `Found a window of ${size} samples, expected a power of two. Train the model with such a window.`,
      );
    this.size = size;
    // Pairs of real numbers are one complex number, so that the transform is half as long.
    this._half = size / 2;
    this._real = new Float64Array(this._half);
    this._imaginary = new Float64Array(this._half);
    this._reversed = reversed(this._half);
    this._cosine = new Float64Array(this._half);
    this._sine = new Float64Array(this._half);
    for (let place = 0; place < this._half; place += 1) {
      this._cosine[place] = Math.cos((2 * Math.PI * place) / size);
      this._sine[place] = Math.sin((2 * Math.PI * place) / size);
    }
  }

  /**
   * Write the size / 2 + 1 magnitudes of a windowed frame.
   *
   * @param {Float32Array} samples
   * @param {number} first the frame's first sample
   * @param {Float64Array} window `size` factors
   * @param {Float32Array} out
   */
  magnitudes(samples, first, window, out) {
    const half = this._half;
    const real = this._real;
    const imaginary = this._imaginary;
    const places = this._reversed;
    for (let place = 0; place < half; place += 1) {
      const at = 2 * place;
      real[places[place]] = samples[first + at] * window[at];
      imaginary[places[place]] = samples[first + at + 1] * window[at + 1];
    }
    this._transform();
    out[0] = Math.abs(real[0] + imaginary[0]);
    out[half] = Math.abs(real[0] - imaginary[0]);
    for (let bin = 1; bin < half; bin += 1) {
      const other = half - bin;
      const evenReal = 0.5 * (real[bin] + real[other]);
      const evenImaginary = 0.5 * (imaginary[bin] - imaginary[other]);
      const oddReal = 0.5 * (imaginary[bin] + imaginary[other]);
      const oddImaginary = 0.5 * (real[other] - real[bin]);
      const cosine = this._cosine[bin];
      const sine = this._sine[bin];
      const sumReal = evenReal + cosine * oddReal + sine * oddImaginary;
      const sumImaginary = evenImaginary + cosine * oddImaginary - sine * oddReal;
      out[bin] = Math.sqrt(sumReal * sumReal + sumImaginary * sumImaginary);
    }
  }

  /** Transform the complex numbers in place; they are in the order of reversed bits. */
  _transform() {
    const half = this._half;
    const real = this._real;
    const imaginary = this._imaginary;
    const cosines = this._cosine;
    const sines = this._sine;
    for (let length = 2; length <= half; length *= 2) {
      const middle = length / 2;
      const step = this.size / length;
      for (let start = 0; start < half; start += length) {
        for (let low = start, turn = 0; low < start + middle; low += 1, turn += step) {
          const high = low + middle;
          const cosine = cosines[turn];
          const sine = sines[turn];
          const turnedReal = real[high] * cosine + imaginary[high] * sine;
          const turnedImaginary = imaginary[high] * cosine - real[high] * sine;
          real[high] = real[low] - turnedReal;
          imaginary[high] = imaginary[low] - turnedImaginary;
          real[low] += turnedReal;
          imaginary[low] += turnedImaginary;
        }
      }
    }
  }
}

/** @param {number} count a power of two */
function reversed(count) {
  const bits = Math.log2(count);
  const places = new Uint32Array(count);
  for (let place = 0; place < count; place += 1) {
    let turned = 0;
    for (let bit = 0; bit < bits; bit += 1) turned |= ((place >> bit) & 1) << (bits - 1 - bit);
    places[place] = turned;
  }
  return places;
}
