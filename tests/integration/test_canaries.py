"""
Threats C3 and C4: secrets are in no log, word, traceback or file.

Every secret that can be given is a canary, S3CR3T-n. Everything is logged, everything that can be shown is shown, and
all of it is searched.
"""

from __future__ import annotations

import logging
import traceback
import warnings
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from pytest_twisted import ensureDeferred
from twisted.internet.task import deferLater
from twisted.logger import LogEvent, Logger, eventAsText, globalLogPublisher

from tests.integration.process import Get
from tests.leaks import LoggedErrors
from tests.servers.fixtures import StartScripted
from tests.servers.logins import DigestGuard, Realm, TokenGuard
from tests.servers.scripted import Answer, Close, Request, Reset, Scripted, Send, Stall, Steps, cut, ok, ranged, status
from tests.servers.tls import Authority
from twisted_pulp import TLS, Context, Download, DownloadReport, Hooks, Limits, Proxy, Remote, Retry, Timeouts
from twisted_pulp.errors import shown
from twisted_pulp.lists import ReportFile
from twisted_pulp.settings import write_settings

BODY = b"canary" * 100_000
CANARY = "S3CR3T-"
#: Given by us, one for each way to give one.
GIVEN: dict[str, dict[str, Any]] = {
    "1 user": {"username": "S3CR3T-1", "password": "S3CR3T-2"},
    "2 in the URL": {"url": "http://S3CR3T-1:S3CR3T-2@{home}/?key=S3CR3T-3"},
    "3 digest": {"username": "S3CR3T-1", "password": "S3CR3T-2", "auth": "digest"},
    "4 token": {"token": "S3CR3T-4"},
    "5 fetched token": {"username": "S3CR3T-1", "password": "S3CR3T-2", "auth": "token"},
    "6 netrc": {"netrc": True},
    "7 cookie": {"cookies": True},
    "8 header": {"headers": {"X-Key": "S3CR3T-8", "Cookie": "S3CR3T-8"}},
    "9 origins and mirrors": {
        "url": "http://{home}/x/",
        "origins": ("http://o.test/?key=S3CR3T-9",),
        "mirrors": ("http://{home}/refused/?key=S3CR3T-9",),
        "mirror_list": "http://{home}/refused?key=S3CR3T-9",
    },
    "10 proxy": {"proxy": Proxy(url="http://S3CR3T-10:S3CR3T-10@127.0.0.1:9", no_proxy=("127.0.0.1",))},
    "11 download": {},
    "12 key": {},
}
OUTCOMES = [
    "fine", "refused", "missing", "in trouble", "redirect", "bad redirect", "many redirects", "cut", "reset", "silent",
    "garbage", "too large", "bad digest", "hook", "bad realm", "no token",
]  # fmt: skip


class Seen:
    """Everything that was said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        """See an event, with all that is in it."""
        self.said.append(eventAsText(event))
        self.said += [repr(value) for name, value in event.items() if name != "log_source" or value is None]

    def error(self, error: BaseException) -> None:
        """See an error in all its forms, with those that it came from."""
        self.said += [str(error), repr(error), repr(error.args), repr(vars(error).get("value"))]
        self.said += traceback.format_exception(error)
        self.said.append(str(getattr(error, "reason", "")))

    def report(self, report: DownloadReport) -> None:
        """See a report and all that hangs on it."""
        self.said += [repr(report), str(report), repr(report.headers), repr(report.download), shown(report.url)]
        self.said += [repr(each) for each in (report.source, *report.attempts)]
        for each in report.attempts:
            if each.error is not None:
                self.error(each.error)
        if report.error is not None:
            self.error(report.error)

    def search(self) -> list[str]:
        """Return what holds a canary, in clear or in base64."""
        basic = b64encode(b"S3CR3T-1:S3CR3T-2").decode()
        return [each for each in self.said if CANARY in each or basic[:12] in each or "PRIVATE KEY" in each]


@pytest.fixture
def seen(caplog: pytest.LogCaptureFixture) -> Iterator[Seen]:
    """What Twisted's loggers, the standard ones and warnings say, down to the last detail."""
    made = Seen()
    globalLogPublisher.addObserver(made)
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield made
    globalLogPublisher.removeObserver(made)
    assert [] == [str(each.message) for each in warned if CANARY in str(each.message)]


