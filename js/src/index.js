// What the package offers: `const tagger = await load(url); const { tags } = await tagger.tag(audioBuffer)`.

import * as onnxruntime from "#runtime";
import { fetchBundle } from "./bundle.js";
import { Tagger } from "./tagger.js";

export { fetchBundle, readBundle, safetensorsOf } from "./bundle.js";
export { EarmarkError } from "./error.js";
export { Live } from "./live.js";
export { Prediction } from "./prediction.js";
export { Tagger } from "./tagger.js";
export { taughtBundle, teach } from "./teach.js";

/**
 * Load a model from the address of its folder, which has `card.json` and `weights.safetensors`.
 *
 * @param {string|URL} url
 * @param {object} [options]
 * @param {import("./networks.js").Runtime} [options.runtime] by default onnxruntime-web with WebAssembly
 * @param {any} [options.session] options of the runtime's sessions, such as `{executionProviders: ["webgpu"]}`
 * @param {(url: URL) => Promise<Response>} [options.fetch] gets the files, by default the global `fetch`
 */
export async function load(url, { runtime = onnxruntime, session, fetch } = {}) {
  return Tagger.of(await fetchBundle(url, fetch), runtime, session);
}
