"""Row 52: what FTP servers do wrong, and what comes of it."""

from __future__ import annotations

import random
import socket
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.protocol import Protocol, ServerFactory

from tests.integration.faults.invariants import SECRET, Fetcher, quick
from tests.lag import Lag
from tests.servers.fixtures import StartFTP
from tests.servers.ftp import FTP, Answer, Control, cut, silence
from tests.servers.reactor import IReactor
from twisted_pulp import DownloadReport, Remote, Retry, Timeouts
from twisted_pulp.errors import (
    ConnectionLost,
    ConnectionRefused,
    HeadersTimeout,
    HTTPStatusError,
    IdleTimeout,
    NotFound,
    ProtocolError,
    ResumeRefused,
    SizeMismatch,
    Truncated,
)

BODY = random.Random(52).randbytes(700_000)
HALF = 300_000
ONCE = quick(retry=Retry(retries=0))
SHORT = quick(timeouts=Timeouts(connect=3, headers=0.8, idle=0.8))
USER = f"reader:{SECRET}@"


def errors(report: DownloadReport) -> list[type]:
    """Return what became of each attempt."""
    return [type(attempt.error) for attempt in report.attempts]


async def fetched(fetcher: Fetcher, ftp: FTP, remote: Remote | None = None, proven: bool = True) -> DownloadReport:
    """Fetch the file."""
    ftp.files[b"a.bin"] = BODY
    return await fetcher.fetch(ftp.url("/a.bin", USER), BODY, remote=remote or quick(), proven=proven)


@ensureDeferred
async def test_row_52_1_pasv_elsewhere(fetcher: Fetcher, ftp: FTP, reactor: IReactor) -> None:
    """PASV that names another host: the data connection goes to the server, and nobody else hears of us."""
    heard = []

    class Canary(ServerFactory):
        def buildProtocol(self, addr: object) -> Protocol:
            heard.append(addr)
            return Protocol()

    async def elsewhere(control: Control, _: bytes) -> None:
        port = control.listen("127.0.0.1")
        canary.append(reactor.listenTCP(port, Canary(), interface="127.0.0.2"))
        control.say(b"227 there (127,0,0,2,%d,%d)" % divmod(port, 256))

    canary: list[object] = []
    ftp.on("EPSV", [b"500 what?"])
    ftp.on("PASV", [elsewhere])
    report = await fetched(fetcher, ftp)
    await canary[0].stopListening()  # type: ignore[attr-defined]
    assert (None, [], 1) == (report.error, heard, ftp.datas)


@ensureDeferred
async def test_row_52_2_data_connection_refused(fetcher: Fetcher, ftp: FTP) -> None:
    """A port where nothing listens is a refused connection, and worth another try."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        refused = b"229 come in (|||%d|)" % closed.getsockname()[1]
        ftp.on("EPSV", [refused, refused, None])
        report = await fetched(fetcher, ftp, ONCE)
        assert [ConnectionRefused] == errors(report)
        report = await fetched(fetcher, ftp)
    assert [ConnectionRefused, type(None)] == errors(report)
    assert [] == [connection for connection in ftp.live if isinstance(connection, Control) and not connection.number]


@pytest.mark.parametrize("verb", ["", "USER", "PASS", "TYPE", "SIZE", "MDTM", "EPSV", "RETR"])
@ensureDeferred
async def test_row_52_3_control_stalls(fetcher: Fetcher, ftp: FTP, verb: str, lag: Lag) -> None:
    """A server that does not answer is given up after the headers' timeout, and asked again."""
    ftp.on(verb, [silence, None])
    report = await fetched(fetcher, ftp, SHORT)
    assert [HeadersTimeout, type(None)] == errors(report)
    assert 0.8 <= report.finished - report.started < 2 + lag.seconds


