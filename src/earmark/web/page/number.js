// Formats of numbers.

/** Format 0.923 as "92%". */
export function percent(share) {
  return `${Math.round(share * 100)}%`;
}

/** Format 83.4 seconds as "1:23", and 3723 seconds as "1:02:03". */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const minutes = Math.floor(whole / 60);
  const rest = String(whole % 60).padStart(2, "0");
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

/** Format the end of a stretch like `clock`, rounded up to a whole second. */
export function clockEnd(seconds) {
  return clock(Math.ceil(seconds - 1e-6));
}

/** Format 83.4 seconds as "1 minute 23 seconds" for screen readers. */
export function spokenClock(seconds) {
  const whole = Math.max(0, Math.floor(seconds + 1e-6));
  const units = [
    ["hour", Math.floor(whole / 3600)],
    ["minute", Math.floor(whole / 60) % 60],
    ["second", whole % 60],
  ];
  const parts = units.filter(([, count]) => count).map(([unit, count]) => `${count} ${unit}${count === 1 ? "" : "s"}`);
  return parts.join(" ") || "0 seconds";
}

/** Format hundredths as "+1.30" or "−0.42". */
export function signed(hundredths) {
  const sign = hundredths < 0 ? "−" : hundredths > 0 ? "+" : "";
  return `${sign}${(Math.abs(hundredths) / 100).toFixed(2)}`;
}

/**
 * Round numbers to hundredths so that they add up to a given sum.
 *
 * The numbers with the largest rounding errors change by one hundredth.
 */
export function addingUp(numbers, sum) {
  const exact = numbers.map((number) => number * 100);
  const rounded = exact.map(Math.round);
  const off = sum - rounded.reduce((total, number) => total + number, 0);
  const step = Math.sign(off);
  const order = exact.map((number, place) => [step * (number - rounded[place]), place]).sort((a, b) => b[0] - a[0]);
  for (let moved = 0; moved < Math.abs(off); moved += 1) rounded[order[moved % order.length][1]] += step;
  return rounded;
}
