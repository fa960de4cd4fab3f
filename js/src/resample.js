// Resampling to the model's rate with windowed sinc filters. Many outputs are one product of matrices, which the runtime
// of the networks computes several times faster than a loop here.

import { joined, Matrix } from "./matrix.js";

/** The end of the pass band, of half the lower rate; beyond it libsoxr's high quality falls off as well. */
const PASS = 0.913;
/** Kaiser's window for a stop band of 90 dB, and its length for a transition of half the input's rate. */
const BETA = 8.96;
const TAPS_AT_ONE = 11.4;
/** Odd rates are taken as the nearest ratio with a numerator up to this, which is right to some millionths. */
const LARGEST_NUMERATOR = 640;
const OUTPUTS_TOGETHER = 64;

/**
 * @typedef {object} Plan how rates are changed: `inputs` samples become `outputs`
 * @property {number} ratio from input to output rate
 * @property {number} inputs
 * @property {number} outputs
 * @property {number} reach of a filter to either side, in input samples
 * @property {Matrix} filters (inputs + 2 · reach - 1, outputs)
 */

/**
 * Return how to change a rate to another.
 *
 * @param {number} fromHz
 * @param {number} toHz
 * @returns {Plan}
 */
export function planOf(fromHz, toHz) {
  const [up, down] = nearestRatio(fromHz / toHz);
  const times = Math.ceil(OUTPUTS_TOGETHER / up);
  const [inputs, outputs] = [down * times, up * times];
  const lower = Math.min(1, toHz / fromHz);
  const reach = Math.ceil(TAPS_AT_ONE / (lower * (1 - PASS)) / 2);
  const filters = Matrix.zeros(inputs + 2 * reach - 1, outputs);
  const cutoff = (lower * (1 + PASS)) / 2;
  for (let output = 0; output < outputs; output += 1) {
    const weights = Array.from({ length: filters.rows }, (_, row) =>
      windowedSinc(row - reach + 1 - (output * down) / up, cutoff, reach),
    );
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    weights.forEach((weight, row) => {
      filters.row(row)[output] = weight / total;
    });
  }
  return { ratio: toHz / fromHz, inputs, outputs, reach, filters };
}

/** A stream that changes the rate of mono samples; the sound keeps its start and its length. */
export class Resampler {
  /**
   * @param {Plan|null} plan null: the rate stays
   * @param {(rows: Matrix) => Promise<Matrix>|Matrix} multiply multiplies with the plan's filters
   */
  constructor(plan, multiply) {
    this._plan = plan;
    this._multiply = multiply;
    // Silence before the sound, so that the first output lies at its first sample.
    this._held = new Float32Array(plan ? plan.reach - 1 : 0);
    this._taken = 0;
    this._given = 0;
  }

  /**
   * Take the next samples and return the resampled ones that they complete.
   *
   * @param {Float32Array} samples
   * @returns {Promise<Float32Array>}
   */
  async push(samples) {
    this._taken += samples.length;
    return this._plan ? this._run(this._plan, samples) : samples;
  }

  /**
   * End the sound and return its last samples.
   *
   * @returns {Promise<Float32Array>}
   */
  async finish() {
    const plan = this._plan;
    if (!plan || !this._taken) return new Float32Array(0);
    const left = Math.max(1, Math.round(this._taken * plan.ratio)) - this._given;
    const groups = Math.ceil(left / plan.outputs);
    const rest = await this._run(plan, new Float32Array(groups * plan.inputs + plan.filters.rows));
    return rest.subarray(0, left);
  }

  /**
   * @param {Plan} plan
   * @param {Float32Array} samples
   */
  async _run({ inputs, filters }, samples) {
    const held = joined([this._held, samples]);
    const groups = held.length < filters.rows ? 0 : 1 + Math.floor((held.length - filters.rows) / inputs);
    this._held = held.slice(groups * inputs);
    if (!groups) return new Float32Array(0);
    const rows = Matrix.zeros(groups, filters.rows);
    for (let group = 0; group < groups; group += 1)
      rows.row(group).set(held.subarray(group * inputs, group * inputs + filters.rows));
    const { data } = await this._multiply(rows);
    this._given += data.length;
    return data;
  }
}

/**
 * Return whole numbers (up, down) whose quotient down / up is nearest to a ratio.
 *
 * @param {number} ratio
 */
function nearestRatio(ratio) {
  let nearest = [1, Math.max(1, Math.round(ratio))];
  const error = (/** @type {number[]} */ [up, down]) => Math.abs(down / up - ratio);
  for (let up = 2; up <= LARGEST_NUMERATOR; up += 1) {
    const found = [up, Math.max(1, Math.round(up * ratio))];
    if (error(found) < error(nearest) - 1e-12) nearest = found;
  }
  return nearest;
}

/**
 * @param {number} distance in samples
 * @param {number} cutoff of half the rate
 * @param {number} reach
 */
function windowedSinc(distance, cutoff, reach) {
  const edge = distance / reach;
  if (Math.abs(edge) >= 1) return 0;
  const angle = Math.PI * cutoff * distance;
  return (angle === 0 ? 1 : Math.sin(angle) / angle) * bessel(BETA * Math.sqrt(1 - edge * edge));
}

/**
 * Return the modified Bessel function of the first kind and order 0.
 *
 * @param {number} value
 */
function bessel(value) {
  let sum = 1;
  let term = 1;
  for (let order = 1; term > 1e-12 * sum; order += 1) {
    term *= (value / (2 * order)) ** 2;
    sum += term;
  }
  return sum;
}
