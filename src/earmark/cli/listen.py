"""Run `earmark listen`, which tags a stream, standard input or a microphone while the sound arrives."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli.output import say
from earmark.errors import AudioError

if TYPE_CHECKING:
    from earmark.cli.live import LiveOutput
    from earmark.tagging.tagger import Tagger


def listen(
    source: Annotated[
        str | None,
        typer.Argument(help='Address (http or https) of a stream, or "-" for standard input.', show_default=False),
    ] = None,
    microphone: Annotated[
        bool, typer.Option("--microphone", help="Tag the sound of a microphone (extra 'live').")
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(help="Number of the microphone, or a part of its name.", show_default=False),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Folder or name of the model; default: the bundled model.", show_default=False)
    ] = None,
    window: Annotated[
        float, typer.Option(min=0.01, metavar="SECONDS", help="Length of the latest sound that is tagged each time.")
    ] = 10.0,
    every: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="Least time between two outputs; 0 writes one for each of the model's longest segments.",
        ),
    ] = 0.0,
    top: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of tags to show for each group; default: 3 as bars, 1 in lines, all in JSON.",
            show_default=False,
        ),
    ] = None,
    as_jsonl: Annotated[
        bool,
        typer.Option(
            "--jsonl", "--json", help="Write one JSON object in a line each time, and a last one for the whole sound."
        ),
    ] = False,
    raw: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT",
            help="Read raw samples from standard input, in this format of ffmpeg, such as s16le or f32le.",
            show_default=False,
        ),
    ] = None,
    rate: Annotated[int, typer.Option(min=1, metavar="HZ", help="Sample rate of raw samples.")] = 44_100,
    channels: Annotated[int, typer.Option(min=1, help="Number of channels of raw samples.")] = 1,
) -> None:
    """Tag live sound while it arrives, and the whole sound at its end.

    Each output tags the latest seconds. Ctrl-C ends the sound.
    """
    if microphone == (source is not None):
        raise typer.BadParameter("give one source: - (standard input), an address, or --microphone")
    if device is not None and not microphone:
        raise typer.BadParameter("--device needs --microphone")
    if raw is not None and source != "-":
        raise typer.BadParameter("--raw needs standard input, as in: earmark listen - --raw s16le")
    # These imports are slow, so they come after the checks of the options.
    from earmark.audio.stream.buffer import AudioBuffer
    from earmark.audio.stream.decoder import RawSamples
    from earmark.audio.stream.open_stream import MICROPHONE, open_stream
    from earmark.tagging.live import Live, LiveSettings
    from earmark.tagging.tagger import load

    tagger = load(model)

    def tell(line: str) -> None:
        output.tell(line)

    stream = open_stream(
        MICROPHONE if source is None else source,
        tagger.card.rate_hz,
        tell,
        stdin=sys.stdin.buffer,
        raw=None if raw is None else RawSamples(raw, rate, channels),
        device=int(device) if device is not None and device.isdecimal() else device,
    )
    live = Live(tagger, LiveSettings(window, every), stream.name)
    output = _live_output(stream.name, tagger, top, as_jsonl)
    failure: AudioError | None = None
    with (
        closing(output),
        AudioBuffer(stream, tagger.card.rate_hz) as buffer,
        _stopped_by_signals(buffer.stop),
    ):
        try:
            for moment in live.listen(buffer, tell):
                output.moment(moment)
        except AudioError as error:
            failure = error
    if live.analysed_seconds:
        output.whole(live.finish())
    elif failure is None:
        say("earmark: no sound arrived")
    if failure is not None:
        raise failure


def _live_output(name: str, tagger: "Tagger", top: int | None, as_jsonl: bool) -> "LiveOutput":
    """Return JSON output where it was asked for, bars on a terminal, and lines otherwise."""
    from earmark.cli.live import LiveBars, LiveJsonLines, LiveLines

    if as_jsonl:
        return LiveJsonLines(top)
    return LiveBars(name, tagger.card.tags, top) if sys.stdout.isatty() else LiveLines(top)


@contextmanager
def _stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM call `stop` within a `with` block, so that the tags of the whole sound are still written.

    A second signal ends the program as usual. Outside the main thread, which alone may handle signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    # A signal that is ignored, for example in a background job, stays ignored.
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
