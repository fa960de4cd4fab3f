// The graphs of a model: one for each extractor's network, and those of its classifier.

import { EarmarkError } from "./error.js";
import { Graph } from "./graph.js";
import { inputColumns } from "./segments.js";

/**
 * @typedef {import("./bundle.js").Bundle} Bundle
 * @typedef {import("./bundle.js").Convolution} Convolution
 * @typedef {import("./bundle.js").Extractor} Extractor
 * @typedef {import("./graph.js").Value} Value
 */

/**
 * Return an extractor's network, from `segments` (segments, length, columns) to `levels` (segments, channels of all
 * levels), as the bytes of an ONNX file.
 *
 * @param {Bundle} bundle
 * @param {Extractor} extractor
 */
export function networkGraph(bundle, extractor) {
  return new NetworkGraph(bundle, extractor).toBytes();
}

/**
 * Return the classifier, from `vectors` to `logits`, as the bytes of an ONNX file.
 *
 * @param {Bundle} bundle
 */
export function classifierGraph(bundle) {
  const graph = new Graph("classifier");
  const vectors = graph.input("vectors", [bundle.width]);
  const centred = graph.add("Sub", [vectors, graph.numbers(bundle.tensor("head.mean").values)]);
  const standardised = graph.add("Div", [centred, graph.numbers(bundle.tensor("head.deviation").values)]);
  const first = dense(graph, bundle, "head.layer.1", standardised);
  graph.output("first", first, [bundle.tensor("head.layer.1.bias").values.length]);
  graph.output("logits", laterLayers(graph, bundle, first), [bundle.card.tags.length]);
  return graph.toBytes();
}

/**
 * Return the classifier from the sums of its first layer on, from `first` to `logits`, as the bytes of an ONNX file.
 *
 * @param {Bundle} bundle
 */
export function laterGraph(bundle) {
  const graph = new Graph("later");
  const units = bundle.tensor("head.layer.1.bias").values.length;
  graph.output("logits", laterLayers(graph, bundle, graph.input("first", [units])), [bundle.card.tags.length]);
  return graph.toBytes();
}

/**
 * Return the product with a matrix, from `rows` to `product`, as the bytes of an ONNX file.
 *
 * @param {import("./matrix.js").Matrix} matrix
 */
export function productGraph(matrix) {
  const graph = new Graph("product");
  const rows = graph.input("rows", [matrix.rows]);
  const weights = graph.numbers(matrix.data, [matrix.rows, matrix.columns]);
  graph.output("product", graph.add("MatMul", [rows, weights]), [matrix.columns]);
  return graph.toBytes();
}

/**
 * @param {Graph} graph
 * @param {Bundle} bundle
 * @param {Value} first
 */
function laterLayers(graph, bundle, first) {
  let value = first;
  for (let layer = 2; layer <= bundle.card.head.hidden_units.length + 1; layer += 1)
    value = dense(graph, bundle, `head.layer.${layer}`, graph.add("Relu", [value]));
  return value;
}

/**
 * @param {Graph} graph
 * @param {Bundle} bundle
 * @param {string} name
 * @param {Value} value
 */
function dense(graph, bundle, name, value) {
  const { shape, values } = bundle.tensor(`${name}.weight`);
  const bias = graph.numbers(bundle.tensor(`${name}.bias`).values);
  return graph.add("Gemm", [value, graph.numbers(values, shape), bias], { transB: 1 });
}

/** The builder of one network's graph; each step is that of earmark's Python module `onnx_export`. */
class NetworkGraph {
  /**
   * @param {Bundle} bundle
   * @param {Extractor} extractor
   */
  constructor(bundle, extractor) {
    this._bundle = bundle;
    this._extractor = extractor;
    this._prefix = `extractor.${extractor.name}`;
    this._graph = new Graph(extractor.name);
  }

  toBytes() {
    const { _extractor: extractor, _graph: graph } = this;
    const segments = graph.input("segments", [extractor.segment_length, inputColumns(extractor)]);
    const centred = graph.add("Sub", [segments, graph.number(extractor.input_mean)]);
    let rows = graph.add("Div", [centred, graph.number(extractor.input_deviation)]);
    let length = extractor.segment_length;
    let columns = inputColumns(extractor);
    /** @type {Value[]} */
    const levels = [];
    extractor.convolutions.forEach((convolution, place) => {
      const block = this._block(place + 1, convolution, rows, length, columns);
      rows = block.out;
      length = length / convolution.stride / convolution.pool_length;
      if (!Number.isInteger(length))
        throw new EarmarkError(
          `The extractor ${extractor.name}: convolution ${place + 1} does not tile its rows, expected a segment length ` +
            "that strides and pools divide. Export the model again.",
        );
      columns = convolution.channels;
      if (extractor.levels.includes(place + 1)) levels.push(block.level);
    });
    const widths = extractor.levels.map((level) => extractor.convolutions[level - 1].channels);
    const width = widths.reduce((sum, each) => sum + each, 0);
    graph.output("levels", graph.add("Concat", levels, { axis: 1 }), [width]);
    return graph.toBytes();
  }

