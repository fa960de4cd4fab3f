"""Run `earmark site`, which writes the page as a static site that listens in the browser."""

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.output import say


def site(
    out: Annotated[Path, typer.Argument(help="Folder to write; an earlier site in it is replaced.")],
    model: Annotated[
        str | None, typer.Option(help="Folder or name of the model; default: the bundled model.", show_default=False)
    ] = None,
) -> None:
    """Write the page as a static site: it listens in the browser, without a server of its own, and sends nothing.

    Any web server can give out the folder; after one visit the page works without a network.
    """
    from earmark.tagging.tagger import read_model
    from earmark.web.static_site import write_site

    size_bytes = write_site(out, read_model(model))
    say(f"wrote {out}, {size_bytes / 1e6:.1f} MB; try it with: python -m http.server --directory {out}")
