// The taggram as a table: when each tag is strongest and weakest.

import { element } from "./element.js";
import { clock, percent } from "./number.js";

/** Return a table of the taggram's tags, for people who cannot see it or want numbers. */
export function momentsTable(track, tags, hear) {
  return element(
    "table",
    { class: "moments" },
    element("caption", { class: "unseen" }, "Tags over time: when each is strongest and weakest"),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        ...["Tag", "Whole track", "Strongest", "Weakest"].map((name) => element("th", { scope: "col" }, name)),
      ),
    ),
    element("tbody", {}, ...tags.map(({ label }) => row(track, label, hear))),
  );
}

function row(track, label, hear) {
  const { curve } = track.evidence[label];
  const high = track.clearest(label);
  const low = curve.reduce((least, probability, slot) => (probability < curve[least] ? slot : least), 0);
  const start = track.slots.start(high);
  const button = element(
    "button",
    {
      class: "quiet",
      type: "button",
      "aria-label": `Play ${label} at ${clock(start)}`,
      on: { click: () => hear(label, high) },
    },
    clock(start),
  );
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, label),
    element("td", {}, percent(track.probability(label))),
    element("td", {}, `${percent(curve[high])} at `, button),
    element("td", {}, `${percent(curve[low])} at ${clock(track.slots.start(low))}`),
  );
}
