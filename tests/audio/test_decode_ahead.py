import threading

import pytest

from earmark.audio.decode import ITEMS_AHEAD, read_ahead
from earmark.errors import DecodeError


class Source:
    """Numbers, and which threads asked for them."""

    def __init__(self, count, error=None):
        self.made = 0
        self.threads = set()
        self._count, self._error = count, error

    def __iter__(self):
        return self

    def __next__(self):
        self.threads.add(threading.current_thread())
        if self.made == self._count:
            if self._error is not None:
                raise self._error
            raise StopIteration
        self.made += 1
        return self.made


@pytest.mark.parametrize("count", [0, 1, ITEMS_AHEAD, 100])
def test_the_same_items_from_one_other_thread(count):
    source = Source(count)
    assert list(read_ahead(source)) == list(range(1, count + 1))
    assert len(source.threads) == 1
    assert threading.current_thread() not in source.threads


def test_only_a_few_are_ahead():
    source = Source(1000)
    items = read_ahead(source)
    for number in range(1, 20):
        assert next(items) == number
        assert source.made <= number + ITEMS_AHEAD
    items.close()


def test_an_error_comes_after_what_was_before_it():
    items = read_ahead(Source(10, DecodeError("a", "broken")))
    assert [next(items) for _ in range(10)] == list(range(1, 11))
    with pytest.raises(DecodeError, match="broken"):
        next(items)


def test_closing_stops_the_thread():
    source = Source(1000)
    items = read_ahead(source)
    next(items)
    items.close()
    made = source.made
    assert made <= 1 + ITEMS_AHEAD
    assert not any(thread.is_alive() for thread in source.threads)
    assert source.made == made


def test_the_thread_ends_where_the_reader_fails():
    source = Source(1000)

    def read():
        for _ in read_ahead(source):
            raise KeyError

    with pytest.raises(KeyError):
        read()
    items = read_ahead(source)
    assert next(items) > 1
    items.close()
    assert not any(thread.is_alive() for thread in source.threads)