@pytest.mark.parametrize("proven", [True, False])
@ensureDeferred
async def test_row_52_3_data_stalls(fetcher: Fetcher, ftp: FTP, proven: bool) -> None:
    """A data connection that falls silent is given up after the idle timeout, and the rest is fetched."""
    ftp.on("RETR", [cut(HALF, None), None])
    report = await fetched(fetcher, ftp, SHORT, proven)
    assert [IdleTimeout, type(None)] == errors(report)
    assert [b"%d" % HALF] == ftp.said("REST")
    assert len(BODY) == sum(attempt.bytes for attempt in report.attempts)


@ensureDeferred
async def test_row_52_3_data_connection_never_used(fetcher: Fetcher, ftp: FTP) -> None:
    """A server that says that it sends, and does not, is given up too."""
    ftp.on("RETR", [b"150 coming", None])
    report = await fetched(fetcher, ftp, SHORT)
    assert [IdleTimeout, type(None)] == errors(report)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("code", [b"421", b"425", b"426", b"451"])
@ensureDeferred
async def test_row_52_4_and_5_broken_off(fetcher: Fetcher, ftp: FTP, code: bytes, first: bool) -> None:
    """421 and its like in the middle of a file: the rest is fetched over a new login."""
    ftp.on("RETR", [cut(HALF, code + b" sorry", first), None])
    report = await fetched(fetcher, ftp, proven=False)
    assert [ConnectionLost, type(None)] == errors(report)
    assert code.decode() in str(report.attempts[0].error)
    assert ([b"%d" % HALF], 2) == (ftp.said("REST"), ftp.accepted)


@ensureDeferred
async def test_row_52_4_lost_with_the_control_connection(fetcher: Fetcher, ftp: FTP) -> None:
    """A control connection that ends in the middle of a file, or before the last word, leaves something to resume."""

    async def leave(control: Control, path: bytes) -> None:
        data, body = await control.begin(path)
        data.transport.write(body[:HALF])
        data.transport.loseConnection()
        control.transport.loseConnection()

    ftp.on("RETR", [leave, None])
    report = await fetched(fetcher, ftp)
    assert [Truncated, type(None)] == errors(report)
    assert [b"%d" % HALF] == ftp.said("REST")


@ensureDeferred
async def test_row_52_5_short_with_226(fetcher: Fetcher, ftp: FTP) -> None:
    """Fewer bytes than SIZE promised are not the file, whatever the server says."""
    ftp.on("RETR", [cut(HALF), None])
    report = await fetched(fetcher, ftp)
    assert [Truncated, type(None)] == errors(report)
    assert f"{HALF} of {len(BODY)} bytes came" in str(report.attempts[0].error)


@pytest.mark.parametrize("at", [None, 0, HALF])
@ensureDeferred
async def test_row_52_5_gone(fetcher: Fetcher, ftp: FTP, at: int | None) -> None:
    """550 is final, before the first byte or in the middle."""
    ftp.on("RETR", [b"550 none" if at is None else cut(at, b"550 gone", at == 0)])
    report = await fetched(fetcher, ftp)
    assert [NotFound] == errors(report)
    assert "550" in str(report.error)
    assert not report.error.retryable  # type: ignore[union-attr]


@pytest.mark.parametrize("code", [b"421", b"425", b"450", b"452"])
@ensureDeferred
async def test_row_52_5_not_now(fetcher: Fetcher, ftp: FTP, code: bytes) -> None:
    """ "Not now" is worth another try."""
    ftp.on("RETR", [code + b" not now", None])
    report = await fetched(fetcher, ftp)
    assert [HTTPStatusError, type(None)] == errors(report)
    assert 503 == report.attempts[0].status


@pytest.mark.parametrize("code", [b"500", b"502", b"501"])
@ensureDeferred
async def test_row_52_6_no_rest(fetcher: Fetcher, ftp: FTP, code: bytes) -> None:
    """Where there is no REST, the file is fetched from its start; two versions are never spliced."""
    ftp.on("RETR", [cut(HALF, b"426 sorry"), None])
    ftp.on("REST", [code + b" what?"])
    report = await fetched(fetcher, ftp)
    assert [ConnectionLost, type(None)] == errors(report)
    assert len(BODY) + HALF == sum(attempt.bytes for attempt in report.attempts)