def test_seen(seen: Seen) -> None:
    """What is said would be seen."""
    Logger().debug("a {word}", word="S3CR3T-x")
    try:
        raise ValueError("S3CR3T-y")
    except ValueError as error:
        seen.error(error)
    assert 5 <= len(seen.search())
    seen.said.clear()


class Home:
    """A server that lets in who has the secret, and then does what is to be looked at."""

    def __init__(self, server: Scripted, other: Scripted, outcome: str) -> None:
        self._server, self.realm = server, Realm()
        self._answers: dict[str, Answer] = {
            "fine": ranged(BODY, headers=[(b"Set-Cookie", b"a=S3CR3T-7"), (b"X-Token", b"S3CR3T-7")]),
            "refused": status(401, [(b"WWW-Authenticate", b'Basic realm="x"')], b"S3CR3T-20"),
            "missing": status(404, [(b"X", b"S3CR3T-20")], b"S3CR3T-20", reason=b"S3CR3T-20"),
            "in trouble": status(503, [(b"Retry-After", b"0")]),
            "redirect": self._to(other.url("/file?signature=S3CR3T-21").replace("//", "//S3CR3T-22:S3CR3T-22@")),
            "bad redirect": self._to("http://S3CR3T-22:S3CR3T-22@127.0.0.1:99999/?k=S3CR3T-21"),
            "many redirects": lambda request: self._to("/again?k=S3CR3T-21"),
            "cut": cut(ok(BODY), 300_000, Close()),
            "reset": cut(ok(BODY), 300_000, Reset()),
            "silent": (Send(b"HTTP/1.1 200 OK\r\n"), Stall()),
            "garbage": (Send(b"HTTP/1.1 200 OK\r\nS3CR3T-23 \r\n\r\n"), Close()),
            "too large": ok(b"x" * 2_000_000),
            "bad digest": ok(b"x" * 1000),
            "hook": ok(BODY),
            "bad realm": self._asks("ftp://S3CR3T-24:S3CR3T-24@127.0.0.1/?k=S3CR3T-24"),
            "no token": self._asks(server.url("/broken?k=S3CR3T-24")),
        }
        other.default = lambda _: ok(BODY)
        self._last = self._answers[outcome]
        server.on(b"/token", [self.realm])
        server.on(b"/broken", [ok(b'{"error": "S3CR3T-25"}')])
        server.on(b"/login", [status(200, [(b"Set-Cookie", b"session=S3CR3T-7; Path=/")])])

    def _to(self, location: str) -> Steps:
        return status(302, [(b"Location", location.encode())], b"S3CR3T-20")

    def _asks(self, realm: str) -> Steps:
        return status(401, [(b"WWW-Authenticate", f'Bearer realm="{realm}",scope="S3CR3T-24"'.encode())])

    def open(self, secret: str) -> None:
        """Ask for *secret* from now on."""
        last: Answer = self._last
        if secret == "3 digest":
            last = DigestGuard(last, {"S3CR3T-1": "S3CR3T-2"})
        elif secret == "5 fetched token":
            last = TokenGuard(last, self.realm, self._server.url("/token?k=S3CR3T-24"))
        answer = last

        def default(request: Request) -> Steps:
            return status(503) if request.path.startswith(b"/refused") else self._served(answer, request)

        self._server.default = default

    @staticmethod
    def _served(answer: Answer, request: Request) -> Steps:
        return answer(request) if callable(answer) else answer


def remote_of(secret: str, home: str, tls: Authority, outcome: str) -> Remote:
    """Return the Remote that has *secret*, impatient, and for small files."""
    given: dict[str, Any] = {}
    for name, value in GIVEN[secret].items():
        if isinstance(value, tuple):
            value = tuple(each.replace("{home}", home) for each in value)
        given[name] = value.replace("{home}", home) if isinstance(value, str) else value
    if secret == "12 key":
        chain, key = tls.files()
        locked = load_pem_private_key(key.read_bytes(), None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"S3CR3T-12")
        )
        pem = locked.decode()
        given["tls"] = TLS(client_cert=str(chain), client_key=pem, client_key_password="S3CR3T-12")
    return Remote(
        **given,
        retry=Retry(retries=0 if outcome == "silent" else 1, base=0),
        timeouts=Timeouts(headers=0.05 if outcome == "silent" else 10),
        limits=Limits(max_size=1_000_000, redirects=3),
    )


