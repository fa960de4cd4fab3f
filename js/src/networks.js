// The networks of a model in onnxruntime-web, or in another runtime with its interface.

import { Matrix } from "./matrix.js";
import { classifierGraph, laterGraph, networkGraph, productGraph } from "./network-graph.js";
import { planOf, Resampler } from "./resample.js";
import { inputColumns } from "./segments.js";

/**
 * @typedef {import("./bundle.js").Bundle} Bundle
 * @typedef {import("./bundle.js").Extractor} Extractor
 * @typedef {{run: (feeds: Record<string, any>) => Promise<Record<string, any>>}} Session
 * @typedef {{InferenceSession: {create: (graph: Uint8Array, options?: any) => Promise<any>}, Tensor: any}} Runtime
 *   onnxruntime-web, onnxruntime-node, or another with this interface
 */

/** Segments in a batch: enough for fast products, and few enough for little memory. */
const SEGMENTS = 32;
const VECTORS = 256;

/** A model's networks and its classifier. */
export class Networks {
  /**
   * @param {Runtime} runtime
   * @param {Map<string, Session>} sessions by the names of the extractors
   * @param {Session} classifier
   * @param {Session} later
   * @param {{last: Promise<unknown>}} [turns] the end of the last run, since a session runs once at a time
   */
  constructor(runtime, sessions, classifier, later, turns = { last: Promise.resolve() }) {
    this._runtime = runtime;
    this._turns = turns;
    this._sessions = sessions;
    this._classifier = classifier;
    this._later = later;
    /** @type {Map<string, Promise<{plan: import("./resample.js").Plan, session: Session}>>} */
    this._plans = new Map();
  }

  /**
   * Build the networks of a model.
   *
   * @param {Bundle} bundle
   * @param {Runtime} runtime
   * @param {any} [options] of the runtime's sessions, such as `{executionProviders: ["webgpu"]}`
   */
  static async of(bundle, runtime, options) {
    const create = (/** @type {Uint8Array} */ graph) => runtime.InferenceSession.create(graph, options);
    /** @type {Map<string, Session>} */
    const sessions = new Map();
    for (const extractor of bundle.card.extractors)
      sessions.set(extractor.name, await create(networkGraph(bundle, extractor)));
    return new Networks(runtime, sessions, await create(classifierGraph(bundle)), await create(laterGraph(bundle)));
  }

  /**
   * Return the same networks with the classifier of another bundle, such as a taught one.
   *
   * @param {Bundle} bundle with the same extractors
   */
  async withHead(bundle) {
    const create = (/** @type {Uint8Array} */ graph) => this._runtime.InferenceSession.create(graph);
    return new Networks(
      this._runtime,
      this._sessions,
      await create(classifierGraph(bundle)),
      await create(laterGraph(bundle)),
      this._turns,
    );
  }

  /**
   * Return a stream that changes the rate of samples.
   *
   * @param {number} fromHz
   * @param {number} toHz
   */
  async resampler(fromHz, toHz) {
    if (fromHz === toHz) return new Resampler(null, (rows) => rows);
    const key = `${fromHz} ${toHz}`;
    if (!this._plans.has(key)) {
      const plan = planOf(fromHz, toHz);
      const create = this._runtime.InferenceSession.create(productGraph(plan.filters));
      this._plans.set(
        key,
        create.then((session) => ({ plan, session })),
      );
    }
    const { plan, session } = /** @type {{plan: any, session: Session}} */ (await this._plans.get(key));
    return new Resampler(plan, (rows) => this._batches(session, "rows", rows, [rows.columns], "product", VECTORS));
  }

  /**
   * Return the levels of some segments, (segments, width).
   *
   * @param {Extractor} extractor
   * @param {Matrix} segments one a row
   */
  levels(extractor, segments) {
    const session = /** @type {Session} */ (this._sessions.get(extractor.name));
    const shape = [extractor.segment_length, inputColumns(extractor)];
    return this._batches(session, "segments", segments, shape, "levels", SEGMENTS);
  }

  /**
   * Return the logits of vectors, (vectors, tags).
   *
   * @param {Matrix} vectors
   */
  logits(vectors) {
    return this._batches(this._classifier, "vectors", vectors, [vectors.columns], "logits", VECTORS);
  }

  /**
   * Return the sums of the classifier's first layer, before its ReLU: (vectors, units).
   *
   * @param {Matrix} vectors
   */
  first(vectors) {
    return this._batches(this._classifier, "vectors", vectors, [vectors.columns], "first", VECTORS);
  }

  /**
   * Return the logits of sums of the first layer, (sets, tags).
   *
   * @param {Matrix} first
   */
  later(first) {
    return this._batches(this._later, "first", first, [first.columns], "logits", VECTORS);
  }

  /**
   * @param {Session} session
   * @param {string} input
   * @param {Matrix} rows
   * @param {number[]} shape of one row
   * @param {string} output
   * @param {number} size of a batch
   */
  async _batches(session, input, rows, shape, output, size) {
    /** @type {Matrix|null} */
    let found = null;
    for (let at = 0; at < rows.rows; at += size) {
      const part = rows.slice(at, Math.min(rows.rows, at + size));
      const feeds = { [input]: new this._runtime.Tensor("float32", part.data, [part.rows, ...shape]) };
      const run = this._turns.last.then(() => session.run(feeds));
      this._turns.last = run.catch(() => {});
      const tensor = (await run)[output];
      found ??= Matrix.zeros(rows.rows, tensor.dims[1]);
      found.data.set(tensor.data, at * found.columns);
    }
    return found ?? new Matrix(new Float32Array(0), 1);
  }
}