@ensureDeferred
async def test_row_52_6_rest_ignored(fetcher: Fetcher, ftp: FTP) -> None:
    """A server that takes REST, and begins at 0 all the same, is found out, and asked for all of it."""
    ftp.on("RETR", [cut(HALF, b"426 sorry"), None])
    ftp.on("REST", [b"350 from there"])
    report = await fetched(fetcher, ftp, proven=False)
    assert [ConnectionLost, ResumeRefused, type(None)] == errors(report)


@ensureDeferred
async def test_row_52_7_extended_only(fetcher: Fetcher, start_ftp: StartFTP) -> None:
    """A server with EPSV only is asked for nothing else, over IPv6 too."""
    for interface in ("127.0.0.1", "::1"):
        ftp = await start_ftp(interface=interface)
        ftp.on("PASV", [b"502 what?"])
        report = await fetched(fetcher, ftp)
        assert (None, 1) == (report.error, ftp.datas)
        assert "PASV" not in ftp.verbs()
        Path(report.path or "").unlink()


@ensureDeferred
async def test_row_52_7_no_extended(fetcher: Fetcher, start_ftp: StartFTP) -> None:
    """A server without EPSV is asked for it once; over IPv6 it has nothing else to offer."""
    ftp = await start_ftp()
    ftp.on("EPSV", [b"500 what?"])
    ftp.files[b"b"] = b"b"
    report = await fetched(fetcher, ftp)
    assert report.error is None
    await fetcher.fetch(ftp.url("/b", USER), b"b", name="b")
    assert (["EPSV"], 2) == ([verb for verb in ftp.verbs() if verb == "EPSV"], ftp.datas)
    sixth = await start_ftp(interface="::1")
    sixth.on("EPSV", [b"500 what?"])
    Path(report.path or "").unlink()
    report = await fetched(fetcher, sixth)
    assert [HTTPStatusError] == errors(report)
    assert (501, "PASV" in sixth.verbs()) == (report.status, False)


@pytest.mark.parametrize(
    "greeting",
    [
        b"220-one\r\n220-two\r\n220 three",
        b"220-one\r\n two\r\n\r\n  220 indented\r\n331 not mine\r\n220 end",
        b"120 soon\r\n220 now",
        b"220",
        b"220-\n\n220 bare line feeds",
        b"220-" + b"x" * 60_000 + b"\r\n220 long",
        b"220-first\r\n" + b"line\r\n" * 990 + b"220 many",
    ],
)
@ensureDeferred
async def test_row_52_8_many_lines(fetcher: Fetcher, ftp: FTP, greeting: bytes) -> None:
    """A greeting of many lines is one."""
    ftp.on("", [greeting])
    report = await fetched(fetcher, ftp)
    assert report.error is None


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6",
        b"\x16\x03\x03\x00\x02\x02\x28" * 10,
        b"999 no such code",
        b"2200 four",
        b"22\r\n",
        "٢٢٠ hello".encode(),
        b"220-" + b"x" * 70_000,
        b"220-a\r\n" * 1001,
        b"220 a\r\n" * 200,
        b"x" * 200_000,
    ],
)
@ensureDeferred
async def test_row_52_9_garbage(fetcher: Fetcher, ftp: FTP, greeting: bytes, lag: Lag) -> None:
    """What is no FTP is a protocol error, at once; too much of it is not kept."""
    ftp.on("", [greeting])
    report = await fetched(fetcher, ftp)
    assert [ProtocolError] == errors(report)
    assert report.finished - report.started < 0.5 + lag.seconds


@pytest.mark.parametrize(
    "reply", [b"229 come in", b"229 (|||0|)", b"229 (|||65536|)", b"229 (|1|2|3|4|)", b"229 (|||80|"]
)
@ensureDeferred
async def test_row_52_9_no_port(fetcher: Fetcher, ftp: FTP, reply: bytes) -> None:
    """A passive mode without a port is a protocol error."""
    ftp.on("EPSV", [reply])
    assert [ProtocolError] == errors(await fetched(fetcher, ftp))


