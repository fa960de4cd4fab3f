// The tags of a track by group, with bars.

import { element, unseen } from "./element.js";
import { percent } from "./number.js";

const SHOWN = 3;

/** Shows the tags of a track by group; each tag is a button that selects it. */
export class Tags {
  /**
   * @param {import("./track.js").Track} track
   * @param {(label: string) => void} choose
   */
  constructor(track, choose) {
    this._track = track;
    this._choose = choose;
    this._buttons = new Map();
    this._ticks = new Map();
    this.root = element("div", { class: "groups" }, ...track.groups.map((group) => this._group(group)));
  }

  /** Mark the selected tag. */
  show(label) {
    for (const [other, button] of this._buttons) button.setAttribute("aria-pressed", String(other === label));
  }

  /** Show ticks at the probabilities of one moment; remove them for null. */
  now(slot) {
    this.root.classList.toggle("is-moving", slot !== null);
    if (slot === null) return;
    for (const [label, tick] of this._ticks) {
      tick.style.setProperty("--share", String(this._track.probabilityAt(label, slot)));
    }
  }

  _group({ name, tags }) {
    const list = element("ul", { class: "bars", id: `group-${name.replaceAll(/\W+/g, "-")}` });
    const rows = tags.map((tag) => this._row(tag));
    const hidden = rows.slice(SHOWN);
    list.append(...rows);
    for (const row of hidden) row.hidden = true;
    return element(
      "section",
      { class: "group", "aria-label": name },
      element("div", { class: "group-head" }, element("h3", {}, name), hidden.length ? more(list, name, hidden) : null),
      list,
    );
  }

  _row({ label, probability }) {
    const tick = element("span", { class: "bar-now" });
    const button = element(
      "button",
      {
        class: "tag",
        type: "button",
        "aria-pressed": "false",
        "data-label": label,
        on: { click: () => this._choose(label) },
      },
      element("span", { class: "tag-label" }, label),
      element(
        "span",
        {
          class: "bar",
          style: { "--share": String(probability), "--peak": String(this._track.peak(label)) },
          "aria-hidden": "true",
        },
        element("span", { class: "bar-peak" }),
        element("span", { class: "bar-fill" }),
        tick,
      ),
      element("span", { class: "tag-value" }, percent(probability)),
      unseen(`, up to ${percent(this._track.peak(label))}`),
    );
    this._buttons.set(label, button);
    this._ticks.set(label, tick);
    return element("li", {}, button);
  }
}

/** Return the button that shows the rest of a group. */
function more(list, name, hidden) {
  const button = element("button", {
    class: "quiet",
    type: "button",
    "aria-expanded": "false",
    "aria-controls": list.id,
  });
  const tell = (open) => {
    button.textContent = open ? "Fewer" : `${hidden.length} more`;
    button.setAttribute("aria-label", open ? `Fewer ${name}` : `${hidden.length} more ${name}`);
    button.setAttribute("aria-expanded", String(open));
    for (const row of hidden) row.hidden = !open;
  };
  button.addEventListener("click", () => tell(button.getAttribute("aria-expanded") !== "true"));
  tell(false);
  return button;
}
