// Graphs of operators in the format ONNX, as bytes.

/** The operators of ONNX 1.12 and its file format, as earmark's Python engine writes them. */
const OPERATORS_VERSION = 17;
const FORMAT_VERSION = 8;
const FLOAT = 1;
const WHOLE = 7;

/** @typedef {{name: string}} Value a value of the graph */

/** A graph to which operators are added one after the other; each has one output. */
export class Graph {
  /** @param {string} name */
  constructor(name) {
    this._name = name;
    /** @type {Uint8Array[]} */
    this._parts = [];
    this._count = 0;
  }

  /**
   * Add an input, (any number, ...shape) float32.
   *
   * @param {string} name
   * @param {number[]} shape
   * @returns {Value}
   */
  input(name, shape) {
    this._parts.push(bytes(11, described(name, shape)));
    return { name };
  }

  /**
   * Give a value a name as an output, (any number, ...shape) float32.
   *
   * @param {string} name
   * @param {Value} value
   * @param {number[]} shape
   */
  output(name, value, shape) {
    this._parts.push(bytes(1, node("Identity", [value.name], name, {})), bytes(12, described(name, shape)));
  }

  /**
   * Add a tensor of float32 numbers.
   *
   * @param {ArrayLike<number>} values
   * @param {number[]} [shape]
   */
  numbers(values, shape = [values.length]) {
    return this._constant(FLOAT, shape, new Uint8Array(Float32Array.from(values).buffer));
  }

  /**
   * Add one float32 number.
   *
   * @param {number} value
   */
  number(value) {
    return this._constant(FLOAT, [], new Uint8Array(Float32Array.of(value).buffer));
  }

  /**
   * Add a list of whole numbers, such as a shape.
   *
   * @param {number[]} values
   */
  whole(values) {
    return this._constant(WHOLE, [values.length], new Uint8Array(BigInt64Array.from(values.map(BigInt)).buffer));
  }

  /**
   * Add an operator and return its output.
   *
   * @param {string} operator
   * @param {Value[]} inputs
   * @param {Record<string, number|number[]>} [attributes]
   */
  add(operator, inputs, attributes = {}) {
    const made = this._new();
    const names = inputs.map(({ name }) => name);
    this._parts.push(bytes(1, node(operator, names, made.name, attributes)));
    return made;
  }

  /** Return the graph as the bytes of an ONNX file. */
  toBytes() {
    const graph = joined([...this._parts, text(2, this._name)]);
    return joined([
      number(1, FORMAT_VERSION),
      text(2, "earmark"),
      bytes(7, graph),
      bytes(8, joined([text(1, ""), number(2, OPERATORS_VERSION)])),
    ]);
  }

  /** @returns {Value} */
  _new() {
    this._count += 1;
    return { name: `v${this._count}` };
  }

  /**
   * @param {number} type
   * @param {number[]} shape
   * @param {Uint8Array} raw
   */
  _constant(type, shape, raw) {
    const made = this._new();
    const dimensions = shape.map((size) => number(1, size));
    this._parts.push(bytes(5, joined([...dimensions, number(2, type), text(8, made.name), bytes(9, raw)])));
    return made;
  }
}

/**
 * @param {string} operator
 * @param {string[]} inputs
 * @param {string} output
 * @param {Record<string, number|number[]>} attributes
 */
function node(operator, inputs, output, attributes) {
  return joined([
    ...inputs.map((name) => text(1, name)),
    text(2, output),
    text(3, output),
    text(4, operator),
    ...Object.entries(attributes).map(([name, value]) => bytes(5, attribute(name, value))),
  ]);
}

/**
 * @param {string} name
 * @param {number|number[]} value
 */
function attribute(name, value) {
  if (typeof value === "number") return joined([text(1, name), number(3, value), number(20, 2)]);
  return joined([text(1, name), ...value.map((each) => number(8, each)), number(20, 7)]);
}

/**
 * @param {string} name
 * @param {number[]} shape
 */
function described(name, shape) {
  const dimensions = [text(2, "any"), ...shape.map((size) => number(1, size))].map((size) => bytes(1, size));
  const tensor = joined([number(1, FLOAT), bytes(2, joined(dimensions))]);
  return joined([text(1, name), bytes(2, bytes(1, tensor))]);
}

/**
 * @param {number} field
 * @param {number} value
 */
function number(field, value) {
  return joined([variable(field << 3), variable(value)]);
}

/**
 * @param {number} field
 * @param {string} value
 */
function text(field, value) {
  return bytes(field, new TextEncoder().encode(value));
}

/**
 * @param {number} field
 * @param {Uint8Array} value
 */
function bytes(field, value) {
  return joined([variable((field << 3) | 2), variable(value.length), value]);
}

/**
 * Return a whole number of at least 0 in groups of seven bits, the lowest first.
 *
 * @param {number} value
 */
function variable(value) {
  const groups = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) groups.push((rest % 128) | 128);
  return Uint8Array.from([...groups, rest]);
}

/** @param {Uint8Array[]} parts */
function joined(parts) {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