def download_of(url: str, path: Path, secret: str, outcome: str) -> Download:
    """Return the Download that is to be looked at."""
    headers = {"X-Own": "S3CR3T-11"} if secret == "11 download" else {}
    if secret == "11 download":
        url = url.replace("//", "//S3CR3T-1:S3CR3T-2@")
    digests = {"sha256": "0" * 64} if outcome == "bad digest" else {}
    return Download(url + "/x/file?signature=S3CR3T-12#S3CR3T-12", path, headers=headers, digests=digests)


def _failing(download: object, head: object) -> None:
    raise ValueError("the hook's own words")


@pytest.mark.leaves_partials
@pytest.mark.parametrize("outcome", OUTCOMES)
@ensureDeferred
async def test_c4(
    seen: Seen,
    context: Context,
    start_scripted: StartScripted,
    tls: Authority,
    tmp_path: Path,
    outcome: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    logged_errors: LoggedErrors,
) -> None:
    """C4: twelve kinds of secrets, whatever becomes of a download: none is said or written anywhere."""
    netrc = tmp_path / "netrc"
    netrc.touch(0o600)
    netrc.write_text("machine 127.0.0.1 login S3CR3T-1 password S3CR3T-2")
    monkeypatch.setenv("NETRC", str(netrc))
    server, other = await start_scripted(), await start_scripted()
    home, errors = Home(server, other, outcome), 0
    report_file = ReportFile(str(tmp_path / "report.jsonl"))
    for number, secret in enumerate(GIVEN):
        home.open(secret)
        remote = remote_of(secret, f"127.0.0.1:{server.port}", tls, outcome)
        hooks = Hooks(headers=_failing) if outcome == "hook" else None
        downloader = context.downloader(remote, hooks=hooks)
        if secret == "7 cookie":
            await (await downloader.http.get(server.url("/login"))).content()
        wanted = download_of(server.url(""), tmp_path / "files" / str(number), secret, outcome)
        seen.said += [repr(each) for each in (remote, downloader, context, wanted, context.agent(remote))]
        seen.said.append(write_settings(remote).decode().replace("?key=S3CR3T-3", "").replace("?key=S3CR3T-9", ""))
        (report,) = [each async for each in downloader.download_all([wanted])]
        seen.report(report)
        report_file.add(report)
        errors += report.error is not None
        try:
            await downloader.head(wanted)
        except Exception as error:
            seen.error(error)
        await downloader.close()
    report_file.close()
    await deferLater(context.reactor, 0)
    seen.said += [record.getMessage() for record in caplog.records]
    seen.said += [failure.getTraceback() for failure in logged_errors.flush()]
    seen.said += [each.read_text("latin-1") for each in tmp_path.rglob("*") if each.is_file() and each != netrc]
    sent = b"".join(value for request in server.requests for pair in request.headers for value in pair)
    assert (0 if outcome in ("fine", "redirect") else 12) == errors
    assert b"S3CR3T-8" in sent
    assert b64encode(b"S3CR3T-1:S3CR3T-2") in sent
    assert b"signature=S3CR3T-12" in b"".join(request.target for request in server.requests)
    assert 100 < len(seen.said)
    assert [] == seen.search()


@pytest.mark.leaves_partials
@ensureDeferred
async def test_c4_command(get: Get, scripted: Scripted, tmp_path: Path) -> None:
    """C4: nor does the command say or write one, in its report either, whatever becomes of the files."""
    scripted.default = lambda request: status(401) if request.path == b"/refused" else ok(BODY)
    scripted.on(b"/moved", [status(302, [(b"Location", b"http://S3CR3T-22:S3CR3T-22@127.0.0.1:99999/")])])
    urls = [
        scripted.url(f"/{name}?signature=S3CR3T-12").replace("//", "//S3CR3T-1:S3CR3T-2@")
        for name in ("fine", "refused", "moved")
    ]
    process = await get(*urls, "--header", "X-Key: S3CR3T-8", "--report", "report", "--retries", "0")
    seen = Seen()
    files = [each for each in process.directory.rglob("*") if each.is_file()]
    seen.said += [process.out, process.err, *[each.read_text("latin-1") for each in files]]
    assert 1 == process.popen.returncode
    assert {"fine", "report"} <= {each.name.partition("?")[0] for each in files}
    assert [b"S3CR3T-8"] * 3 == [each.header(b"X-Key") for each in scripted.requests]
    assert [] == seen.search()
