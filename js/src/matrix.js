// Matrices of numbers in one typed array, row by row.

/** A matrix: `data` holds `rows` rows of `columns` numbers. */
export class Matrix {
  /**
   * @param {Float32Array} data
   * @param {number} columns
   */
  constructor(data, columns) {
    this.data = data;
    this.columns = columns;
    this.rows = columns ? data.length / columns : 0;
  }

  /**
   * Return a matrix of zeros.
   *
   * @param {number} rows
   * @param {number} columns
   */
  static zeros(rows, columns) {
    return new Matrix(new Float32Array(rows * columns), columns);
  }

  /**
   * Return the rows of several vectors of equal length.
   *
   * @param {Float32Array[]} vectors at least one
   */
  static of(vectors) {
    const made = Matrix.zeros(vectors.length, vectors[0].length);
    vectors.forEach((vector, row) => {
      made.data.set(vector, row * made.columns);
    });
    return made;
  }

  /**
   * Return a view of one row.
   *
   * @param {number} row
   */
  row(row) {
    return this.data.subarray(row * this.columns, (row + 1) * this.columns);
  }

  /**
   * Return a view of some rows.
   *
   * @param {number} first
   * @param {number} last the row after the last one
   */
  slice(first, last) {
    return new Matrix(this.data.subarray(first * this.columns, last * this.columns), this.columns);
  }
}

/**
 * Return arrays one after the other.
 *
 * @param {Float32Array[]} arrays
 */
export function joined(arrays) {
  const all = new Float32Array(arrays.reduce((length, each) => length + each.length, 0));
  let at = 0;
  for (const each of arrays) {
    all.set(each, at);
    at += each.length;
  }
  return all;
}
