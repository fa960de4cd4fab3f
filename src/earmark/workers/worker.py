"""The side of the worker: `python -m earmark.workers.worker MODULE:FACTORY`, jobs in, answers out.

FACTORY takes the setup and a function that tells progress, both in bytes, and returns the function that does a job:
bytes in, bytes out. What that function raises ends the worker.
"""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import BinaryIO

from earmark.workers.frames import MARK, Frame, read_frame

GRACE_SECONDS = 5
"""How much later than its caller's clock a worker's own alarm is."""

Work = Callable[[bytes], bytes]
Factory = Callable[[bytes, Callable[[bytes], None]], Work]


def main() -> None:
    """Do jobs until the caller closes the pipe or ends."""
    # Whatever else reads stdin or writes to stdout must not come between the frames.
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    answers.write(MARK)
    frames: SimpleQueue[Frame] = SimpleQueue()
    Thread(target=_read_until_the_end, args=(jobs, frames), daemon=True).start()
    try:
        _work(frames, answers, sys.argv[1])
    except BrokenPipeError:  # the caller has ended
        os._exit(1)


def _read_until_the_end(jobs: BinaryIO, frames: "SimpleQueue[Frame]") -> None:
    """Hand on what the caller writes; end this process where the caller has ended, whatever it is doing."""
    while (frame := read_frame(jobs)) is not None:
        frames.put(frame)
    os._exit(0)


def _work(frames: "SimpleQueue[Frame]", answers: BinaryIO, factory: str) -> None:
    def tell(frame: Frame) -> None:
        answers.write(frame.to_bytes())
        answers.flush()

    _leave_no_core()
    try:
        work = _factory(factory)(frames.get().payload, lambda progress: tell(Frame("progress", progress)))
    except Exception as error:  # whatever keeps it from starting is told to the pool, and raised again
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        tell(Frame("unusable", reason.encode("utf-8", "replace")))
        raise
    # What decoders say of broken files is of no use to anybody.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    tell(Frame("ready"))
    while True:
        frame = frames.get()
        _alarm(int(frame.seconds) + GRACE_SECONDS)
        tell(Frame("begun"))
        answer = work(frame.payload)
        _alarm(0)
        tell(Frame("done", answer))


def _factory(named: str) -> Factory:
    module, _, name = named.partition(":")
    found: Factory = getattr(importlib.import_module(module), name)
    return found


def _leave_no_core() -> None:
    """Have nothing written to the disk where a decoder crashes; on Windows nothing is."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _alarm(seconds: int) -> None:
    """Have the system end this process after that many seconds; 0: not at all. On Windows nobody does."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


if __name__ == "__main__":
    main()
