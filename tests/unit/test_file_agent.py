"""`FileAgent`: what a web server would answer, from inside the roots and nowhere else."""

from __future__ import annotations

import os
import resource
import socket
import sys
import threading
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred, execute
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import ResponseDone
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IClientRequest, IResponse
from zope.interface.verify import verifyObject

from twisted_pulp.errors import ConnectError, ConnectionLost, NotAuthorized, NotFound, Truncated
from twisted_pulp.http import ErrorAgent, StatusAgent, fields_of, translated
from twisted_pulp.schemes import FileAgent
from twisted_pulp.schemes._file_response import FileRequest, FileResponse

BLOCK = 256 << 10


class Body(Protocol):
    """What a consumer saw."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.ends: list[Failure] = []

    @property
    def producer(self) -> Any:
        return self.transport

    def dataReceived(self, data: bytes) -> None:
        self.pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ends.append(reason)

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def kinds(self) -> list[type]:
        """The ends, as this package's errors, or ResponseDone."""
        return [ResponseDone if end.check(ResponseDone) else type(translated(end, "file:///x")) for end in self.ends]


class Thread:
    """A thread that works when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Deferred[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def __call__(self, f: Callable[..., Any], *args: Any) -> Deferred[Any]:
        d: Deferred[Any] = Deferred()
        self.waiting.append((d, f, args))
        return d

    def work(self, times: int = 1) -> None:
        """Do what was asked for first, as a thread would."""
        for _ in range(times):
            d, f, args = self.waiting.pop(0)
            execute(f, *args).chainDeferred(d)

    def work_off(self) -> None:
        """Do everything."""
        while self.waiting:
            self.work()

    def fail(self, error: Exception) -> None:
        """Fail what was asked for first."""
        self.waiting.pop(0)[0].errback(Failure(error))


def url_of(path: Path | str, end: str = "") -> bytes:
    """Return the URL of *path*."""
    return b"file://" + quote(os.fspath(path) + end).encode()


def result_of(d: Deferred[Any]) -> Any:
    """Return what *d* has, or raise it."""
    results: list[Any] = []
    d.addBoth(results.append)
    assert results, "no result"
    if isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0]


def asked(
    roots: Path | str, uri: bytes, headers: dict[bytes, list[bytes]] | None = None, method: bytes = b"GET"
) -> tuple[int, bytes, Any]:
    """Ask for *uri*; return status, body and response."""
    agent = FileAgent([os.fspath(roots)], execute)
    response = result_of(agent.request(method, uri, None if headers is None else Headers(headers)))
    body = Body()
    response.deliverBody(body)
    assert [ResponseDone] == body.kinds
    return response.code, body.data, response


def refused(roots: Path | str, uri: bytes) -> tuple[int, bytes]:
    """Ask for *uri*, which has no body; return status and reason."""
    code, data, response = asked(roots, uri)
    assert (b"", 0) == (data, response.length)
    return code, response.phrase


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A small file in `tmp_path`."""
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    os.utime(path, ns=(0, 86_400_123_456_789))
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of four blocks and a bit."""
    path = tmp_path / "large"
    path.write_bytes(b"".join(bytes([number]) * BLOCK for number in range(4)) + b"end")
    return path


# Answers


def test_get(file: Path) -> None:
    """A file is answered as a web server would."""
    code, data, response = asked(file.parent, url_of(file))
    found = file.stat()
    etag = f'"{found.st_dev:x}-{found.st_ino:x}-a-{86_400_123_456_789:x}"'
    assert (200, b"0123456789", 10, b"OK") == (code, data, response.length, response.phrase)
    assert {
        "accept-ranges": "bytes",
        "content-length": "10",
        "etag": etag,
        "last-modified": "Fri, 02 Jan 1970 00:00:00 GMT",
    } == dict(fields_of(response))
    assert [b"10"] == response.headers.getRawHeaders(b"Content-Length")
    assert url_of(file) == response.request.absoluteURI


def test_interfaces(file: Path) -> None:
    """Agent, request, response and transport are what they say."""
    agent = FileAgent([os.fspath(file.parent)], execute)
    response: Any = result_of(agent.request(b"GET", url_of(file)))
    body = Body()
    response.deliverBody(body)
    earlier = result_of(agent.request(b"HEAD", url_of(file)))
    response.setPreviousResponse(earlier)
    assert earlier is response.previousResponse
    assert verifyObject(IAgent, agent)
    assert verifyObject(IResponse, response)
    assert verifyObject(IClientRequest, response.request)
    assert verifyObject(IPushProducer, body.transport)
    with pytest.raises(RuntimeError):
        response.deliverBody(body)


def test_head(file: Path) -> None:
    """HEAD has the same headers and no body."""
    code, data, response = asked(file.parent, url_of(file), method=b"HEAD")
    assert (200, b"", "10") == (code, data, response.fields["content-length"])


def test_other_methods(file: Path) -> None:
    """Files can only be read."""
    code, _, response = asked(file.parent, url_of(file), method=b"PUT")
    assert (405, b"only GET and HEAD", "GET, HEAD") == (code, response.phrase, response.fields["allow"])


def test_empty(tmp_path: Path) -> None:
    """An empty file is an empty body."""
    (tmp_path / "empty").touch()
    code, data, response = asked(tmp_path, url_of(tmp_path / "empty"))
    assert (200, b"", 0) == (code, data, response.length)


@pytest.mark.parametrize("seconds", [-5, 10**12])
def test_impossible_dates(file: Path, seconds: int) -> None:
    """A file from before or after all dates is served with the nearest one."""
    os.utime(file, (0, seconds))
    expected = formatdate(min(max(file.stat().st_mtime, 0), 253402300799), usegmt=True)
    assert expected == asked(file.parent, url_of(file))[2].fields["last-modified"]


@pytest.mark.parametrize("name", ["a b", "ä", "%41", "a?b", "a#b", "a;b", "a\\b", "...", ".hidden", "-", "\udcff\n"])
def test_names(tmp_path: Path, name: str) -> None:
    """Any name can be asked for, percent-encoded."""
    (tmp_path / name).write_bytes(b"data")
    assert b"data" == asked(tmp_path, b"file://" + quote(os.fsencode(tmp_path / name)).encode())[1]


@pytest.mark.parametrize("prefix", [b"file://", b"FILE://", b"file://localhost", b"file://LOCALHOST", b"file:////"])
def test_spellings(file: Path, prefix: bytes) -> None:
    """Scheme and host have any case, slashes may be doubled, and fragments are not for us."""
    assert 200 == asked(file.parent, prefix + os.fsencode(file) + b"#top")[0]


def test_index(tmp_path: Path) -> None:
    """A directory is its index.html, when the URL says that it is a directory."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "index.html").write_bytes(b"<html>")
    assert b"<html>" == asked(tmp_path, url_of(tmp_path / "sub", "/"))[1]
    assert (403, b"not a regular file") == refused(tmp_path, url_of(tmp_path / "sub"))
    assert (404, b"no such file") == refused(tmp_path, url_of(tmp_path, "/"))


