// The stretches of a track in which a tag is strongest.

/**
 * Return the stretches of the evidence, the one with the highest probability first.
 *
 * @returns {[number, number][]} starts and ends in seconds
 */
export function stretches({ strongest, seconds, curve, window_seconds: window }) {
  const height = ([start, end]) => {
    let highest = 0;
    curve.forEach((probability, place) => {
      const middle = seconds[place] + window / 2;
      if (middle >= start && middle <= end) highest = Math.max(highest, probability);
    });
    return highest;
  };
  return strongest
    .map((stretch) => ({ stretch, height: height(stretch) }))
    .sort((a, b) => b.height - a.height)
    .map(({ stretch }) => stretch);
}
