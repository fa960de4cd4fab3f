// The view of an address that leads nowhere.

import { element } from "./element.js";
import { Problem, problemCard } from "./problem.js";

const NOWHERE = {
  title: "This link leads nowhere",
  detail: "The page has nothing at this address: a part of the link may be missing.",
  what_to_do: "Copy the whole link again, or open a track.",
};

export class Missing {
  constructor() {
    this.player = null;
    const start = element("a", { class: "button", href: "#/" }, "Open a track");
    this.root = element(
      "article",
      { class: "under-way is-failed" },
      element("h1", { tabindex: "-1" }, "Nothing here"),
      problemCard(new Problem(NOWHERE), start),
    );
  }

  opened() {}

  close() {}
}