@pytest.mark.parametrize(
    ("wanted", "code", "data", "content_range"),
    [
        (b"bytes=0-", 206, b"0123456789", "bytes 0-9/10"),
        (b"bytes=3-", 206, b"3456789", "bytes 3-9/10"),
        (b"bytes=3-5", 206, b"345", "bytes 3-5/10"),
        (b"bytes=9-9", 206, b"9", "bytes 9-9/10"),
        (b"bytes=9-999", 206, b"9", "bytes 9-9/10"),
        (b"bytes=10-", 416, b"", "bytes */10"),
        (b"bytes=10-20", 416, b"", "bytes */10"),
        (b"bytes=5-3", 200, b"0123456789", None),
        (b"bytes=-3", 200, b"0123456789", None),
        (b"bytes=0-1,3-4", 200, b"0123456789", None),
        (b"lines=0-1", 200, b"0123456789", None),
        (b"bytes=" + b"9" * 30 + b"-", 200, b"0123456789", None),
    ],
)
def test_range(file: Path, wanted: bytes, code: int, data: bytes, content_range: str | None) -> None:
    """One range is a part, one beyond the end is 416, and whatever else is asked for is everything."""
    status, body, response = asked(file.parent, url_of(file), {b"Range": [wanted]})
    assert (code, data, content_range) == (status, body, response.fields.get("content-range"))
    assert (len(data), str(len(data))) == (response.length, response.fields["content-length"])