@pytest.mark.parametrize("reply", [b"227 (127,0,0,1,0,0)", b"227 (127,0,0,1,256,1)", b"227 (1,2,3)", b"227"])
@ensureDeferred
async def test_row_52_9_no_port_of_old(fetcher: Fetcher, ftp: FTP, reply: bytes) -> None:
    """So is PASV's."""
    ftp.on("EPSV", [b"502 what?"])
    ftp.on("PASV", [reply])
    assert [ProtocolError] == errors(await fetched(fetcher, ftp))


@pytest.mark.parametrize(
    ("size", "modified"),
    [(b"213 many", b"213 yesterday"), (b"213 -1", b"213 20219999999999"), (b"500 what?", b"500 what?")],
)
@ensureDeferred
async def test_row_52_9_no_facts(fetcher: Fetcher, ftp: FTP, size: bytes, modified: bytes) -> None:
    """Without size and time, 226 still says that all has come."""
    ftp.on("SIZE", [size])
    ftp.on("MDTM", [modified])
    report = await fetched(fetcher, ftp, proven=False)
    assert report.error is None
    assert {"accept-ranges", "date"} == set(report.headers)


@pytest.mark.parametrize("claim", [b"213 10", b"213 999999999"])
@ensureDeferred
async def test_row_52_9_wrong_size(fetcher: Fetcher, ftp: FTP, claim: bytes) -> None:
    """A size that is wrong is no success, and nothing more than it is taken in."""
    ftp.on("SIZE", [claim])
    report = await fetched(fetcher, ftp, ONCE, proven=False)
    kinds = {b"213 10": SizeMismatch, b"213 999999999": Truncated}
    assert kinds[claim] is type(report.error)
    assert report.attempts[-1].bytes in (10, len(BODY))


async def timed_out(control: Control, _: bytes) -> None:
    """End as servers do that do not wait any longer."""
    control.say(b"421 too long idle")
    control.transport.loseConnection()


async def dropped(control: Control, _: bytes) -> None:
    """End without a word."""
    control.drop()


@pytest.mark.parametrize("death", [timed_out, dropped])
@ensureDeferred
async def test_row_52_10_idle_connection_dropped(fetcher: Fetcher, ftp: FTP, death: Answer) -> None:
    """A login that died while nobody used it is replaced, and nobody notices."""
    ftp.files[b"b"] = b"b"
    ftp.on("SIZE", [None, death, None])
    for name in ("one", "two"):
        report = await fetcher.fetch(ftp.url("/b", USER), b"b", name=name, remote=ONCE)
        assert [type(None)] == errors(report)
    assert 2 == ftp.accepted


@ensureDeferred
async def test_row_52_10_idle_connection_forgotten(fetcher: Fetcher, ftp: FTP) -> None:
    """A login that a device on the way has forgotten costs the headers' timeout, and one more try."""
    ftp.files[b"b"] = b"b"
    ftp.on("SIZE", [None, silence, None])
    first = await fetcher.fetch(ftp.url("/b", USER), b"b", name="one", remote=SHORT)
    second = await fetcher.fetch(ftp.url("/b", USER), b"b", name="two", remote=SHORT)
    assert ([type(None)], [HeadersTimeout, type(None)]) == (errors(first), errors(second))


@pytest.mark.parametrize("proven", [True, False])
@ensureDeferred
async def test_row_52_10_control_connection_forgotten(fetcher: Fetcher, ftp: FTP, proven: bool) -> None:
    """When all bytes came but the last word does not, one more question shows that they are all there are."""

    async def forgotten(control: Control, path: bytes) -> None:
        data, body = await control.begin(path)
        data.transport.write(body)
        data.transport.loseConnection()

    ftp.on("RETR", [forgotten])
    report = await fetched(fetcher, ftp, SHORT, proven)
    assert [HeadersTimeout, type(None)] == errors(report)
    assert len(BODY) == sum(attempt.bytes for attempt in report.attempts)
    assert 1 == len(ftp.said("RETR"))
