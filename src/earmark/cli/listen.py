"""`earmark listen`: sound that comes in, and the tags of its last seconds while it does."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.console import say
from earmark.cli.moments import JsonLines, Lines, Shown
from earmark.errors import AudioError

if TYPE_CHECKING:
    from earmark.tagging.tagger import Tagger


def listen(
    source: Annotated[
        str | None,
        typer.Argument(help='"-" for sound on standard input, or an http(s) address of a stream.', show_default=False),
    ] = None,
    microphone: Annotated[bool, typer.Option("--microphone", help="Listen to the microphone (extra 'live').")] = False,
    device: Annotated[
        str | None,
        typer.Option(help="Which microphone: its number, or a part of its name.", show_default=False),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A model's folder or name; without it the bundled one.", show_default=False)
    ] = None,
    window: Annotated[
        float, typer.Option(min=0.01, metavar="SECONDS", help="How much of the sound that came last is tagged.")
    ] = 10.0,
    every: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="The least sound between two answers; 0: one with each of the model's longest segments.",
        ),
    ] = 0.0,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many tags of each group to show; without it 3 as bars, 1 in a line, all as JSON.",
            show_default=False,
        ),
    ] = None,
    as_jsonl: Annotated[
        bool, typer.Option("--jsonl", "--json", help="One JSON object a line for every answer, the last one overall.")
    ] = False,
    raw: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="Standard input holds raw samples, in ffmpeg's name for them, such as s16le or f32le.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[int, typer.Option(min=1, metavar="HZ", help="Of raw samples.")] = 44_100,
    channels: Annotated[int, typer.Option(min=1, help="Of raw samples.")] = 1,
) -> None:
    """Tag what comes in, while it comes: the last seconds, and at its end, or with Ctrl-C, all of it."""
    if microphone == (source is not None):
        raise typer.BadParameter("say what to listen to: - (standard input), an address, or --microphone")
    if device is not None and not microphone:
        raise typer.BadParameter("--device is for --microphone")
    if raw is not None and source != "-":
        raise typer.BadParameter("--raw is for standard input: earmark listen - --raw s16le")
    # What runs a model is imported here, so that --help and a wrong option answer at once.
    from earmark.audio.stream.buffer import AudioBuffer
    from earmark.audio.stream.decoder import RawSamples
    from earmark.audio.stream.open_stream import MICROPHONE, open_stream
    from earmark.tagging.live import Live, LiveSettings
    from earmark.tagging.tagger import load

    tagger = load(model)

    def tell(line: str) -> None:
        shown.tell(line)

    stream = open_stream(
        MICROPHONE if source is None else source,
        tagger.card.rate_hz,
        tell,
        stdin=sys.stdin.buffer,
        raw=None if raw is None else RawSamples(raw, rate, channels),
        device=int(device) if device is not None and device.isdecimal() else device,
    )
    live = Live(tagger, LiveSettings(window, every), stream.name)
    shown = _shown(stream.name, tagger, top, as_jsonl)
    failure: AudioError | None = None
    with (
        closing(shown),
        AudioBuffer(stream, tagger.card.rate_hz) as buffer,
        _stopped_by_signals(buffer.stop),
    ):
        try:
            for moment in live.listen(buffer, tell):
                shown.moment(moment)
        except AudioError as error:
            failure = error
    if live.heard_seconds:
        shown.whole(live.finish())
    elif failure is None:
        say("earmark: nothing was heard")
    if failure is not None:
        raise failure


def _shown(name: str, tagger: "Tagger", top: int | None, as_jsonl: bool) -> Shown:
    """JSON where it was asked for, bars where a person is looking, lines otherwise."""
    if as_jsonl:
        return JsonLines(top)
    if not sys.stdout.isatty():
        return Lines(top)
    # rich is slow to import, so a command that nobody watches does without it.
    from rich.console import Console

    from earmark.cli.bars import Bars

    return Bars(name, tagger.card.tags, top, Console())


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C, and a request to end, stop the listening, so that there is an end with overall tags.

    A second one ends the program as ever. Only the main thread may say what signals do.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # Whoever started it in the background had one ignored on purpose.
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}

    def ask(number: int, _frame: object) -> None:
        signal.signal(number, before[signal.Signals(number)])
        stop()

    for number in before:
        signal.signal(number, ask)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