def test_range_of_head(file: Path) -> None:
    """Range is for GET alone."""
    assert 200 == asked(file.parent, url_of(file), {b"Range": [b"bytes=3-"]}, b"HEAD")[0]


def test_large_range(large: Path) -> None:
    """A part of a large file may begin and end anywhere."""
    wanted = {b"Range": [b"bytes=%d-%d" % (BLOCK - 1, 3 * BLOCK)]}
    assert large.read_bytes()[BLOCK - 1 : 3 * BLOCK + 1] == asked(large.parent, url_of(large), wanted)[1]


def test_if_range(file: Path) -> None:
    """A part is only of the file that was begun: any change of it changes the ETag, and then all of it comes."""
    etag = asked(file.parent, url_of(file))[2].headers.getRawHeaders(b"ETag")
    wanted = {b"Range": [b"bytes=3-"], b"If-Range": etag}
    assert 206 == asked(file.parent, url_of(file), wanted)[0]
    for weak in (b"W/" + etag[0], b"Fri, 02 Jan 1970 00:00:00 GMT"):
        assert 200 == asked(file.parent, url_of(file), {**wanted, b"If-Range": [weak]})[0]
    os.utime(file, ns=(0, 86_400_123_456_790))
    assert 200 == asked(file.parent, url_of(file), wanted)[0]
    copy = file.with_name("copy")
    copy.write_bytes(b"0123456789")
    os.utime(copy, ns=(0, 86_400_123_456_789))
    copy.rename(file)
    assert 200 == asked(file.parent, url_of(file), wanted)[0]


def test_conditions(file: Path) -> None:
    """A file that has not changed is 304."""
    fields = asked(file.parent, url_of(file))[2].fields
    etag, modified = fields["etag"].encode(), fields["last-modified"].encode()
    for headers, code in [
        ({b"If-None-Match": [etag]}, 304),
        ({b"If-None-Match": [b'"x", W/' + etag]}, 304),
        ({b"If-None-Match": [b"*"]}, 304),
        ({b"If-None-Match": [b'"x"'], b"If-Modified-Since": [modified]}, 200),
        ({b"If-Modified-Since": [modified]}, 304),
        ({b"If-Modified-Since": [b"Fri, 02 Jan 1970 00:00:01 GMT"]}, 200),
    ]:
        status, data, response = asked(file.parent, url_of(file), headers)
        assert (code, b"" if code == 304 else b"0123456789") == (status, data)
        assert etag.decode() == response.fields["etag"]


# Inside


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        (b"file://example.com/etc/passwd", b"on another host"),
        (b"file://localhost:80/etc/passwd", b"on another host"),
        (b"file://user@localhost/etc/passwd", b"on another host"),
        (b"file:/etc/passwd", b"not a file URL"),
        (b"http://localhost/etc/passwd", b"not a file URL"),
        (b"", b"not a file URL"),
        (b"file:///etc/passwd", b"outside of the directories that file_roots allows"),
        (b"file:///", b"outside of the directories that file_roots allows"),
        (b"file://", b"outside of the directories that file_roots allows"),
    ],
)
def test_elsewhere(tmp_path: Path, uri: bytes, reason: bytes) -> None:
    """What is on another host or outside of the roots is refused."""
    assert (403, reason) == refused(tmp_path, uri)


def test_no_roots(file: Path) -> None:
    """Without roots nothing can be read."""
    assert 403 == result_of(FileAgent([], execute).request(b"GET", url_of(file))).code


def test_query(file: Path) -> None:
    """A question mark is refused: to leave a query out would be another file."""
    assert (403, b"a query, or a question mark that is not written %3F") == refused(file.parent, url_of(file) + b"?x")


@pytest.mark.parametrize(
    "part", [b"..", b"%2e%2e", b"%2E.", b".", b"%2e", b"a%2fb", b"..%2f..", b"%2f", b"a%00", b"%00", b"a\0b"]
)
def test_dots(file: Path, part: bytes) -> None:
    """No part of a path is a dot or two, or hides a separator or NUL, however it is written."""
    uri = url_of(file.parent) + b"/" + part + b"/file"
    assert (403, b"a path with '.', '..', or a part that hides a separator") == refused(file.parent, uri)


