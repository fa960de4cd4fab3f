// The open tracks as a row of links.

import { element, unseen } from "./element.js";
import { icon } from "./icon.js";

export class Tabs {
  constructor(page) {
    this._page = page;
    this._list = element("ul", { class: "tabs" });
    this._links = new Map();
    this._batch = element("a", { class: "tab is-batch is-heard", href: "#/batch" });
    this.root = element("nav", { class: "strip", "aria-label": "Open tracks", hidden: true }, this._list);
  }

  /** Redraw the row after tracks were opened or closed. */
  redraw() {
    const tracks = this._page.tracks.single;
    const { batch } = this._page.tracks;
    this.root.hidden = !tracks.length && !batch.length;
    this._links.clear();
    this._list.replaceChildren(
      ...(batch.length ? [element("li", {}, this._batch)] : []),
      ...tracks.map((track) => this._tab(track)),
    );
    this._batch.textContent = `${batch.length} files`;
    for (const track of tracks) this.progress(track);
    this.mark();
  }

  /** Show the progress of one track. */
  progress(track) {
    const link = this._links.get(track);
    if (!link) return;
    link.href = track.address;
    link.title = track.title;
    const state = track.state === "failed" ? "failed: " : track.finished ? "" : "being listened to: ";
    link.className = `tab is-${track.state}`;
    link.style.setProperty("--share", String(track.finished ? 1 : (track.share ?? 0)));
    link.replaceChildren(unseen(state), element("span", { class: "tab-name" }, track.title));
  }

  /** Mark the track that is shown. */
  mark() {
    for (const [track, link] of this._links) {
      link.href = track.address;
      if (track.key === this._page.shownKey) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const { shownKey, tracks } = this._page;
    const inBatch = location.hash === "#/batch" || tracks.batch.some((track) => track.key === shownKey);
    if (inBatch) this._batch.setAttribute("aria-current", location.hash === "#/batch" ? "page" : "true");
    else this._batch.removeAttribute("aria-current");
    this._list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  _tab(track) {
    const link = element("a", {});
    this._links.set(track, link);
    const close = element(
      "button",
      {
        class: "tab-close",
        type: "button",
        "aria-label": `Close ${track.title}`,
        on: { click: () => this._page.close(track) },
      },
      icon("close"),
    );
    return element("li", {}, link, close);
  }
}
