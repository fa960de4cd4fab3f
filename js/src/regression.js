// Logistic regression by Newton's method: with many features and few tracks, and with one feature.

const STEPS = 40;
const LEAST_WEIGHT = 1e-6;
const ENOUGH = 1e-9;

/** @param {number} value */
function chance(value) {
  return 1 / (1 + Math.exp(-value));
}

/**
 * Fit a regularised regression; the weights are sums of the tracks' features, so that the work depends on the tracks.
 *
 * @param {Float64Array[]} features of every track
 * @param {boolean[]} has with both values
 * @param {number} strength the inverse of the regularisation, scikit-learn's C
 */
export function fitRegression(features, has, strength) {
  const count = features.length;
  const width = features[0].length;
  const products = features.map((one) =>
    features.map((other) => one.reduce((sum, value, at) => sum + value * other[at], 0)),
  );
  let alphas = new Float64Array(count);
  let intercept = 0;
  for (let step = 0; step < STEPS; step += 1) {
    const logits = products.map((row) => row.reduce((sum, value, at) => sum + value * alphas[at], intercept));
    // Iteratively reweighted least squares: (K + 1 / w) alpha + b = z, and the alphas add up to 0.
    const system = products.map((row, track) => {
      const likely = chance(logits[track]);
      const slope = Math.max(LEAST_WEIGHT, likely * (1 - likely));
      const target = logits[track] + ((has[track] ? 1 : 0) - likely) / slope;
      const own = row.map((value, at) => value + (at === track ? 1 / (strength * slope) : 0));
      return [...own, 1, target];
    });
    system.push([...new Array(count).fill(1), 0, 0]);
    const solved = solve(system);
    const change = Math.max(...solved.slice(0, count).map((value, at) => Math.abs(value - alphas[at])));
    alphas = Float64Array.from(solved.slice(0, count));
    intercept = solved[count];
    if (change < ENOUGH * strength) break;
  }
  const weights = new Float64Array(width);
  features.forEach((row, track) => {
    for (let at = 0; at < width; at += 1) weights[at] += alphas[track] * row[at];
  });
  return { weights, intercept };
}

/**
 * Fit a slope and an intercept to weighted targets from 0 to 1.
 *
 * @param {{logit: number, target: number, weight: number}[]} points
 */
export function fitLogistic(points) {
  let [slope, intercept] = [1, 0];
  for (let step = 0; step < STEPS; step += 1) {
    let [first, second, ss, si, ii] = [0, 0, LEAST_WEIGHT, 0, LEAST_WEIGHT];
    for (const { logit, target, weight } of points) {
      const likely = chance(slope * logit + intercept);
      const curve = weight * likely * (1 - likely);
      first += weight * (target - likely) * logit;
      second += weight * (target - likely);
      ss += curve * logit * logit;
      si += curve * logit;
      ii += curve;
    }
    const determinant = ss * ii - si * si;
    const [more, up] = [(ii * first - si * second) / determinant, (ss * second - si * first) / determinant];
    // A step that is too long would leave the region in which the method converges.
    const scale = Math.min(1, 2 / Math.max(Math.abs(more), Math.abs(up), 1e-12));
    slope += scale * more;
    intercept += scale * up;
    if (Math.max(Math.abs(more), Math.abs(up)) < ENOUGH) break;
  }
  return { slope, intercept };
}

/**
 * Solve a linear system by elimination; each row ends with its right side.
 *
 * @param {number[][]} rows changed in place
 */
function solve(rows) {
  const size = rows.length;
  for (let column = 0; column < size; column += 1) {
    let pivot = column;
    for (let row = column + 1; row < size; row += 1)
      if (Math.abs(rows[row][column]) > Math.abs(rows[pivot][column])) pivot = row;
    [rows[column], rows[pivot]] = [rows[pivot], rows[column]];
    for (let row = column + 1; row < size; row += 1) {
      const factor = rows[row][column] / rows[column][column];
      if (!factor) continue;
      for (let at = column; at <= size; at += 1) rows[row][at] -= factor * rows[column][at];
    }
  }
  const found = new Array(size).fill(0);
  for (let row = size - 1; row >= 0; row -= 1) {
    let rest = rows[row][size];
    for (let at = row + 1; at < size; at += 1) rest -= rows[row][at] * found[at];
    found[row] = rest / rows[row][row];
  }
  return found;
}