def test_prefix(tmp_path: Path) -> None:
    """A root is a directory, not the beginning of a name."""
    for name in ("foo", "foobar"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(name.encode())
    assert b"foo" == asked(tmp_path / "foo", url_of(tmp_path / "foo/file"))[1]
    assert 403 == refused(tmp_path / "foo", url_of(tmp_path / "foobar/file"))[0]


def test_links(file: Path) -> None:
    """No symbolic link below a root is followed, wherever it leads and whatever it is for."""
    root = file.parent / "root"
    root.mkdir()
    (root / "sub").mkdir()
    (root / "inside").write_bytes(b"inside")
    (root / "out").symlink_to(file)
    (root / "in").symlink_to("inside")
    (root / "dangling").symlink_to("nowhere")
    (root / "up").symlink_to("..")
    (root / "sub" / "here").symlink_to(".")
    for name in ("out", "in", "dangling", "up/file", "sub/here/x", "up"):
        assert (name, (403, b"behind a symbolic link")) == (name, refused(root, url_of(root / name)))


def test_linked_root(file: Path) -> None:
    """A root may be a link itself, and can be asked for by either name; it stays what it was when first used."""
    real, other, link = (file.parent / name for name in ("real", "other", "link"))
    for directory in (real, other):
        directory.mkdir()
        (directory / "file").write_bytes(directory.name.encode())
    link.symlink_to(real)
    agent = FileAgent([os.fspath(link)], execute)

    def data(path: Path) -> bytes:
        body = Body()
        result_of(agent.request(b"GET", url_of(path))).deliverBody(body)
        return body.data

    assert (b"real", b"real") == (data(link / "file"), data(real / "file"))
    link.unlink()
    link.symlink_to(other)
    assert (b"real", b"") == (data(link / "file"), data(other / "file"))


def test_roots(tmp_path: Path) -> None:
    """Of roots inside each other the innermost counts, and a root need not be there yet."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    agent = FileAgent([os.fspath(tmp_path / name) for name in ("", "link", "later")], execute)

    def code(name: str) -> int:
        return int(result_of(agent.request(b"HEAD", url_of(tmp_path / name))).code)

    assert [404, 404] == [code("link/file"), code("later/file")]
    (tmp_path / "later").mkdir()
    for name in ("real", "later"):
        (tmp_path / name / "file").touch()
    assert [200, 200] == [code("link/file"), code("later/file")]


def test_whole_disk(file: Path) -> None:
    """The root of everything is a root too."""
    assert 200 == asked("/", url_of(file.resolve()))[0]


def test_missing(file: Path) -> None:
    """What is not there is 404, and so is what cannot be there."""
    for name in ("nothing", "file/below", "no/such/file", "x" * 300, "x" * 300 + "/y"):
        assert (404, b"no such file") == refused(file.parent, url_of(file.parent / name))


def test_fifo(tmp_path: Path) -> None:
    """A FIFO is refused, and opening it waits for nobody."""
    os.mkfifo(tmp_path / "fifo")
    found: list[tuple[int, bytes]] = []
    thread = threading.Thread(target=lambda: found.append(refused(tmp_path, url_of(tmp_path / "fifo"))), daemon=True)
    thread.start()
    thread.join(60)
    assert [(403, b"not a regular file")] == found


def test_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is refused."""
    monkeypatch.chdir(tmp_path)  # its path may not be long
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        assert (403, b"not a regular file") == refused(tmp_path, url_of(tmp_path / "socket"))


@pytest.mark.parametrize("root", ["/dev", "/"])
@pytest.mark.parametrize("name", ["zero", "null", "tty"])
def test_devices(root: str, name: str) -> None:
    """A device is refused."""
    assert (403, b"not a regular file") == refused(root, b"file:///dev/" + name.encode())


@pytest.mark.skipif(not os.path.ismount("/proc"), reason="there is no /proc")
def test_proc() -> None:
    """What only looks like files is refused, also below a root."""
    pid = os.getpid()
    for root in ("/", "/proc", f"/proc/{pid}"):
        assert (403, b"not a file on a disk") == refused(root, b"file:///proc/%d/environ" % pid)
    assert (403, b"behind a symbolic link") == refused("/", b"file:///proc/self/environ")


def test_permission(file: Path) -> None:
    """What may not be read is 403."""
    user = os.geteuid()
    file.chmod(0)
    if user == 0:
        os.seteuid(65534)
    try:
        found = refused(file.parent, url_of(file))
    finally:
        os.seteuid(user)
    assert (403, b"permission denied") == found


def test_out_of_descriptors(file: Path) -> None:
    """What fails for want of descriptors may be tried again."""
    agent = FileAgent([os.fspath(file.parent)], execute)
    free = os.dup(0)
    os.close(free)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        d = agent.request(b"GET", url_of(file))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with pytest.raises(ConnectError, match="could not be opened: Too many open files") as caught:
        result_of(d)
    assert (True, url_of(file).decode()) == (caught.value.retryable, caught.value.url)


@pytest.mark.parametrize(
    ("become", "reason"),
    [
        (os.mkfifo, b"not a regular file"),
        (os.mkdir, b"not a regular file"),
        (lambda path: path.symlink_to("/etc/passwd"), b"behind a symbolic link"),
    ],
    ids=["fifo", "directory", "link"],
)
def test_swapped(file: Path, become: Callable[[Path], None], reason: bytes) -> None:
    """A file that becomes something else after it was looked at is refused all the same, and nothing waits."""
    opened: list[object] = []

    def watch(frame: object, event: str, function: object) -> None:
        if event == "c_call" and function is os.open:
            opened.append(frame)
            if len(opened) == 2:  # after the root
                file.unlink()
                become(file)

    sys.setprofile(watch)
    try:
        found = refused(file.parent, url_of(file))
    finally:
        sys.setprofile(None)
    assert (403, reason) == found


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with files that say so, among things that are not for anybody."""
    base = tmp_path_factory.mktemp("tree")
    root = base / "root"
    for directory in (root, root / "sub", base / "rootx", base / "r"):
        directory.mkdir()
        for name in ("a", "index.html"):
            (directory / name).write_bytes(b"inside" if root in (directory, directory.parent) else b"secret")
    (base / "a").write_bytes(b"secret")
    for link, target in {"l": "../a", "u": "..", "d": os.fspath(base), "sub/u": "../..", "sub/h": "."}.items():
        (root / link).symlink_to(target)
    os.mkfifo(root / "fifo")
    return base


SEGMENTS = ["", ".", "..", "%2e%2e", "%2E", "a", "sub", "root", "rootx", "r", "l", "u", "d", "h", "fifo", "index.html"]
SEGMENTS += [
    "..%2f",
    "%2fa",
    "%00",
    "a%00",
    "%5c..",
    "~",
    "*",
    "a;x",
    "a?x",
    "a#x",
    "%",
    "%zz",
    "\\..\\a",
    "%c0%ae%c0%ae",
]


@given(
    prefix=st.sampled_from(["", "/root", "/root/sub", "/rootx", "/r"]),
    host=st.sampled_from(["", "", "localhost", "x"]),
    segments=st.lists(st.one_of(st.sampled_from(SEGMENTS), st.text(max_size=5)), max_size=8),
    raw=st.binary(max_size=5),
)
def test_never_outside(tree: Path, prefix: str, host: str, segments: list[str], raw: bytes) -> None:
    """Whatever the URL is: the answer is a file below the root, or none, and nothing is raised."""
    path = f"file://{host}{tree}{prefix}/" + "/".join(segments)
    code, data, _ = asked(tree / "root", path.encode("utf-8", "surrogatepass") + raw)
    assert code in (200, 403, 404)
    assert (b"inside" if code == 200 else b"") == data


# The body


def begun(path: Path) -> tuple[Thread, Body, Any]:
    """Ask for the file at *path*, deliver its body, and have the thread do nothing more."""
    thread = Thread()
    d = FileAgent([os.fspath(path.parent)], thread).request(b"GET", url_of(path))
    thread.work()
    body = Body()
    response = result_of(d)
    response.deliverBody(body)
    return thread, body, response


def sizes(body: Body) -> list[int]:
    """Return the sizes of what *body* got."""
    return [len(piece) for piece in body.pieces]


def test_small(file: Path) -> None:
    """A small file takes one visit to the thread."""
    thread, body, _ = begun(file)
    assert (b"0123456789", [ResponseDone], []) == (body.data, body.kinds, thread.waiting)


def test_large(large: Path) -> None:
    """A large file comes in blocks, the next of which are read while the last one is delivered."""
    thread, body, _ = begun(large)
    assert ([], 1) == (sizes(body), len(thread.waiting))
    thread.work()
    assert ([BLOCK] * 2, 1) == (sizes(body), len(thread.waiting))
    thread.work_off()
    assert ([BLOCK] * 4 + [3], large.read_bytes(), [ResponseDone]) == (sizes(body), body.data, body.kinds)


def test_inline(large: Path) -> None:
    """The thread may as well be none."""
    assert large.read_bytes() == asked(large.parent, url_of(large))[1]


@pytest.mark.parametrize("size", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1, 4 * BLOCK])
def test_exact_blocks(tmp_path: Path, size: int) -> None:
    """A file that just fills its blocks ends like any other."""
    (tmp_path / "file").write_bytes(bytes(size))
    assert bytes(size) == asked(tmp_path, url_of(tmp_path / "file"))[1]


def test_replaced(large: Path) -> None:
    """The file that was opened is read to its end, even when another one has its name."""
    expected = large.read_bytes()
    thread, body, _ = begun(large)
    thread.work()
    large.unlink()
    large.write_bytes(b"another")
    thread.work_off()
    assert expected == body.data


def test_grown(large: Path) -> None:
    """What is added to a file while it is read is not part of the response."""
    expected = large.read_bytes()
    thread, body, _ = begun(large)
    with large.open("ab") as file:
        file.write(b"more")
    thread.work_off()
    assert (expected, [ResponseDone]) == (body.data, body.kinds)


@pytest.mark.parametrize("left", [0, 1, BLOCK, 2 * BLOCK, 3 * BLOCK, 4 * BLOCK + 2])
def test_shrunk(large: Path, left: int) -> None:
    """A file that becomes shorter while it is read is truncated, and says where."""
    thread, body, _ = begun(large)
    os.truncate(large, left)
    thread.work_off()
    assert (left, [Truncated]) == (len(body.data), body.kinds)
    error: Any = translated(body.ends[0], "")
    assert (left, 4 * BLOCK + 3, url_of(large).decode()) == (error.received, error.expected, error.url)


def test_shrunk_small() -> None:
    """So is one that does so between being looked at and being read."""
    request = FileRequest(b"GET", b"file:///x", Headers())
    response, body = FileResponse(request, 200, "OK", (), 10, b"0123"), Body()
    response.deliverBody(body)
    assert (b"0123", [Truncated]) == (body.data, body.kinds)


def test_read_error(large: Path) -> None:
    """A file that cannot be read on is an error that may be tried again."""
    thread, body, _ = begun(large)
    thread.work()
    thread.fail(OSError(5, "Input/output error"))
    thread.work_off()
    assert (2 * BLOCK, [ConnectionLost]) == (len(body.data), body.kinds)
    error: Any = translated(body.ends[0], "")
    assert "Input/output error" in error.detail


def test_pause(large: Path) -> None:
    """A consumer that pauses gets nothing more, and nothing more is read than what was begun."""
    thread, body, _ = begun(large)
    body.producer.pauseProducing()
    thread.work()
    assert ([], []) == (sizes(body), thread.waiting)
    body.producer.resumeProducing()
    assert ([BLOCK] * 2, 1) == (sizes(body), len(thread.waiting))
    body.producer.pauseProducing()
    body.producer.resumeProducing()
    assert 1 == len(thread.waiting)
    thread.work_off()
    assert [ResponseDone] == body.kinds


def test_read_ahead(large: Path) -> None:
    """What is read ahead of a consumer that pauses is two blocks."""

    class Slow(Body):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.producer.pauseProducing()

    thread, body = Thread(), Slow()
    d = FileAgent([os.fspath(large.parent)], thread).request(b"GET", url_of(large))
    thread.work()
    result_of(d).deliverBody(body)
    thread.work()
    assert ([BLOCK], []) == (sizes(body), thread.waiting)
    body.producer.resumeProducing()
    assert ([BLOCK] * 2, 1) == (sizes(body), len(thread.waiting))
    thread.work()
    assert ([BLOCK] * 2, []) == (sizes(body), thread.waiting)
    body.producer.stopProducing()
    thread.work_off()


def test_pause_at_each_block(large: Path) -> None:
    """A consumer may pause at every block, and resume at once or later."""

    class Reluctant(Body):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.producer.pauseProducing()
            if len(self.pieces) % 2:
                self.producer.resumeProducing()

    thread, body = Thread(), Reluctant()
    d = FileAgent([os.fspath(large.parent)], thread).request(b"GET", url_of(large))
    thread.work()
    result_of(d).deliverBody(body)
    for _ in range(10):
        thread.work_off()
        body.producer.resumeProducing()
    assert (large.read_bytes(), [ResponseDone]) == (body.data, body.kinds)


def test_pause_before_reading(large: Path) -> None:
    """A consumer may pause before the first byte is read."""

    class Late(Body):
        def connectionMade(self) -> None:
            self.producer.pauseProducing()

    thread, body = Thread(), Late()
    d = FileAgent([os.fspath(large.parent)], thread).request(b"GET", url_of(large))
    thread.work()
    result_of(d).deliverBody(body)
    assert [] == thread.waiting
    body.producer.resumeProducing()
    thread.work_off()
    assert [ResponseDone] == body.kinds


@pytest.mark.parametrize("when", ["at once", "reading", "paused", "between"])
def test_stop(large: Path, when: str) -> None:
    """A consumer that gives up gets nothing but the end, once the file is closed."""

    class Quitting(Body):
        def connectionMade(self) -> None:
            if when == "at once":
                self.producer.stopProducing()

        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            if when == "paused":
                self.producer.pauseProducing()
            elif when == "between":
                self.producer.loseConnection()
                self.producer.pauseProducing()

    thread, body = Thread(), Quitting()
    d = FileAgent([os.fspath(large.parent)], thread).request(b"GET", url_of(large))
    thread.work()
    response = result_of(d)
    response.deliverBody(body)
    if when in ("paused", "between"):
        thread.work()
    body.producer.stopProducing()
    assert ([], 1) == (body.ends, len(thread.waiting))
    thread.work_off()
    body.producer.stopProducing()
    body.producer.resumeProducing()
    assert ([ConnectionLost], when in ("paused", "between")) == (body.kinds, bool(body.pieces))


def test_stop_after_the_last_block(file: Path) -> None:
    """A consumer that gives up when it has everything was not too late."""

    class Satisfied(Body):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            self.producer.stopProducing()

    body = Satisfied()
    result_of(FileAgent([os.fspath(file.parent)], execute).request(b"GET", url_of(file))).deliverBody(body)
    assert [ResponseDone] == body.kinds


def test_raising_consumer(large: Path) -> None:
    """A consumer that raises ends its body with what it raised, and the file is closed."""

    class Raising(Body):
        def dataReceived(self, data: bytes) -> None:
            raise KeyError("mine")

    thread, body = Thread(), Raising()
    d = FileAgent([os.fspath(large.parent)], thread).request(b"GET", url_of(large))
    thread.work()
    result_of(d).deliverBody(body)
    thread.work_off()
    errors: list[Any] = [end.value for end in body.ends]
    assert ["'mine'"] == [str(reason.value) for error in errors for reason in error.reasons]


@pytest.mark.parametrize("kind", ["small", "large", "missing", "failing"])
def test_cancel(file: Path, large: Path, kind: str) -> None:
    """A request that is cancelled while the file is being opened fails at once, and the file is closed."""
    thread = Thread()
    path = {"small": file, "large": large}.get(kind, file.with_name("missing"))
    d = FileAgent([os.fspath(file.parent)], thread).request(b"GET", url_of(path))
    d.cancel()
    with pytest.raises(CancelledError):
        result_of(d)
    if kind == "failing":
        thread.fail(OSError("no thread"))
    else:
        thread.work()
    assert [] == thread.waiting


# Among other agents


@pytest.mark.parametrize(("name", "error"), [("missing", NotFound), ("..", NotAuthorized), ("link", NotAuthorized)])
def test_layers(file: Path, name: str, error: type[Exception]) -> None:
    """The agents for HTTP turn what is missing or refused into errors with the URL."""
    (file.parent / "link").symlink_to(file)
    agent = StatusAgent(ErrorAgent(FileAgent([os.fspath(file.parent)], execute)))
    uri = url_of(file.parent) + b"/" + name.encode()
    with pytest.raises(error) as caught:
        result_of(agent.request(b"GET", uri))
    assert uri.decode() == caught.value.url  # type: ignore[attr-defined]
