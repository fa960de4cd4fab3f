// The switch between light and dark. Before its first use, the system decides.

import { THEME_CHANGED } from "./drawing.js";
import { icon } from "./icon.js";
import { isDark } from "./palette.js";

/** Make a button switch the theme. */
export function switchTheme(button) {
  const show = () => {
    button.replaceChildren(icon(isDark() ? "light" : "dark"));
    button.setAttribute("aria-pressed", String(isDark()));
  };
  button.addEventListener("click", () => {
    const chosen = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = chosen;
    localStorage.setItem("earmark.theme", chosen);
    show();
    document.dispatchEvent(new Event(THEME_CHANGED));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  show();
}
