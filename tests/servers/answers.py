"""Ready-made answers for a scripted server."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import overload

from tests.servers.steps import Answer, Close, Headers, Request, Reset, Send, SendSlowly, Step, Steps

_RANGE = re.compile(rb"bytes=(\d*)-(\d*)")
_PHRASES = {known.value: known.phrase.encode() for known in HTTPStatus}


def head(code: int, headers: Headers = (), reason: bytes | None = None) -> bytes:
    """Write a status line and headers, with the empty line after them."""
    if reason is None:
        reason = _PHRASES.get(code, b"Unknown")
    lines = [b"HTTP/1.1 %d %s" % (code, reason), *(b"%s: %s" % header for header in headers)]
    return b"\r\n".join([*lines, b"", b""])


def status(code: int, headers: Headers = (), body: bytes = b"", reason: bytes | None = None) -> Steps:
    """Answer with *code*, *headers* and *body*, with a Content-Length where the code may have one."""
    if code >= 200 and code not in (204, 304):
        headers = [*headers, (b"Content-Length", b"%d" % len(body))]
    return (Send(head(code, headers, reason)), Send(body))


def ok(body: bytes, headers: Headers = (), length: bool = True) -> Steps:
    """Answer 200 with *body*; with ``length=False`` the end of the connection is the end of the body."""
    if length:
        return status(200, headers, body)
    return (Send(head(200, headers)), Send(body), Close())


def chunked(
    body: bytes,
    pieces: int = 1,
    trailers: Headers = (),
    extensions: bytes = b"",
    end: bool = True,
    headers: Headers = (),
) -> Steps:
    """
    Answer 200 with *body* in *pieces* chunks of about the same size.

    :param trailers: fields after the last chunk.
    :param extensions: put after each chunk's size, such as ``b";name=value"``.
    :param end: False leaves out the last chunk and the trailers, and leaves the connection open.
    """
    size = max(1, -(-len(body) // pieces))
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    sent: list[Step] = [Send(head(200, [*headers, (b"Transfer-Encoding", b"chunked")]))]
    sent += [Send(b"%x%s\r\n%s\r\n" % (len(chunk), extensions, chunk)) for chunk in chunks]
    if end:
        sent.append(Send(b"0\r\n%s\r\n" % b"".join(b"%s: %s\r\n" % trailer for trailer in trailers)))
    return sent


class Ranged:
    """
    A correct answer for GET and HEAD with one range, If-Range and preconditions.

    :ivar body: may be changed while the server runs, like its validators.
    :ivar delay: seconds between pieces of 16 KiB, 0 for none.
    """

    def __init__(
        self,
        body: bytes,
        etag: bytes | None = b'"v1"',
        last_modified: bytes | None = None,
        headers: Headers = (),
        delay: float = 0,
    ) -> None:
        self.body = body
        self.etag = etag
        self.last_modified = last_modified
        self.headers = headers
        self.delay = delay

    def __call__(self, request: Request) -> Steps:
        headers = [*self.headers, (b"Accept-Ranges", b"bytes"), *self._validators()]
        if self._unchanged(request):
            return status(304, headers)
        wanted = self._range(request)
        if wanted is None:
            return self._send(request, 200, headers, self.body)
        start, stop = wanted
        if start >= len(self.body) or start >= stop:
            return status(416, [*headers, (b"Content-Range", b"bytes */%d" % len(self.body))])
        headers.append((b"Content-Range", b"bytes %d-%d/%d" % (start, stop - 1, len(self.body))))
        return self._send(request, 206, headers, self.body[start:stop])

    def _send(self, request: Request, code: int, headers: Headers, body: bytes) -> Steps:
        first = Send(head(code, [*headers, (b"Content-Length", b"%d" % len(body))]))
        if request.method == b"HEAD":
            return (first,)
        return (first, SendSlowly(body, 2**14, self.delay) if self.delay else Send(body))

    def _validators(self) -> list[tuple[bytes, bytes]]:
        both = [(b"ETag", self.etag), (b"Last-Modified", self.last_modified)]
        return [(name, value) for name, value in both if value is not None]

    def _unchanged(self, request: Request) -> bool:
        tags = request.header(b"If-None-Match")
        if tags is not None:
            ours = (self.etag or b"").removeprefix(b"W/")
            return tags == b"*" or ours in [tag.strip().removeprefix(b"W/") for tag in tags.split(b",")]
        since = request.header(b"If-Modified-Since")
        return since is not None and since == self.last_modified

    def _range(self, request: Request) -> tuple[int, int] | None:
        """Give the start and stop asked for, None for the whole: other units and lists of ranges are not served."""
        match = _RANGE.fullmatch(request.header(b"Range") or b"")
        if match is None or request.method != b"GET" or not self._same(request.header(b"If-Range")):
            return None
        first, last = match.groups()
        if not first and not last:
            return None
        size = len(self.body)
        if not first:
            return (max(0, size - int(last)), size) if int(last) else (size, size)
        if last and int(last) < int(first):
            return None
        return int(first), min(int(last) + 1, size) if last else size

    def _same(self, validator: bytes | None) -> bool:
        """Tell whether If-Range allows a part: a strong ETag or the very date."""
        if validator is None:
            return True
        strong = self.etag if self.etag is not None and not self.etag.startswith(b"W/") else None
        return validator in [known for known in (strong, self.last_modified) if known is not None]


#: ``ranged(body, etag=..., last_modified=...)`` reads best in a script.
ranged = Ranged


@overload
def cut(answer: Steps, n: int, how: Step = ...) -> Steps: ...


@overload
def cut(answer: Answer, n: int, how: Step = ...) -> Answer: ...


def cut(answer: Answer, n: int, how: Step = Reset()) -> Answer:  # noqa: B008 -- it is frozen
    """
    Give *answer* with only the first *n* bytes after its head, then *how* it ends: `Reset` or `Close`.

    Framing counts as body bytes; steps that are no `Send` before the cut stay, those after it go.
    """
    if callable(answer):
        choose = answer
        return lambda request: _cut(choose(request), n, how)
    return _cut(answer, n, how)


def _cut(steps: Sequence[Step], n: int, how: Step) -> Steps:
    kept: list[Step] = []
    seen = b""  # up to the end of the head
    left: int | None = None
    for step in steps:
        if isinstance(step, Close | Reset):
            break  # shorter than the cut: *how* is the end
        if not isinstance(step, Send | SendSlowly):
            kept.append(step)
            continue
        data = step.data
        if left is None:
            seen += data
            end = seen.find(b"\r\n\r\n")
            if end < 0:
                kept.append(step)
                continue
            over = len(seen) - end - 4  # bytes of the body in this step
            left = n
            keep = len(data) - over + min(over, left)
            left -= min(over, left)
        else:
            keep = min(len(data), left)
            left -= keep
        kept.append(_shortened(step, keep))
        if left == 0:
            break
    return (*kept, how)


def _shortened(step: Send | SendSlowly, size: int) -> Step:
    if isinstance(step, Send):
        return Send(step.data[:size])
    return SendSlowly(step.data[:size], step.chunk, step.delay)
