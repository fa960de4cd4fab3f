"""Batches of one fixed size, aligned to the start of a stream, however its rows arrive.

A matrix product's last bits may depend on how many rows it has. So that a sound's numbers do not depend on how
it was cut on its way, networks and classifier see batches from here and nothing else.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


class Batches:
    """Rows in, batches of `size` rows out, and the rest at the end."""

    def __init__(self, size: int, row_shape: tuple[int, ...]) -> None:
        self._held = np.empty((size, *row_shape), dtype=np.float32)
        self._count = 0

    def push(self, rows: Array) -> Iterator[Array]:
        """Take rows (rows, *row_shape) float32 and yield every batch that they complete.

        A batch may be used until the next one is asked for: its memory is used again.
        """
        taken = 0
        while taken < len(rows):
            part = rows[taken : taken + len(self._held) - self._count]
            self._held[self._count : self._count + len(part)] = part
            self._count += len(part)
            taken += len(part)
            if self._count == len(self._held):
                self._count = 0
                yield self._held

    def rest(self) -> Iterator[Array]:
        """Yield the last, smaller batch, if there is one; then the stream begins anew."""
        count, self._count = self._count, 0
        if count:
            yield self._held[:count]
