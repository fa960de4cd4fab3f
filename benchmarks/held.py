"""Run `earmark`, and write down for how long its event loop was held, in seconds of processor time.

    python benchmarks/held.py REPORT serve [OPTIONS OF earmark serve]

While a step of the loop runs, every other request waits. Processor time (of the loop's own thread) says how long that
is on a machine with nothing else to do, however busy this one is. The report is written when the server ends: the
number of rounds of the loop, the longest round with its steps, the longest step, and the steps that took the most time.
"""

import asyncio.base_events
import asyncio.events
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

MOST_STEPS = 8


class HeldLoop:
    """Measures the rounds and the steps of event loops; seconds of processor time."""

    def __init__(self) -> None:
        self.rounds: list[float] = []
        self.steps: defaultdict[str, list[float]] = defaultdict(list)
        self.longest_seconds = 0.0
        self.longest: dict[str, list[float]] = {}
        """The steps of the longest round."""

    def watch(self) -> None:
        """Measure all event loops of this process from now on."""
        loop: Any = asyncio.base_events.BaseEventLoop
        handle: Any = asyncio.events.Handle
        run_once: Callable[[Any], None] = loop._run_once
        run: Callable[[Any], None] = handle._run

        def run_once_measured(self_: Any) -> None:
            before = {name: len(each) for name, each in self.steps.items()}
            started = time.thread_time()
            run_once(self_)
            taken = time.thread_time() - started
            if taken > self.longest_seconds:
                self.longest_seconds = taken
                self.longest = {name: each[before.get(name, 0) :] for name, each in self.steps.items()}
            self.rounds.append(taken)

        def run_measured(self_: Any) -> None:
            name = _name(self_._callback)
            started = time.thread_time()
            run(self_)
            self.steps[name].append(time.thread_time() - started)

        loop._run_once, handle._run = run_once_measured, run_measured

    def report(self) -> dict[str, object]:
        """Return the figures."""
        return {
            "rounds": len(self.rounds),
            "processor seconds": sum(self.rounds),
            "longest round": self.longest_seconds,
            "longest step": max(map(max, self.steps.values()), default=0.0),
            "steps": _summary(self.steps),
            "steps of the longest round": _summary(self.longest),
        }


def _summary(steps: Mapping[str, list[float]]) -> dict[str, dict[str, float]]:
    """Return the count, the longest and the sum of the steps that held the loop longest in all."""
    worst = sorted(((name, each) for name, each in steps.items() if each), key=lambda step: -sum(step[1]))
    return {name: {"count": len(each), "longest": max(each), "sum": sum(each)} for name, each in worst[:MOST_STEPS]}


def _name(callback: Any) -> str:
    """Return the name of a callback; of a task, that of its coroutine."""
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return f"task {getattr(owner.get_coro(), '__qualname__', owner.get_name())}"
    return str(getattr(callback, "__qualname__", type(callback).__name__))


def main() -> None:
    """Run the command and write the report."""
    from earmark.__main__ import main as earmark
    from earmark.web.http_server import HttpServer

    report, *sys.argv[1:] = sys.argv[1:]
    held = HeldLoop()
    startup = HttpServer.startup

    async def startup_then_watch(self: HttpServer, sockets: Any = None) -> None:
        await startup(self, sockets)
        held.watch()

    HttpServer.startup = startup_then_watch  # type: ignore[method-assign]
    try:
        earmark()
    finally:
        Path(report).write_text(json.dumps(held.report(), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
