// A button that opens a short menu.

import { element } from "./element.js";
import { icon } from "./icon.js";

/** @typedef {{text: string, hint?: string, href?: string, act?: () => void}} Item */

/**
 * Return a menu of links and buttons. It closes on Escape, on a choice, and when it loses the focus.
 *
 * @param {string} name
 * @param {Node} picture
 * @param {Item[]} items
 */
export function menu(name, picture, items) {
  const list = element(
    "ul",
    { class: "menu-list" },
    ...items.map((item) =>
      element(
        "li",
        {},
        entry(item, () => close()),
      ),
    ),
  );
  const summary = element("summary", { class: "button" }, picture, element("span", {}, name), icon("down"));
  const root = element("details", { class: "menu" }, summary, list);
  const close = () => root.removeAttribute("open");
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !root.open) return;
    close();
    summary.focus();
  });
  root.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget instanceof Node && !root.contains(relatedTarget)) close();
  });
  const outside = (event) => {
    if (!root.contains(event.target)) close();
  };
  root.addEventListener("toggle", () => {
    if (root.open) document.addEventListener("pointerdown", outside);
    else document.removeEventListener("pointerdown", outside);
  });
  return root;
}

/**
 * @param {Item} item
 * @param {() => void} close
 */
function entry({ text, hint, href, act }, close) {
  const content = [
    element("span", { class: "menu-text" }, text),
    hint ? element("span", { class: "menu-hint" }, hint) : null,
  ];
  if (href) return element("a", { href, class: "menu-item", on: { click: close } }, ...content);
  const chosen = () => {
    close();
    act();
  };
  return element("button", { type: "button", class: "menu-item", on: { click: chosen } }, ...content);
}
