"""Measuring the seconds that each part of one pass over one sound takes.

A pass without a stopwatch has no cost: where a stopwatch is given, the steps of the pass are wrapped once, when the
pass is put together.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, ParamSpec, Self, TypeVar

Part = Literal["decode", "resample", "front end", "network"]
PARTS: tuple[Part, ...] = ("decode", "resample", "front end", "network")
REST = "rest"

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Profile:
    """The time that one pass took, in all and by part.

    wall_seconds: from its start to its end. parts: seconds by part, in the order of the work: "decode" (opening and
    decoding), "resample" (with mixing to mono), "front end" (log-mel frames), "network" (with the classifier), and
    "rest", the time outside of them. The parts add up to wall_seconds.
    """

    wall_seconds: float
    parts: Mapping[str, float]

    def to_dict(self) -> dict[str, object]:
        """Return plain dictionaries and numbers, for JSON."""
        return {"wall_seconds": self.wall_seconds, "parts": dict(self.parts)}


class Stopwatch:
    """Measures one pass on one thread: use `with` around all of it, and `timed` and `steps` around its parts.

    The time of a part inside another is counted to the inner part only.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._within = 0.0
        self._started = self._ended = 0.0

    def timed(self, part: Part, call: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        """Return the same function, with its time counted to a part."""

        def counted(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
            started, outside = self._clock(), self._within
            self._within = 0.0
            try:
                return call(*arguments, **options)
            finally:
                taken = self._clock() - started
                self._seconds[part] += taken - self._within
                self._within = outside + taken

        return counted

    def steps(self, part: Part, items: Iterator[Result]) -> Iterator[Result]:
        """Yield the same items, with the time of making each counted to a part. None may not be an item."""
        step = self.timed(part, lambda: next(items, None))
        while (item := step()) is not None:
            yield item

    @property
    def profile(self) -> Profile:
        """The time that the pass took, after it is over."""
        wall_seconds = self._ended - self._started
        parts = {str(part): seconds for part, seconds in self._seconds.items()}
        return Profile(wall_seconds, {**parts, REST: wall_seconds - sum(parts.values())})

    def __enter__(self) -> Self:
        self._started = self._ended = self._clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = self._clock()
