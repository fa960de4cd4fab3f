"""Reading ahead: a stream made in a thread of its own while its reader works on what it has."""

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")

ITEMS_AHEAD = 4
"""Items that wait at most; of a sound's blocks, eight seconds. More help nobody, as both sides work steadily."""


def read_ahead(items: Iterable[Item]) -> Generator[Item]:
    """The same items in the same order, made in another thread, a few ahead.

    What making one raises is raised here, after the items before it. Closing the generator waits for the item that is
    being made and for no other; then nothing touches `items` any more. None may not be among them.
    """
    iterator = iter(items)
    with ThreadPoolExecutor(1, "earmark-reads-ahead") as maker:
        waiting: deque[Future[Item | None]] = deque()
        try:
            for _ in range(ITEMS_AHEAD):
                waiting.append(maker.submit(next, iterator, None))
            while (item := waiting.popleft().result()) is not None:
                waiting.append(maker.submit(next, iterator, None))
                yield item
        finally:
            maker.shutdown(cancel_futures=True)
