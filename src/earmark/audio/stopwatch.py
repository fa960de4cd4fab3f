"""Where the time goes: seconds by part of the work, of one pass over one sound.

Who is not measured pays nothing: where a stopwatch is given, the steps of the pass are wrapped once, when the pass is
put together, and where none is given they are what they always are.
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
    """Where the time of one pass went.

    wall_seconds: from its start to its end. parts: seconds by part, in the order of the work: "decode" (opening and
    decoding), "resample" (mixing to mono too), "front end" (log-mel frames), "network" (the classifier too), and
    "rest", what none of them took. The parts add up to wall_seconds.
    """

    wall_seconds: float
    parts: Mapping[str, float]

    def to_dict(self) -> dict[str, object]:
        """Plain dictionaries and numbers, for JSON."""
        return {"wall_seconds": self.wall_seconds, "parts": dict(self.parts)}


class Stopwatch:
    """Measures one pass, on one thread: `with` around all of it, `timed` and `steps` around its parts.

    A part that works within another is measured by itself, not twice.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._within = 0.0
        self._started = self._ended = 0.0

    def timed(self, part: Part, call: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        """The same function, with its time counted to a part."""

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
        """The same items, with the time that making each takes counted to a part."""
        step = self.timed(part, lambda: next(items, None))
        while (item := step()) is not None:
            yield item

    @property
    def profile(self) -> Profile:
        """Where the time went, once the pass is over."""
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
