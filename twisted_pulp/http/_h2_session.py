"""
What is said on one HTTP/2 connection, on the h2 library, without the connection.

Frames are given to h2 one by one, so that it is known which stream a bad one belongs to: the other streams can be asked
for again. GOAWAY is read here, since h2 would hear nothing more after it, though the streams that are under way go on.

Memory: a stream whose consumer is paused may send its window, and no more. What the connection as a whole may send is
given back as it comes, so that a paused stream holds up no other, until `LOAN` bytes wait for consumers; then it is
given back as they are taken.
"""

from __future__ import annotations

from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.settings import SettingCodes, Settings
from twisted.python.failure import Failure
from twisted.web._newclient import ParseError

from twisted_pulp import errors
from twisted_pulp.http._h2_fields import BLOCK, LINES
from twisted_pulp.http._h2_frames import GOAWAY, RESET, Frames
from twisted_pulp.http._h2_stream import Stream

__all__ = ["CONNECTION_WINDOW", "LOAN", "MANY", "STREAM_WINDOW", "Session"]

#: Bytes that a server may send on one stream, and on all of them, before the first are taken.
STREAM_WINDOW, CONNECTION_WINDOW = 1 << 20, 8 << 20
#: Bytes that may wait for paused consumers before they count against the window of the connection.
LOAN = 8 << 20
#: Streams at once, whatever more the server allows, and before it says what it allows (RFC 9113 section 6.5.2).
MANY = 100
_INITIAL = (1 << 16) - 1
_NUMBER = (1 << 31) - 1


def _ours(_: object) -> None:
    """Stand for h2's check of Content-Length, after which the whole connection would be at an end."""


class Session:
    """
    The streams of a connection, and what is heard and said of them.

    :ivar streams: those that are under way, by their number.
    :ivar touched: those of which something was heard, until who acts on it takes them.
    :ivar going: whether the server takes no more requests here.
    :ivar answers: responses that came whole.
    """

    __slots__ = ("_frames", "_h2", "_owed", "answers", "going", "streams", "touched")

    def __init__(self) -> None:
        self.streams: dict[int, Stream] = {}
        self.touched: dict[Stream, None] = {}
        self.going, self.answers, self._owed = False, 0, 0
        self._frames = Frames()
        # Fields are checked by _h2_fields.py: what is wrong there is the end of a stream only.
        self._h2 = h2 = H2Connection(
            H2Configuration(
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
            )
        )
        wishes = {
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
            SettingCodes.MAX_HEADER_LIST_SIZE: BLOCK,
        }
        h2.local_settings = Settings(client=True, initial_values=wishes)
        h2.decoder.max_header_list_size = BLOCK + 32 * LINES  # as hpack counts; judged exactly when it is decoded
        h2.initiate_connection()
        h2.increment_flow_control_window(CONNECTION_WINDOW - _INITIAL)

    @property
    def most(self) -> int:
        """Streams that there may be at once."""
        return min(MANY, self._h2.remote_settings.max_concurrent_streams)

    def ask(self, fields: list[Any]) -> int:
        """Make a request without a body; return the number of its stream."""
        h2 = self._h2
        number = h2.get_next_available_stream_id()
        h2.send_headers(number, fields, end_stream=True)
        stream: Any = h2.streams[number]
        stream._initialize_content_length = _ours
        return number

    def reset(self, number: int, code: ErrorCodes) -> bool:
        """End a stream on our side, if it is under way; return whether it was."""
        if self.streams.pop(number, None) is None:
            return False
        if not self._h2.streams[number].closed:  # its last frame is the one at hand
            self._h2.reset_stream(number, code)
        return True

    def outgoing(self) -> bytes:
        """Return what is to be sent, once."""
        return self._h2.data_to_send()

    def credit(self, number: int, taken: int) -> int:
        """Let the server send *taken* bytes more on a stream, if it is worth it; return how many it may."""
        if taken < STREAM_WINDOW // 2 or number not in self.streams:
            return 0
        self._h2.increment_flow_control_window(taken, number)
        return taken

    def refill(self, held: int) -> None:
        """Let the server send as much as it has sent, but for what of the *held* bytes is too much."""
        give = self._owed - max(0, held - LOAN)
        if give >= CONNECTION_WINDOW // 4:
            self._owed -= give
            self._h2.increment_flow_control_window(give)

    # What comes

    def hear(self, data: bytes) -> None:
        """
        Note what the server sent in *data*.

        :raises Exception: what ends the connection: ParseError, h2's own, or what it did not think of.
        """
        frames, streams = self._frames, self.streams
        for kind, frame in frames.cut(data, streams):
            number = frames.number
            if kind == GOAWAY and not number:
                self._going_away(frame)
            elif kind == RESET:
                self._reset(number, frame)
            else:
                stream = streams.get(number)
                for event in self._h2.receive_data(frame):
                    if stream is not None:
                        self._happened(stream, event)

    @property
    def culprit(self) -> Stream | None:
        """The stream of the latest frame."""
        return self.streams.get(self._frames.number)

    def _happened(self, stream: Stream, event: Any) -> None:
        self.touched[stream] = None
        if isinstance(event, DataReceived):
            size = event.flow_controlled_length
            self._owed += size
            stream.data(event.data, size - len(event.data))
        elif isinstance(event, ResponseReceived):
            stream.headers(event.headers)
        elif isinstance(event, StreamEnded):
            self.streams.pop(stream.number, None)
            self.answers += 1
            stream.ended()
        elif isinstance(event, InformationalResponseReceived):
            stream.interim(event.headers)
        elif isinstance(event, TrailersReceived):
            stream.trailers(event.headers)
        elif isinstance(event, StreamReset):  # by h2, because the server sent what it may not
            del self.streams[stream.number]
            stream.error = Failure(ParseError(f"HTTP/2 was not kept to: {event.error_code!r}", b""))

    def _reset(self, number: int, frame: bytes) -> None:
        if number > self._h2.highest_outbound_stream_id or not number & 1 or len(frame) != 13:
            raise ParseError("a reset of what was never begun", b"")
        stream = self.streams.get(number)
        if stream is not None:  # h2 takes one for a stream that is over as the end of everything
            self._h2.receive_data(frame)
            self._refused(stream, int.from_bytes(frame[9:13], "big"))

    def _going_away(self, frame: bytes) -> None:
        if len(frame) < 17:
            raise ParseError("a GOAWAY that is none", frame)
        last = int.from_bytes(frame[9:13], "big") & _NUMBER
        code = int.from_bytes(frame[13:17], "big")
        self.going = True
        for number in [each for each in self.streams if each > last]:
            self._refused(self.streams[number], code, processed=False)

    def _refused(self, stream: Stream, code: int, processed: bool = True) -> None:
        del self.streams[stream.number]
        name = next((each.name for each in ErrorCodes if each == code), str(code))
        done = processed and code != ErrorCodes.REFUSED_STREAM
        stream.error = Failure(errors.StreamReset(code=name, processed=done))
        self.touched[stream] = None
