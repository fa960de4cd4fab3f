// Light or dark, before anything is drawn: a plain script in the head, so that a stored choice never flashes.
(() => {
  const root = document.documentElement;
  const stored = localStorage.getItem("earmark.theme");
  if (stored === "light" || stored === "dark") root.dataset.theme = stored;
})();
