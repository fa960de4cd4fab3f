// Sets the theme before the page is drawn, so that a stored choice does not flicker.
(() => {
  const root = document.documentElement;
  const stored = localStorage.getItem("earmark.theme");
  if (stored === "light" || stored === "dark") root.dataset.theme = stored;
})();
