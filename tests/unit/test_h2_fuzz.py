"""Whatever a server sends: everybody hears how it ended, once, and nothing is left."""

from __future__ import annotations

from hyperframe.frame import PingFrame, SettingsFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionLost

from tests.unit.h2_wire import H2Wire, ok
from tests.unit.test_h2_connection import going, reset
from tests.unit.wire import Asked

_BODY = bytes(range(256)) * 100


def conversation(wire: H2Wire) -> bytes:
    """Return what a server says to three requests, in the order of a busy one."""
    h2, said = wire.server.h2, [wire.server.say()]
    h2.send_headers(1, [(":status", "103"), ("link", "</style.css>")])
    h2.send_headers(1, ok(len(_BODY), ("etag", '"one"')))
    h2.send_data(1, _BODY[:10000])
    h2.send_headers(3, [(":status", "404"), ("content-length", "5")])
    said += [h2.data_to_send(), SettingsFrame(0).serialize(), PingFrame(0, opaque_data=b"12345678").serialize()]
    h2.send_data(3, b"hello", end_stream=True)
    h2.send_data(1, _BODY[10000:])
    h2.send_headers(1, [("digest", "x")], end_stream=True)
    h2.send_headers(5, ok(0), end_stream=True)
    return b"".join([*said, h2.data_to_send(), reset(3, 0), going(5)])


def heard(data: bytes, cuts: list[int], paused: bool) -> tuple[H2Wire, list[Asked]]:
    """Let a client hear *data* in pieces, then lose the connection."""
    wire = H2Wire()
    asked = [wire.ask() for _ in range(3)]
    wire.clock.advance(0)
    for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        if not wire.aborted and not wire.closed:
            wire.connection.dataReceived(data[start:end])
        if paused:
            for each in asked:
                if each.response is not None and not each.body.ends:
                    each.body.producer.pauseProducing()
        wire.clock.advance(0)
    wire.lose(ConnectionLost())
    for each in asked:
        if each.response is not None and not each.body.ends:
            each.body.producer.resumeProducing()
    wire.clock.advance(0)
    return wire, asked


def said() -> bytes:
    """Return an undamaged conversation."""
    wire = H2Wire()
    for _ in range(3):
        wire.ask()
    wire.turn()
    return conversation(wire)


_SAID = said()


@settings(max_examples=100, deadline=None)
@given(cuts=st.lists(st.integers(0, len(_SAID)), max_size=30).map(sorted), paused=st.booleans())
def test_any_pieces(cuts: list[int], paused: bool) -> None:
    """In whatever pieces a conversation comes, and whoever pauses, it comes to the same."""
    wire, asked = heard(_SAID, cuts, paused)
    assert [(200, _BODY, "ResponseDone"), (404, b"hello", "ResponseDone"), (200, b"", "ResponseDone")] == [
        each.outcome for each in asked
    ]
    assert 0 == wire.connection.held


_damage = st.tuples(
    st.integers(0, len(_SAID) - 1), st.sampled_from(["set", "drop", "add", "swap"]), st.binary(max_size=9)
)


@settings(max_examples=400, deadline=None)
@given(
    damages=st.lists(_damage, min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, len(_SAID)), max_size=5).map(sorted),
    paused=st.booleans(),
)
def test_damaged(damages: list[tuple[int, str, bytes]], cuts: list[int], paused: bool) -> None:
    """Damaged anywhere, nothing is left open, and what came whole is not made up."""
    data = bytearray(_SAID)
    for place, how, what in damages:
        if how == "set":
            data[place : place + len(what)] = what
        elif how == "drop":
            del data[place : place + len(what)]
        elif how == "add":
            data[place:place] = what
        else:
            data[place : place + 40] = bytes(reversed(data[place : place + 40]))
    wire, asked = heard(bytes(data), [min(cut, len(data)) for cut in cuts], paused)
    for each in asked:
        assert each.fired == 1
        assert each.failure is not None or 1 == len(each.body.ends)
    assert 0 == wire.connection.held
    assert 0 == wire.connection.busy
    assert [wire.connection] == wire.lost
