// The button that copies the address of the page, which names the track, the tag and the moment.

import { element } from "./element.js";
import { icon } from "./icon.js";

const TOLD_SECONDS = 2;

/** Return the button; where the browser has no clipboard (without https), the address bar has the link as well. */
export function copyLink() {
  if (!navigator.clipboard) return null;
  const text = element("span", { role: "status" }, "Copy link");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      text.textContent = "Copied";
    } catch (error) {
      if (error.name !== "NotAllowedError") throw error;
      text.textContent = "Copy it from the address bar";
    }
    setTimeout(() => {
      text.textContent = "Copy link";
    }, TOLD_SECONDS * 1000);
  };
  return element("button", { class: "button", type: "button", on: { click: copy } }, icon("link"), text);
}
