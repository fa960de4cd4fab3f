// The start of the page without a server.

import { Page } from "../page/page.js";
import { SiteApi } from "./api.js";

// Tracks live in this page alone: those of an earlier one cannot be restored.
sessionStorage.clear();
const { version } = /** @type {HTMLScriptElement} */ (document.querySelector("script[data-version]")).dataset;
const api = new SiteApi(version);
const page = new Page(api);
page.lessons.addEventListener("change", (/** @type {CustomEvent} */ { detail: word }) => {
  if (!page.lessons.words.includes(word)) api.teaching.forget(word);
});
page.begin();
navigator.serviceWorker?.register("service-worker.js");
