// The time axis: some round times of a track.

import { element } from "./element.js";
import { clock } from "./number.js";

const STEPS = [5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600];
const TIMES_AT_MOST = 6;

/** Return the times below a plot. Screen readers skip them. */
export function ruler(duration) {
  const step = STEPS.find((seconds) => duration / seconds <= TIMES_AT_MOST) ?? STEPS.at(-1);
  const times = [];
  for (let time = 0; time <= duration; time += step) {
    const near = time > 0 && duration - time < step / 4 ? " ruler-end" : "";
    times.push(
      element("span", { class: `ruler-time${near}`, style: { "--place": String(time / duration) } }, clock(time)),
    );
  }
  return element("div", { class: "ruler", "aria-hidden": "true" }, ...times);
}
