// An entry of a list of the library's tracks: play button, tags, and a button that opens it.

import { element } from "./element.js";
import { percent } from "./number.js";
import { titleOf } from "./title.js";

const TAGS = 4;

/** Return the title of a track of the library. */
export function entryName({ title, name }) {
  return title || titleOf(name);
}

/** Return an entry; `told` describes its score. */
export function entry(page, track, told) {
  const name = entryName(track);
  const tags = track.tags
    .slice(0, TAGS)
    .map(({ label, probability }) =>
      element("li", {}, label, element("span", { class: "soft" }, ` ${percent(probability)}`)),
    );
  return element(
    "li",
    { class: "entry" },
    page.preview.button(`v1/library/tracks/${track.number}/audio`, name),
    element(
      "div",
      { class: "entry-text" },
      element("p", { class: "entry-name", title: name }, name),
      element("ul", { class: "entry-tags", "aria-label": "Tags" }, ...tags),
    ),
    told ? element("p", { class: "entry-score" }, told(track)) : null,
    element(
      "button",
      {
        class: "button",
        type: "button",
        "aria-label": `Open ${name}`,
        on: { click: () => page.open(page.tracks.openFromLibrary(track.number, track.name)) },
      },
      "Open",
    ),
  );
}
