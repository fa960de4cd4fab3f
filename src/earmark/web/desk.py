"""The desk: who may come in, who waits, and which listener takes whom."""

import asyncio
import math
import pickle
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from earmark.tagging.tagger import Tagger
from earmark.web import problems
from earmark.web.metrics import Metrics
from earmark.web.order import Order, Progress, Setup
from earmark.web.problem import ProblemError
from earmark.web.process import ListenerProcess
from earmark.web.settings import ServerSettings

FIRST_GUESS_SECONDS = 5.0
"""That a sound takes, until some were heard."""
WEIGHT_OF_LAST = 0.2
"""In the running mean of what sounds take."""


@dataclass(frozen=True)
class Waiting:
    """How many sounds are to be taken before this one."""

    ahead: int


Tell = Callable[[Waiting | Progress], None]


def tell_nobody(message: Waiting | Progress) -> None:
    """For who wants the answer alone."""
    del message


class Place:
    """A place at the desk, held from the first byte of an upload until its answer is there."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave: Callable[[], None] | None = leave

    def leave(self) -> None:
        """Give it up; a second time does nothing."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()


class Desk:
    """A fixed number of listeners, and a queue of a fixed length before them; used on one event loop."""

    def __init__(self, settings: ServerSettings, tagger: Tagger, metrics: Metrics) -> None:
        setup = pickle.dumps(Setup(tagger.bundle, settings.memory_megabytes))
        self._settings, self._metrics = settings, metrics
        self._listeners = [ListenerProcess(setup) for _ in range(settings.jobs)]
        self._idle = deque(self._listeners)
        self._queue: deque[tuple[asyncio.Future[ListenerProcess], Tell]] = deque()
        self._taken = 0
        self._usual_seconds = FIRST_GUESS_SECONDS

    @property
    def process_ids(self) -> list[int]:
        """Of the listeners that there are."""
        return [number for listener in self._listeners if (number := listener.process_id) is not None]

    async def open(self) -> None:
        """Start all listeners, so that nobody waits for them; raises ProblemError where they cannot be started."""
        await asyncio.gather(*(listener.start() for listener in self._listeners))

    async def close(self) -> None:
        """End all listeners, whatever they do."""
        await asyncio.gather(*(listener.end() for listener in self._listeners))

    def admit(self) -> Place:
        """Take a place; raises ProblemError (429) where there is none."""
        if self._taken >= self._settings.places:
            seconds = max(1, math.ceil(self._usual_seconds * (1 + len(self._queue) / self._settings.jobs)))
            self._metrics.refused.inc()
            raise ProblemError(problems.full(seconds), {"Retry-After": str(seconds)})
        self._taken += 1
        self._metrics.places.set(self._taken)
        return Place(self._left)

    async def listen(self, order: Order, tell: Tell) -> None:
        """Have an order done when it is its turn; the answer is then in its file.

        Raises ProblemError where the sound cannot be used. Cancelled, it takes nobody's turn, and ends the listener
        that was at it.
        """
        listener = await self._turn(tell)
        self._metrics.listening.inc()
        started, starts = time.monotonic(), listener.starts
        outcome = "cancelled"
        try:
            heard_seconds = await listener.work(order, tell)
            outcome = "done"
            self._metrics.heard_seconds.inc(heard_seconds)
        except ProblemError as error:
            outcome = error.problem.kind
            raise
        finally:
            taken = time.monotonic() - started
            self._usual_seconds += WEIGHT_OF_LAST * (taken - self._usual_seconds)
            self._metrics.listening.dec()
            self._metrics.orders.labels(order.want, outcome).inc()
            self._metrics.order_seconds.labels(order.want).observe(taken)
            self._metrics.restarts.inc(listener.starts - starts)
            self._give_back(listener)

    async def _turn(self, tell: Tell) -> ListenerProcess:
        if self._idle:
            return self._idle.popleft()
        turn: asyncio.Future[ListenerProcess] = asyncio.get_running_loop().create_future()
        self._queue.append((turn, tell))
        self._metrics.waiting.set(len(self._queue))
        tell(Waiting(len(self._queue) - 1))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(turn.result())
            else:
                self._queue.remove((turn, tell))
                self._tell_places()
            raise

    def _give_back(self, listener: ListenerProcess) -> None:
        if not self._queue:
            self._idle.append(listener)
            return
        turn, _ = self._queue.popleft()
        turn.set_result(listener)
        self._tell_places()

    def _tell_places(self) -> None:
        self._metrics.waiting.set(len(self._queue))
        for ahead, (_, tell) in enumerate(self._queue):
            tell(Waiting(ahead))

    def _left(self) -> None:
        self._taken -= 1
        self._metrics.places.set(self._taken)
