// The view of a track that is not finished: its progress, or its problem.

import { element } from "./element.js";
import { percent } from "./number.js";
import { problemCard } from "./problem.js";

export class Progress {
  constructor(page, track) {
    this._page = page;
    this._track = track;
    this._bar = element(
      "div",
      {
        class: "progress",
        role: "progressbar",
        "aria-label": `Listening to ${track.title}`,
        "aria-valuemin": "0",
        "aria-valuemax": "100",
      },
      element("span", { class: "progress-fill" }),
    );
    this._message = element("p", { class: "soft" });
    this._soFar = element("ul", { class: "chips so-far", "aria-label": "Tags so far", hidden: true });
    this._problem = element("div", {});
    this.player = null;
    this.root = element(
      "article",
      { class: "under-way" },
      element("h1", { tabindex: "-1" }, track.title),
      this._message,
      this._bar,
      this._soFar,
      this._problem,
      element(
        "div",
        { class: "columns skeleton", "aria-hidden": "true" },
        ...["player", "what", "when", "why"].map((name) => element("div", { class: `card ${name}` })),
      ),
    );
    this.changed();
  }

  opened() {}

  close() {}

  /** Show the present state. */
  changed() {
    const { message, share, problem, soFar } = this._track;
    const failed = problem !== null;
    this.root.classList.toggle("is-failed", failed);
    this._bar.hidden = failed;
    this._message.hidden = failed;
    this._soFar.hidden = failed || !soFar.length;
    this._soFar.replaceChildren(
      ...soFar.map(({ label, probability }) =>
        element("li", {}, label, " ", element("span", { class: "soft" }, percent(probability))),
      ),
    );
    this._message.textContent = message;
    this._bar.classList.toggle("is-endless", share === null);
    this._bar.style.setProperty("--share", String(share ?? 0));
    if (share === null) this._bar.removeAttribute("aria-valuenow");
    else this._bar.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    this._problem.replaceChildren(...(failed ? [this._card(problem)] : []));
  }

  _card(problem) {
    const button = (text, act, kind = "button") =>
      element("button", { class: kind, type: "button", on: { click: act } }, text);
    return problemCard(
      problem,
      button("Try again", () => this._page.tracks.retry(this._track)),
      button("Close", () => this._page.close(this._track), "button quiet"),
    );
  }
}
