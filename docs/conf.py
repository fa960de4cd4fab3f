"""How the site is built from these pages, by `make docs`. It needs no network, and loads nothing from outside."""

from pathlib import Path

from earmark import __version__

project = "earmark"
release = version = __version__

extensions = ["myst_parser"]
myst_heading_anchors = 4
# What stands in a fence without a name is what a terminal shows.
highlight_language = "none"

html_theme = "furo"
html_title = f"earmark {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_static_path = ["style"]
html_css_files = ["earmark.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0072b2", "color-brand-content": "#0072b2"},
    "dark_css_variables": {"color-brand-primary": "#56b4e9", "color-brand-content": "#56b4e9"},
}

# A manual page for each command, from its page of the reference; the index is that of `earmark` itself.
man_pages = [
    (
        f"reference/commands/{page.stem}",
        "earmark" if page.stem == "index" else f"earmark-{page.stem}",
        "Tag music by its sound" if page.stem == "index" else page.read_text(encoding="utf-8").split("\n\n")[2],
        [],
        1,
    )
    for page in sorted((Path(__file__).parent / "reference" / "commands").glob("*.md"))
]
