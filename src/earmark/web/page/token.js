// The dialog that asks for the server's token.

import { element } from "./element.js";

/** Ask for the token until one is entered; `again` says that the server refused the last one. */
export function askToken(again) {
  return new Promise((resolve) => {
    const input = element("input", {
      id: "token",
      type: "password",
      autocomplete: "off",
      required: true,
      "aria-describedby": "token-why",
    });
    const dialog = element(
      "dialog",
      { class: "token", "aria-labelledby": "token-title" },
      element(
        "form",
        { method: "dialog" },
        element("h2", { id: "token-title" }, "This server asks for a token"),
        element(
          "p",
          { id: "token-why", class: again ? "wrong" : "soft" },
          again
            ? "The server refused this token. Ask the person who started earmark serve for the right one."
            : "Enter the token that earmark serve was started with. The page keeps it until this tab is closed.",
        ),
        element("label", { for: "token" }, "Token"),
        input,
        element("button", { class: "button primary", type: "submit" }, "Continue"),
      ),
    );
    // Escape must not close the dialog, because the page is empty without a token.
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(input.value.trim());
    });
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
  });
}
