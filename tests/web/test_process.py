"""A listener that hangs, crashes or wants all memory fails its own order, and another is there for the next."""

import asyncio
import dataclasses
import os
import pickle
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from web.served import PATIENCE_SECONDS

from earmark.tagging.tagger import Tagger
from earmark.web.order import Done, Failed, Message, Order, Progress, Setup, line_of, message_from_line
from earmark.web.problem import ProblemError
from earmark.web.process import ListenerProcess
from earmark.web.sound_problems import no_sound
from earmark.workers import process

pytestmark = pytest.mark.skipif(os.name != "posix", reason="stops and kills processes with signals")


@pytest.fixture
def order(tmp_path: Path, song_file: Path) -> Order:
    """To tag a song."""
    return Order(str(song_file), str(tmp_path / "answer.json"), "song", "tag", 60.0, PATIENCE_SECONDS)


def run(listener: ListenerProcess, work: Coroutine[Any, Any, None]) -> None:
    """Do something with a listener, and end it."""

    async def done() -> None:
        try:
            await work
        finally:
            await listener.end()

    asyncio.run(done())


def listener_of(tagger: Tagger, memory_megabytes: int = 2_048) -> ListenerProcess:
    return ListenerProcess(pickle.dumps(Setup(tagger.bundle, memory_megabytes)))


async def refused(listener: ListenerProcess, order: Order) -> str:
    with pytest.raises(ProblemError) as caught:
        await listener.work(order, ignore)
    return f"{caught.value.problem.kind}: {caught.value.problem.detail}"


def ignore(progress: Progress) -> None:
    del progress


def number_of(listener: ListenerProcess) -> int:
    assert listener.process_id is not None
    return listener.process_id


def test_one_process_does_many_orders(tagger: Tagger, order: Order) -> None:
    listener = listener_of(tagger)
    told: list[Progress] = []

    async def work() -> None:
        assert await listener.work(order, told.append) == pytest.approx(12.0, abs=0.01)
        first = listener.process_id
        await listener.work(dataclasses.replace(order, want="embed"), ignore)
        assert (listener.process_id, listener.starts) == (first, 1)

    run(listener, work())
    assert Path(order.answer).read_text().startswith('{"embedding"')
    assert told[0] == Progress(0.0, pytest.approx(12.0, abs=0.01), 0.0)


def test_one_that_was_killed_between_two_orders_costs_neither(tagger: Tagger, order: Order) -> None:
    listener = listener_of(tagger)

    async def work() -> None:
        await listener.work(order, ignore)
        os.kill(number_of(listener), signal.SIGKILL)
        await listener.work(order, ignore)
        assert listener.starts == 2

    run(listener, work())


def test_one_that_is_killed_at_an_order_fails_that_alone(tagger: Tagger, order: Order) -> None:
    listener = listener_of(tagger)

    async def work() -> None:
        pipe = Path(order.answer).with_name("pipe")
        os.mkfifo(pipe)
        task = asyncio.create_task(listener.work(dataclasses.replace(order, path=str(pipe)), ignore))
        with await asyncio.to_thread(pipe.open, "wb"):  # once it is open, the listener reads it
            os.kill(number_of(listener), signal.SIGKILL)
            with pytest.raises(ProblemError, match="SIGKILL") as caught:
                await task
        assert caught.value.problem.kind == "listener-ended"
        await listener.work(order, ignore)

    run(listener, work())


def test_one_that_hangs_is_given_up(tagger: Tagger, order: Order) -> None:
    listener = listener_of(tagger)

    async def work() -> None:
        await listener.start()
        first = number_of(listener)
        os.kill(first, signal.SIGSTOP)
        said = await refused(listener, dataclasses.replace(order, seconds=0.5))
        assert said.startswith("out-of-time")
        await listener.work(order, ignore)
        assert listener.process_id != first

    run(listener, work())


def test_who_cancels_ends_the_process(tagger: Tagger, order: Order) -> None:
    listener = listener_of(tagger)

    async def work() -> None:
        await listener.start()
        first = number_of(listener)
        os.kill(first, signal.SIGSTOP)
        task = asyncio.create_task(listener.work(order, ignore))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await listener.work(order, ignore)
        assert listener.process_id != first

    run(listener, work())


def test_one_that_wants_too_much_memory_says_so(tagger: Tagger, order: Order) -> None:
    listener = listener_of(tagger, memory_megabytes=1)

    async def work() -> None:
        said = await refused(listener, order)
        # A library that does not tell of it in Python's way ends the process: clear as well.
        assert said.startswith(("out-of-memory: ", "listener-ended: "))

    run(listener, work())


def test_one_that_cannot_start_says_so(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = ListenerProcess(b"no setup")
    monkeypatch.setattr(process, "START_PAUSES_SECONDS", (0.0,) * 10)

    async def work() -> None:
        assert (await refused(listener, order)).startswith("no-listener: ")

    run(listener, work())


def test_a_sound_longer_than_its_header_says_ends_where_listening_ends(tagger: Tagger, order: Order) -> None:
    listener = listener_of(tagger)

    async def work() -> None:
        said = await refused(listener, dataclasses.replace(order, max_minutes=0.1))
        assert said.startswith("too-long: ")
        lying = bytearray(Path(order.path).read_bytes())
        lying[21] &= 0xF0
        lying[22:26] = (0).to_bytes(4, "big")  # FLAC: a length of 0 is one that is not known
        Path(order.answer).with_name("lying.flac").write_bytes(lying)
        untold = dataclasses.replace(order, path=str(Path(order.answer).with_name("lying.flac")), max_minutes=0.1)
        assert (await refused(listener, untold)).startswith("too-long: ")
        assert (await refused(listener, dataclasses.replace(untold, want="flac"))).startswith("too-long: ")

    run(listener, work())


@pytest.mark.parametrize("message", [Done(1.5), Failed(no_sound("It is none.")), Progress(1.0, None, None)])
def test_messages_come_back_as_they_went(message: Message) -> None:
    assert message_from_line(line_of(message)) == message


@pytest.mark.parametrize("line", [b"", b"\n", b"{}", b"[]", b'{"kind": "done"}', b"\x80\x04N.", b'{"kind": "other"}'])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError):
        message_from_line(line)
