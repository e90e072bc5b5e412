"""A channel: bounded, in order, and nobody waits in it for nothing."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred

from twisted_pulp.stages import Channel

start = Deferred.fromCoroutine


async def read(channel: Channel, taken: list[object], count: int | None = None) -> None:
    """Take *count* items, or all."""
    async for item in channel.items():
        taken.append(item)
        if len(taken) == count:
            break


def full(capacity: int) -> Channel:
    """Return a channel that has the numbers below *capacity*, and no room."""
    channel = Channel(capacity)
    assert all(channel.offer(number) for number in range(capacity))
    return channel


@pytest.mark.parametrize("capacity", [0, -1])
def test_capacity(capacity: int) -> None:
    """A channel that can hold nothing is a mistake."""
    with pytest.raises(ValueError, match="items"):
        Channel(capacity)


def test_room() -> None:
    """A put is done at once while there is room; then it waits, until half of the room is free again."""
    channel, taken = full(4), []  # type: ignore[var-annotated]
    waiting = start(channel.put(4))
    start(read(channel, taken, 1))
    assert (3, False) == (len(channel), waiting.called)
    start(read(channel, taken, 2))
    assert (3, True) == (len(channel), waiting.called)


def test_offer() -> None:
    """What finds no room is not put; neither is what would overtake those who wait."""
    channel, taken = full(2), []  # type: ignore[var-annotated]
    assert not channel.offer(2)
    waiting = start(channel.put(2))
    assert not channel.offer(3)
    start(read(channel, taken, 3))
    assert ([0, 1, 2], True) == (taken, waiting.called)


def test_nothing() -> None:
    """None is no item, alone or among others, of which then none is put."""
    channel = Channel()
    with pytest.raises(ValueError, match="None"):
        channel.offer(None)
    for put in (channel.put(None), channel.put_all([1, None])):
        failure: list[Any] = []
        start(put).addErrback(failure.append)
        assert failure[0].check(ValueError)
    assert 0 == len(channel)


def test_order_of_many() -> None:
    """Items come in the order in which they were put, whoever waited with them."""
    channel, taken = Channel(3), []  # type: ignore[var-annotated]
    waiting = [start(channel.put(number)) for number in range(10)]
    waiting.append(start(channel.put_all(range(10, 20))))
    start(read(channel, taken, 20))
    assert (list(range(20)), True) == (taken, all(each.called for each in waiting))


def test_next() -> None:
    """The first item can be taken without waiting, which makes room as any taking does."""
    channel = Channel(2)
    waiting = [Deferred.fromCoroutine(channel.put(number)) for number in range(3)]
    assert [True, True, False] == [each.called for each in waiting]
    assert (0, True, 2) == (channel.next(), waiting[2].called, len(channel))
    assert [1, 2] == [channel.next(), channel.next()]


def test_put_all() -> None:
    """Many items are put as far as there is room, and the rest later."""
    channel, taken = Channel(3), []  # type: ignore[var-annotated]
    waiting = start(channel.put_all(list(range(8))))
    assert (3, False) == (len(channel), waiting.called)
    start(read(channel, taken, 8))
    assert (list(range(8)), True) == (taken, waiting.called)


def test_put_all_tells_all() -> None:
    """As many readers go on as items came together."""
    channel, taken = Channel(), []  # type: ignore[var-annotated]

    async def one() -> None:
        async for item in channel.items():
            taken.append(item)
            break

    readers = [start(one()) for _ in range(3)]
    start(channel.put_all("ab"))
    assert (["a", "b"], [True, True, False]) == (taken, [each.called for each in readers])
    start(channel.put("c"))
    assert readers[2].called


def test_leaving_while_waiting_to_put() -> None:
    """Who is cancelled has put nothing, and keeps its place from nobody."""
    channel, taken = full(2), []  # type: ignore[var-annotated]
    first, second, third = (start(channel.put(number)) for number in (2, 3, 4))
    second.addErrback(lambda failure: failure.trap(CancelledError))
    second.cancel()
    start(read(channel, taken, 4))
    assert ([0, 1, 2, 4], True, True) == (taken, first.called, third.called)


def test_leaving_while_waiting_to_read() -> None:
    """A reader that is cancelled takes no item with it."""
    channel = Channel()
    first, second = [], []  # type: ignore[var-annotated]
    left = start(read(channel, first))
    left.addErrback(lambda failure: failure.trap(CancelledError))
    start(read(channel, second, 1))
    left.cancel()
    start(channel.put("a"))
    assert ([], ["a"]) == (first, second)


def test_close() -> None:
    """What is in a closed channel, or waits for room in it, is still taken; then its readers are done."""
    channel, taken = full(2), []  # type: ignore[var-annotated]
    waiting = start(channel.put(2))
    channel.close()
    channel.close()
    done = start(read(channel, taken))
    assert ([0, 1, 2], True, True) == (taken, done.called, waiting.called)


def test_close_while_read() -> None:
    """Readers that wait are done when the channel is closed."""
    channel = Channel()
    readers = [start(read(channel, [])) for _ in range(2)]
    channel.close()
    assert [True, True] == [reader.called for reader in readers]


@pytest.mark.parametrize(
    ("end", "reason"), [(Channel.close, "closed"), (lambda channel: channel.desert("gone home"), "gone home")]
)
def test_refusal(end: Callable[[Channel], None], reason: str) -> None:
    """Nothing can be put where nobody will take it, and the error says why."""
    channel = Channel()
    end(channel)
    with pytest.raises(RuntimeError, match=reason):
        channel.offer(1)
    failed: list[Any] = []
    start(channel.put_all([1])).addErrback(failed.append)
    assert failed[0].check(RuntimeError)


def test_abort() -> None:
    """After an abort all fail with a CancelledError, those who waited too; what nobody takes comes back in order."""
    channel = full(2)
    empty = Channel()
    failed: list[Any] = []
    start(channel.put(2)).addErrback(failed.append)
    start(read(empty, [])).addErrback(failed.append)
    channel.abort()
    empty.abort()
    assert not failed
    start(read(channel, [])).addErrback(failed.append)
    start(channel.put(3)).addErrback(failed.append)
    assert 2 == len(failed)
    assert ([0, 1, 2], []) == (channel.end(), empty.end())
    assert [CancelledError] * 4 == [failure.type for failure in failed]


def test_depth() -> None:
    """Thousands who wait for each other do not make the stack grow."""
    channel = Channel(1)
    taken: list[object] = []

    async def one() -> None:
        async for item in channel.items():
            taken.append(item)
            break

    putters = [start(channel.put(number)) for number in range(3000)]
    readers = [start(one()) for _ in range(3000)]
    assert all(each.called for each in putters + readers)
    assert list(range(3000)) == taken


def test_coming_back() -> None:
    """Who gets room may call back another reader, while the channel is still being filled; none is forgotten."""
    channel, taken, called = full(1), [], Deferred()  # type: ignore[var-annotated]

    async def put_and_call() -> None:
        await channel.put(1)
        called.callback(None)

    async def read_when_called() -> None:
        await called
        await read(channel, taken)

    waiting = [start(put_and_call()), start(channel.put(2)), start(channel.put(3))]
    second = start(read_when_called())
    start(read(channel, [], 1))
    channel.close()
    assert ([1, 2, 3], True) == (taken, second.called)
    assert all(each.called for each in waiting)


def test_depth_of_coming_back() -> None:
    """The stack does not grow either with those who call back a reader when they get room."""
    channel, taken, called = full(1), [], [Deferred() for _ in range(1000)]  # type: ignore[var-annotated]

    async def put_and_call(number: int) -> None:
        await channel.put(number)
        called[number].callback(None)

    async def read_when_called(number: int) -> None:
        await called[number]
        async for item in channel.items():
            taken.append(item)
            break

    waiting = [start(work(number)) for work in (put_and_call, read_when_called) for number in range(1000)]
    start(read(channel, [], 1))
    assert all(each.called for each in waiting)
    assert list(range(1000)) == taken


def test_few_changes() -> None:
    """Two who never wait for anything else change places a few times, not at each item."""
    channel, waits = Channel(500), []  # type: ignore[var-annotated]

    async def put() -> None:
        for number in range(10_000):
            if not channel.offer(number):
                waits.append(number)
                await channel.put(number)
        channel.close()

    taken: list[object] = []
    start(put())
    start(read(channel, taken))
    assert list(range(10_000)) == taken
    assert len(waits) <= 41


def test_repr() -> None:
    """A channel says how full it is."""
    channel = full(2)
    waiting = start(channel.put(2))
    channel.close()
    assert "<Channel 2 of 2, 1 waiting to put, closed>" == repr(channel)
    start(read(channel, []))
    assert waiting.called


@settings(max_examples=200)
@given(st.integers(1, 5), st.lists(st.sampled_from(["put", "put_all", "take", "leave", "stop"]), max_size=60))
def test_any_order(capacity: int, steps: list[str]) -> None:
    """Whatever happens when: never more than the capacity, in order, nothing twice, and only what left is missing."""
    channel, taken, left = Channel(capacity), [], set()  # type: ignore[var-annotated]
    putting: list[tuple[int, Deferred[None]]] = []
    reading: list[Deferred[None]] = []
    groups: list[range] = []
    number = 0

    async def one() -> None:
        async for item in channel.items():
            taken.append(item)
            break

    def begun(work: Coroutine[Deferred[Any], Any, None]) -> Deferred[None]:
        d = start(work)
        d.addErrback(lambda failure: failure.trap(CancelledError) and None)
        return d

    for step in steps:
        if step == "put":
            putting.append((number, begun(channel.put(number))))
            number += 1
        elif step == "put_all":
            groups.append(range(number, number + 3))
            begun(channel.put_all(groups[-1]))
            number += 3
        elif step == "take":
            reading.append(begun(one()))
        elif step == "leave" and (waiting := [each for each in putting if not each[1].called]):
            left.add(waiting[-1][0])
            waiting[-1][1].cancel()
        elif step == "stop" and (readers := [each for each in reading if not each.called]):
            readers[0].cancel()
        assert len(channel) <= capacity
        assert not (len(channel) and any(not each.called for each in reading))
    rest = begun(read(channel, taken))
    channel.close()
    assert rest.called
    assert [each for each in range(number) if each not in left] == sorted(taken)
    singles = {each for each, _ in putting}
    assert [each for each in taken if each in singles] == sorted(singles - left)
    for group in groups:
        assert list(group) == [each for each in taken if each in group]
