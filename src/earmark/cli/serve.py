"""`earmark serve`: the page and the HTTP API."""

import ipaddress
import sys
import webbrowser
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.console import say
from earmark.errors import MissingExtraError


def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen at; 0.0.0.0 for all of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="The port; 0 for any that is free.")] = 8000,
    model: Annotated[
        str | None, typer.Option(help="A model's folder or name; without it the bundled one.", show_default=False)
    ] = None,
    library: Annotated[
        Path | None, typer.Option(help="A library to search and to compare with.", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Sounds listened to at a time, each in a process of its own.")] = 1,
    max_waiting: Annotated[
        int, typer.Option(min=0, help="Sounds that may wait besides; who comes then is told to come back.")
    ] = 16,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Of one sound.")] = 200.0,
    max_minutes: Annotated[float, typer.Option(min=0.01, help="Of one sound.")] = 60.0,
    time_limit: Annotated[float, typer.Option(min=1.0, help="Seconds that listening to one sound may take.")] = 300.0,
    keep_minutes: Annotated[
        float, typer.Option(min=0.1, help="How long a track is kept after it was last asked for.")
    ] = 30.0,
    token: Annotated[
        str,
        typer.Option(envvar="EARMARK_TOKEN", help="What every request has to carry (Authorization: Bearer TOKEN)."),
    ] = "",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A name that the server is called by, such as behind a proxy; again for more."),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            help="A sound that comes in, as `earmark listen` has it (- for standard input, or an address), for the "
            "page's live panel.",
            show_default=False,
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
) -> None:
    """Serve the page and the HTTP API until Ctrl-C; only to this machine unless --host says otherwise."""
    try:
        from earmark.web.app import make_app
        from earmark.web.live import LiveSound
        from earmark.web.server import serve as serve_at
        from earmark.web.settings import ServerSettings
    except ModuleNotFoundError as error:
        raise MissingExtraError("`earmark serve`", "serve", error.name or "uvicorn") from error
    from earmark.tagging.tagger import load

    settings = ServerSettings(
        jobs=jobs,
        max_waiting=max_waiting,
        max_megabytes=max_megabytes,
        max_minutes=max_minutes,
        time_limit_seconds=time_limit,
        keep_minutes=keep_minutes,
        token=token,
        allowed_hosts=tuple(allow_host or ()),
    )
    tagger = load(model)
    app = make_app(settings, tagger, library)

    def announce(address: str) -> None:
        say(f"earmark serves the page and the API at {address} (Ctrl-C ends it)")
        if not token and not _is_own(host):
            say("Whoever can reach this machine can use it. Set a token (EARMARK_TOKEN) if not all of them should.")
        if show:
            webbrowser.open(address)

    with ExitStack() as ending:
        if listen is not None:
            app.state.live = ending.enter_context(LiveSound(tagger, listen, sys.stdin.buffer))
        if not serve_at(app, host, port, announce):
            raise typer.Exit(1)


def _is_own(host: str) -> bool:
    """Whether an address is of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
