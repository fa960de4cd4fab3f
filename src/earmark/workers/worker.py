"""Run a worker: `python -m earmark.workers.worker MODULE:FACTORY` reads jobs and writes answers.

FACTORY takes the setup, as bytes, and a function that sends progress, as bytes. It returns the function that does a
job: it takes the job as bytes and returns the answer as bytes. An exception in that function ends the worker.
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
"""How much later than the caller's time limit the worker's own alarm goes off."""

Work = Callable[[bytes], bytes]
Factory = Callable[[bytes, Callable[[bytes], None]], Work]


def main() -> None:
    """Do jobs until the caller closes the pipe or ends."""
    # Other code that reads stdin or writes to stdout must not disturb the frames.
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    answers.write(MARK)
    frames: SimpleQueue[Frame] = SimpleQueue()
    Thread(target=_read_until_the_end, args=(jobs, frames), daemon=True).start()
    try:
        _work(frames, answers, sys.argv[1])
    except BrokenPipeError:  # The caller has ended.
        os._exit(1)


def _read_until_the_end(jobs: BinaryIO, frames: "SimpleQueue[Frame]") -> None:
    """Queue the frames that the caller writes, and end this process as soon as the caller has ended."""
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
    except Exception as error:  # The pool gets the reason, whatever keeps the worker from starting.
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        tell(Frame("unusable", reason.encode("utf-8", "replace")))
        raise
    # Decoders write messages about broken files to stderr, which nobody reads.
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
    """Prevent core dumps when a decoder crashes. Windows writes none."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _alarm(seconds: int) -> None:
    """Let the system end this process after that many seconds; 0 cancels this. Windows has no such alarm."""
    if hasattr(signal, "alarm"):
        signal.alarm(seconds)


if __name__ == "__main__":
    main()
