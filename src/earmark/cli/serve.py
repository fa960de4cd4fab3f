"""Run `earmark serve`, which serves the web page and the HTTP API."""

import ipaddress
import sys
import webbrowser
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli.output import say
from earmark.errors import MissingExtraError


def serve(
    host: Annotated[
        str, typer.Option(help="Network address to bind to; 0.0.0.0 binds to all of this machine's addresses.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 chooses a free one.")] = 8000,
    model: Annotated[
        str | None, typer.Option(help="Folder or name of the model; default: the bundled model.", show_default=False)
    ] = None,
    library: Annotated[
        Path | None, typer.Option(help="Library for searches and similar tracks.", show_default=False)
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Number of sounds tagged at once, each in its own process.")] = 1,
    max_waiting: Annotated[
        int, typer.Option(min=0, help="Number of sounds that may wait; further requests are refused for now.")
    ] = 16,
    max_uploads: Annotated[
        int, typer.Option(min=1, help="Number of uploads at a time; if more come, the slowest is given up.")
    ] = 32,
    max_megabytes: Annotated[float, typer.Option(min=0.001, help="Largest size of a sound.")] = 200.0,
    max_batch_files: Annotated[int, typer.Option(min=1, help="Number of sounds in one batch.")] = 100,
    max_batch_megabytes: Annotated[float, typer.Option(min=0.001, help="Size of the sounds in one batch.")] = 1_000.0,
    webhook_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Host to which batches may send a webhook, as HOST:PORT, or as HOST for any port; repeat for more."
        ),
    ] = None,
    max_minutes: Annotated[float, typer.Option(min=0.01, help="Longest duration of a sound.")] = 60.0,
    time_limit: Annotated[float, typer.Option(min=1.0, help="Seconds that tagging a sound may take.")] = 300.0,
    keep_minutes: Annotated[
        float, typer.Option(min=0.1, help="Time that a track is stored after it was last requested.")
    ] = 30.0,
    header_seconds: Annotated[float, typer.Option(min=0.1, help="Time that the header of a request may take.")] = 10.0,
    idle_seconds: Annotated[float, typer.Option(min=0.1, help="Time for which an upload may send nothing.")] = 15.0,
    max_connections: Annotated[
        int, typer.Option(min=1, help="Number of open connections; if more come, the longest idle one is closed.")
    ] = 1_000,
    max_connections_of_client: Annotated[
        int, typer.Option(min=1, help="Number of open connections of one network address.")
    ] = 100,
    trust_proxy: Annotated[
        list[str] | None,
        typer.Option(
            help="Address or network of a proxy, which may open more connections than a client; repeat for more. This "
            "machine always may."
        ),
    ] = None,
    grace_seconds: Annotated[
        float, typer.Option(min=0, help="Time that running jobs may take when a signal ends the server.")
    ] = 10.0,
    root_path: Annotated[str, typer.Option(help="Path below which a proxy shows the server, such as /earmark.")] = "",
    token: Annotated[
        str,
        typer.Option(
            envvar="EARMARK_TOKEN",
            help="Token that every request must carry (Authorization: Bearer TOKEN).",
            show_default=False,  # the default is what the environment or the file says, which is a secret
        ),
    ] = "",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Additional host name of the server, for example behind a proxy; repeat for more names."),
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option(
            help="Source of live sound for the page's live panel, as in `earmark listen`: an address, or - for "
            "standard input.",
            show_default=False,
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = False,
) -> None:
    """Serve the web page and the HTTP API until Ctrl-C.

    Without --host, only this machine can use them.
    """
    try:
        from earmark.web.app import make_app
        from earmark.web.http_server import serve as serve_at
        from earmark.web.live import LiveSound
        from earmark.web.settings import LOOPBACK, ServerSettings
    except ModuleNotFoundError as error:
        raise MissingExtraError("`earmark serve`", "serve", error.name or "uvicorn") from error
    from earmark.tagging.tagger import load

    settings = ServerSettings(
        jobs=jobs,
        max_waiting=max_waiting,
        max_uploads=max_uploads,
        max_megabytes=max_megabytes,
        max_batch_files=max_batch_files,
        max_batch_megabytes=max_batch_megabytes,
        webhook_hosts=tuple(webhook_host or ()),
        max_minutes=max_minutes,
        time_limit_seconds=time_limit,
        keep_minutes=keep_minutes,
        header_seconds=header_seconds,
        idle_seconds=idle_seconds,
        max_connections=max_connections,
        max_connections_of_client=max_connections_of_client,
        trusted_proxies=(*LOOPBACK, *(trust_proxy or ())),
        grace_seconds=grace_seconds,
        root_path=root_path.rstrip("/"),
        token=token,
        allowed_hosts=tuple(allow_host or ()),
    )
    tagger = load(model)
    app = make_app(settings, tagger, library)

    def announce(address: str) -> None:
        say(f"earmark serves the page and the API at {address} (Ctrl-C ends it)")
        if not token and not _is_loopback(host):
            say("Anyone who can reach this machine can use the server. To prevent this, set a token (EARMARK_TOKEN).")
        if show:
            webbrowser.open(address)

    with ExitStack() as ending:
        if listen is not None:
            app.state.live = ending.enter_context(LiveSound(tagger, listen, sys.stdin.buffer))
        if not serve_at(app, host, port, announce):
            raise typer.Exit(1)


def _is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
