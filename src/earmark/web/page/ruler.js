// The time axis: some round times of the shown part of a track.

import { element } from "./element.js";
import { clock } from "./number.js";

const STEPS = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600];
const TIMES_AT_MOST = 6;

/** Return the times below a plot, which follow its view. Screen readers skip them. */
export function ruler(view) {
  const root = element("div", { class: "ruler", "aria-hidden": "true" });
  const show = () => root.replaceChildren(...times(view));
  view.addEventListener("change", show);
  show();
  return root;
}

function times(view) {
  const step = STEPS.find((seconds) => view.span / seconds <= TIMES_AT_MOST) ?? STEPS.at(-1);
  const shown = [];
  for (let time = Math.ceil(view.start / step) * step; time <= view.end; time += step) {
    const near = time > view.start && view.end - time < step / 4 ? " ruler-end" : "";
    shown.push(
      element("span", { class: `ruler-time${near}`, style: { "--place": String(view.place(time)) } }, clock(time)),
    );
  }
  return shown;
}
