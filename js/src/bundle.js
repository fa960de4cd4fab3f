// A model's bundle: `card.json`, read as it is, and the tensors of `weights.safetensors`.

import { EarmarkError } from "./error.js";

/**
 * @typedef {{filter_length: number, channels: number, pool_length: number, stride: number, squeeze_units?: number,
 *   residual_convolutions?: number}} Convolution
 * @typedef {{rate_hz: number, window_samples: number, hop_samples: number, mel_bands: number, low_hz: number,
 *   high_hz: number, compression: number, level_seconds?: number}} LogMelSettings
 * @typedef {{name: string, family: string, rate_hz: number, log_mel: LogMelSettings|null, segment_length: number,
 *   segment_hop: number, input_mean: number, input_deviation: number, convolutions: Convolution[], levels: number[],
 *   segment_statistic: "max"|"mean", track_statistic: "mean"|"max"|"mean+deviation", hidden_units: number,
 *   output_tags: string[], hash: string}} Extractor
 * @typedef {{label: string, group: string, synonyms?: string[], parents?: string[], opposites?: string[]}} TagName
 * @typedef {{label: string, slope: number, intercept: number, thresholds: Record<string, number>}} TagCalibration
 * @typedef {{extractor: string, level: number, statistic: string, start: number, stop: number}} VectorBlock
 * @typedef {{axes: number, threshold: number, window_threshold: number|null}} Familiarity
 * @typedef {{name: string, extractors: Extractor[], layout: VectorBlock[], head: {hidden_units: number[], hash: string},
 *   activation: "sigmoid"|"softmax", tags: TagName[], calibration: TagCalibration[], licence: string, format: string,
 *   version: number, familiarity?: Familiarity|null}} Card
 * @typedef {{shape: number[], values: Float32Array<ArrayBuffer>}} Tensor
 */

const FORMAT = "earmark-bundle";
const VERSION = 1;

/** A model: its card, and its tensors by name, all float32. */
export class Bundle {
  /**
   * @param {Card} card
   * @param {Map<string, Tensor>} tensors
   */
  constructor(card, tensors) {
    this.card = card;
    this.tensors = tensors;
  }

  /**
   * Return a tensor; throws EarmarkError for one that is missing.
   *
   * @param {string} name
   */
  tensor(name) {
    const tensor = this.tensors.get(name);
    if (!tensor) throw new EarmarkError(`The weights lack ${name}, which the card expects. Export the model again.`);
    return tensor;
  }

  /** The sample rate of the sound that the model hears, in Hz. */
  get rateHz() {
    return this.card.extractors[0].rate_hz;
  }

  /** The number of columns of a track vector. */
  get width() {
    return this.card.layout[this.card.layout.length - 1].stop;
  }
}

/**
 * Return the bundle in the two files of its folder; throws EarmarkError for what is none.
 *
 * @param {string} card the text of card.json
 * @param {ArrayBuffer} weights the bytes of weights.safetensors
 */
export function readBundle(card, weights) {
  const parsed = JSON.parse(card);
  if (parsed.format !== FORMAT || parsed.version !== VERSION)
    throw new EarmarkError(
      `card.json: found the format ${parsed.format} ${parsed.version}, expected ${FORMAT} ${VERSION}. ` +
        "Give the folder of an earmark model, and use the version of earmark that wrote it.",
    );
  return new Bundle(parsed, tensorsOf(weights));
}

/**
 * Fetch the bundle of a folder's address.
 *
 * @param {string|URL} url of the folder
 * @param {(url: URL) => Promise<Response>} [fetcher]
 */
export async function fetchBundle(url, fetcher = fetch) {
  const folder = new URL(String(url).replace(/\/?$/, "/"), globalThis.location?.href);
  const [card, weights] = await Promise.all(
    ["card.json", "weights.safetensors"].map(async (name) => {
      const response = await fetcher(new URL(name, folder));
      if (!response.ok)
        throw new EarmarkError(
          `${new URL(name, folder)}: found status ${response.status}, expected a file of a model. Give the address of ` +
            "a folder with card.json and weights.safetensors.",
        );
      return response;
    }),
  );
  return readBundle(await card.text(), await weights.arrayBuffer());
}

/**
 * Return the tensors of a file in the format safetensors, as float32.
 *
 * @param {ArrayBuffer} file
 * @returns {Map<string, Tensor>}
 */
export function tensorsOf(file) {
  const again = "Fetch the file again, or export the model again.";
  const length = file.byteLength < 8 ? Number.NaN : Number(new DataView(file).getBigUint64(0, true));
  if (!(length <= file.byteLength - 8))
    throw new EarmarkError(`weights.safetensors: found ${file.byteLength} bytes, expected safetensors. ${again}`);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, length)));
  const tensors = new Map();
  for (const [name, described] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [start, end] = described.data_offsets.map((/** @type {number} */ offset) => 8 + length + offset);
    if (end > file.byteLength)
      throw new EarmarkError(`weights.safetensors: ${name} ends beyond the file, which is incomplete. ${again}`);
    const bytes = file.slice(start, end);
    if (described.dtype === "F32") tensors.set(name, { shape: described.shape, values: new Float32Array(bytes) });
    else if (described.dtype === "F16")
      tensors.set(name, { shape: described.shape, values: fromHalf(new Uint16Array(bytes)) });
    else
      throw new EarmarkError(
        `weights.safetensors: ${name}: found the type ${described.dtype}, expected F16 or F32. ${again}`,
      );
  }
  return tensors;
}

/**
 * Return the bytes of a file in the format safetensors, with all tensors in float32.
 *
 * @param {Map<string, Tensor>} tensors
 */
export function safetensorsOf(tensors) {
  const names = [...tensors.keys()].sort();
  /** @type {Record<string, object>} */
  const header = {};
  let size = 0;
  for (const name of names) {
    const { shape, values } = /** @type {Tensor} */ (tensors.get(name));
    header[name] = { dtype: "F32", shape, data_offsets: [size, size + values.byteLength] };
    size += values.byteLength;
  }
  let text = JSON.stringify(header);
  // The numbers begin at a multiple of eight bytes.
  text += " ".repeat((8 - (text.length % 8)) % 8);
  const file = new Uint8Array(8 + text.length + size);
  new DataView(file.buffer).setBigUint64(0, BigInt(text.length), true);
  file.set(new TextEncoder().encode(text), 8);
  let at = 8 + text.length;
  for (const name of names) {
    const { values } = /** @type {Tensor} */ (tensors.get(name));
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  return file;
}

/**
 * Return float16 numbers as float32.
 *
 * @param {Uint16Array} halves
 */
function fromHalf(halves) {
  const values = new Float32Array(halves.length);
  for (let place = 0; place < halves.length; place += 1) {
    const half = halves[place];
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    const size =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? fraction
            ? Number.NaN
            : Number.POSITIVE_INFINITY
          : (1024 + fraction) * 2 ** (exponent - 25);
    values[place] = half & 0x8000 ? -size : size;
  }
  return values;
}