  /**
   * @param {number} number
   * @param {Convolution} convolution
   * @param {Value} rows
   * @param {number} length
   * @param {number} columns
   */
  _block(number, convolution, rows, length, columns) {
    const { _graph: graph } = this;
    const name = `${this._prefix}.convolution.${number}`;
    const isMaximum = this._extractor.segment_statistic === "max";
    let placed = this._convolution(name, rows, length, convolution.pool_length, convolution.stride);
    let out;
    if (convolution.residual_convolutions) {
      placed = this._added(name, convolution, rows, placed, length / convolution.stride, columns);
      out = this._pooled(placed);
    } else if (isMaximum) out = this._rectified(this._pooled(placed), name);
    else {
      placed = placed.map((each) => this._rectified(each, name));
      out = this._pooled(placed);
    }
    let level = isMaximum ? null : this._mean(placed);
    if (convolution.squeeze_units && !convolution.residual_convolutions) {
      const means = graph.add("ReduceMean", [out], { axes: [1], keepdims: 0 });
      const factors = this._factors(name, means);
      out = graph.add("Mul", [out, graph.add("Unsqueeze", [factors, graph.whole([1])])]);
      level = level && graph.add("Mul", [level, factors]);
    }
    return { out, level: level ?? graph.add("ReduceMax", [out], { axes: [1], keepdims: 0 }) };
  }

  /**
   * Return a residual block's outputs by places of a pool.
   *
   * @param {string} name
   * @param {Convolution} convolution
   * @param {Value} rows
   * @param {Value[]} first
   * @param {number} positions
   * @param {number} columns
   */
  _added(name, convolution, rows, first, positions, columns) {
    const { _graph: graph } = this;
    const { pool_length: pools, channels } = convolution;
    let placed = first;
    let last = name;
    if (convolution.residual_convolutions === 2) {
      const rectified = placed.map((each) => this._rectified(each, name));
      const between =
        pools === 1
          ? rectified[0]
          : graph.add("Reshape", [graph.add("Concat", rectified, { axis: 2 }), graph.whole([0, positions, channels])]);
      last = `${name}.second`;
      placed = this._convolution(last, between, positions, pools, 1);
    }
    placed = placed.map((each) => graph.add("Add", [each, this._tensor(`${last}.bias`)]));
    if (convolution.squeeze_units) {
      const factors = graph.add("Unsqueeze", [this._factors(name, this._mean(placed)), graph.whole([1])]);
      placed = placed.map((each) => graph.add("Mul", [each, factors]));
    }
    let own = rows;
    if (columns !== channels) {
      const { values } = this._bundle.tensor(`${name}.shortcut.weight`);
      const weight = graph.numbers(turned(values, channels, columns, 1), [columns, channels]);
      own = graph.add("Add", [graph.add("MatMul", [rows, weight]), this._tensor(`${name}.shortcut.bias`)]);
    }
    return placed.map((each, place) =>
      graph.add("Relu", [graph.add("Add", [each, this._slice(own, place, positions, pools)])]),
    );
  }

  /**
   * Return a convolution's outputs without its bias by places of a pool.
   *
   * @param {string} name
   * @param {Value} input
   * @param {number} length
   * @param {number} pools
   * @param {number} stride
   */
  _convolution(name, input, length, pools, stride) {
    const { _graph: graph } = this;
    const { shape, values } = this._bundle.tensor(`${name}.weight`);
    const [channels, columns, taps] = shape;
    const weight = graph.numbers(turned(values, channels, columns, taps), [taps * columns, channels]);
    let rows = input;
    if (stride === 1 && taps > 1) {
      const before = Math.floor((taps - 1) / 2);
      rows = graph.add("Pad", [rows, graph.whole([0, before, 0, 0, taps - 1 - before, 0])]);
    }
    return Array.from({ length: pools }, (_, place) => {
      const parts = Array.from({ length: taps }, (_, tap) =>
        this._slice(rows, place * stride + tap, length, pools * stride),
      );
      return graph.add("MatMul", [taps === 1 ? parts[0] : graph.add("Concat", parts, { axis: 2 }), weight]);
    });
  }

  /**
   * Return every `step`th row from `first` on, as many as fit in `span` rows.
   *
   * @param {Value} rows
   * @param {number} first
   * @param {number} span
   * @param {number} step
   */
  _slice(rows, first, span, step) {
    const last = first + (Math.floor(span / step) - 1) * step + 1;
    const numbers = [[first], [last], [1], [step]].map((each) => this._graph.whole(each));
    return this._graph.add("Slice", [rows, ...numbers]);
  }

  /** @param {Value[]} placed */
  _pooled(placed) {
    return placed.length === 1 ? placed[0] : this._graph.add("Max", placed);
  }

  /** @param {Value[]} placed */
  _mean(placed) {
    const total = placed.length === 1 ? placed[0] : this._graph.add("Sum", placed);
    const mean = this._graph.add("ReduceMean", [total], { axes: [1], keepdims: 0 });
    return placed.length === 1 ? mean : this._graph.add("Div", [mean, this._graph.number(placed.length)]);
  }

  /**
   * @param {Value} value
   * @param {string} name
   */
  _rectified(value, name) {
    return this._graph.add("Relu", [this._graph.add("Add", [value, this._tensor(`${name}.bias`)])]);
  }

  /**
   * @param {string} name
   * @param {Value} means
   */
  _factors(name, means) {
    const squeezed = this._graph.add("Relu", [dense(this._graph, this._bundle, `${name}.squeeze`, means)]);
    return this._graph.add("Sigmoid", [dense(this._graph, this._bundle, `${name}.excite`, squeezed)]);
  }

  /** @param {string} name */
  _tensor(name) {
    return this._graph.numbers(this._bundle.tensor(name).values);
  }
}

/**
 * Return a convolution's weight (channels, columns, taps) as (taps · columns, channels).
 *
 * @param {Float32Array} values
 * @param {number} channels
 * @param {number} columns
 * @param {number} taps
 */
function turned(values, channels, columns, taps) {
  const made = new Float32Array(values.length);
  for (let channel = 0; channel < channels; channel += 1)
    for (let column = 0; column < columns; column += 1)
      for (let tap = 0; tap < taps; tap += 1)
        made[(tap * columns + column) * channels + channel] = values[(channel * columns + column) * taps + tap];
  return made;
}
