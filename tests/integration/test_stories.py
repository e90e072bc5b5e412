"""The stories that importers, streamers and plugin writers told; each is a test of that name, against real servers."""

from __future__ import annotations

import gc
import hashlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.internet.task import deferLater
from twisted.web.client import readBody
from twisted.web.iweb import IAgent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import implementer

from tests.integration.process import Start
from tests.servers.client import Socket
from tests.servers.corpus import Corpus
from tests.servers.fixtures import StartFTPServer
from tests.servers.logins import Realm, TokenGuard
from tests.servers.nginx import Nginx
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, Send, Stall, cut, ok, ranged, status
from tests.servers.tls import Authority
from twisted_pulp.context import Context
from twisted_pulp.download import Download, DownloadReport, Group, Source, Totals
from twisted_pulp.errors import Cancelled, DigestMismatch, HTTPStatusError, InvalidContent, NotFound, SizeMismatch
from twisted_pulp.settings import TLS, Limits, Remote, Retry, read_settings
from twisted_pulp.transfer import Again, Hooks, ResponseWriter, Validator

BODY = hashlib.shake_256(b"story").digest(100_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
PATIENT = Remote(retry=Retry(base=0))
ONCE = Remote(retry=Retry(retries=0))


# Importers


@ensureDeferred
async def test_download_one_file(context: Context, nginx: Nginx, corpus: Corpus, tmp_path: Path) -> None:
    """As an importer, I can download one file."""
    file = corpus.file("f.rpm", 1 << 20)
    report = await context.downloader().download(
        nginx.url("/f.rpm"), path=tmp_path / "f.rpm", digests={"sha256": file.sha256}
    )
    assert (str(tmp_path / "f.rpm"), file.size, file.sha256) == (report.path, report.size, report.digests["sha256"])
    assert file.body == (tmp_path / "f.rpm").read_bytes()


@ensureDeferred
async def test_download_many_at_once(context: Context, nginx: Nginx, corpus: Corpus, tmp_path: Path) -> None:
    """As an importer, I can download many files at once."""
    files = corpus.files([4096] * 200)
    wanted = [
        Download(nginx.url("/" + file.name), tmp_path / file.name, digests={"sha256": file.sha256}) for file in files
    ]
    reports = [report async for report in context.downloader().download_all(wanted, 16)]
    assert (200, True) == (len(reports), all(report.verified for report in reports))
    assert [file.body for file in files] == [(tmp_path / file.name).read_bytes() for file in files]


@ensureDeferred
async def test_validate_what_was_downloaded(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """As an importer, I can validate what was downloaded: by size, by digests, and by a look of my own."""
    scripted.on(b"/f", [ok(BODY)])
    for fields, kind in (({"size": 1}, SizeMismatch), ({"digests": {"sha256": "0" * 64}}, DigestMismatch)):
        with pytest.raises(kind):
            await context.downloader(ONCE).download(scripted.url("/f"), path=tmp_path / "f", **fields)
    hooks = Hooks(validators=[Validator(lambda report: Path(report.path).read_bytes().startswith(b"RPM"))])  # type: ignore[arg-type]
    with pytest.raises(InvalidContent):
        await context.downloader(ONCE, hooks=hooks).download(scripted.url("/f"), path=tmp_path / "f")
    assert [] == list(tmp_path.iterdir())


@ensureDeferred
async def test_keep_neither_content_nor_artifacts_in_memory_to_do_so(
    context: Context, scripted: Scripted, tmp_path: Path
) -> None:
    """As an importer, I keep neither content nor artifacts in memory to download many."""
    scripted.on(b"/f", [ok(b"x")])

    class Artifact:
        alive = 0

        def __init__(self) -> None:
            Artifact.alive += 1

        def __del__(self) -> None:
            Artifact.alive -= 1

    def wanted() -> Iterator[Download]:
        for number in range(500):
            yield Download(scripted.url("/f"), tmp_path / str(number), attachment=Artifact())

    most = taken = 0
    async for report in context.downloader().download_all(wanted(), 8):
        assert report.error is None
        taken += 1
        if taken % 50 == 0:
            gc.collect()
            most = max(most, Artifact.alive)
    del report
    gc.collect()
    assert most <= 32
    assert 0 == Artifact.alive


@ensureDeferred
async def test_link_a_downloaded_file_to_its_artifact(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """As an importer, I can link a downloaded file to its artifact without keeping a table of them."""
    scripted.on(b"/f", [ok(BODY)])
    artifacts = [object(), object()]
    wanted = [
        Download(scripted.url("/f"), tmp_path / str(n), attachment=artifact) for n, artifact in enumerate(artifacts)
    ]
    found = {report.path: report.attachment async for report in context.downloader().download_all(wanted)}
    assert {str(tmp_path / str(n)): artifact for n, artifact in enumerate(artifacts)} == found


SYNCHRONOUS = """
import sys
from twisted_pulp import Download
from twisted_pulp.blocking import Downloader
with Downloader() as downloader:
    downloader.download(sys.argv[1], path="one")
    for report in downloader.download_all([Download(sys.argv[1], name) for name in ("two", "three")]):
        print(report.error)
"""


@ensureDeferred
async def test_use_a_synchronous_pattern(start_command: Start, scripted: Scripted, tmp_path: Path) -> None:
    """As an importer, I can use a synchronous pattern: calls that return results."""
    scripted.on(b"/f", [ok(BODY)])
    process = start_command(scripted.url("/f"), program=SYNCHRONOUS)
    assert (0, ["None", "None"]) == (await process.ended(), process.lines)
    assert [BODY] * 3 == [(tmp_path / name).read_bytes() for name in ("one", "two", "three")]


@ensureDeferred
async def test_share_sessions_pools_and_tokens_over_downloads(
    context: Context, scripted: Scripted, start_scripted: Any, tmp_path: Path
) -> None:
    """As an importer, I share connections, cookies and tokens over downloads; connections over Remotes too."""
    scripted.on(b"/f", [ok(BODY)])
    for n, remote in enumerate((ONCE, ONCE, PATIENT, Remote(headers={"X-Mine": "1"}))):
        await context.downloader(remote).download(scripted.url("/f"), path=tmp_path / str(n))
    assert (4, 1) == (len(scripted.requests), scripted.accepted)
    realm, registry = Realm(), await start_scripted()
    scripted.on(b"/token", [realm])
    registry.default = TokenGuard(ok(BODY, [(b"Set-Cookie", b"session=1; Path=/")]), realm, scripted.url("/token"))
    remote = Remote(url=registry.url("/"), username="joe", password="x", auth="token", cookies=True)
    for first in (0, 10, 20):
        wanted = [Download(registry.url(f"/{n}"), tmp_path / f"t{n}") for n in range(first, first + 10)]
        assert 10 == (await context.downloader(remote).download_each(wanted, lambda report: None)).succeeded
    assert (1, 1) == (len(realm.asked), len({each.header(b"Authorization") for each in registry.requests[-20:]}))
    assert {b"session=1"} == {each.header(b"Cookie") for each in registry.requests[-20:]}
    assert registry.accepted <= 8


@ensureDeferred
async def test_customise_how_a_download_is_done_mirror_lists_for_example(
    context: Context, scripted: Scripted, start_scripted: Any, tmp_path: Path
) -> None:
    """As an importer, I can customise how a download is done: try the mirrors of a list, fetched when it is needed."""
    mirror = await start_scripted()
    mirror.on(b"/f", [ok(BODY)])
    scripted.on(b"/mirrors", [ok(mirror.url("/f").encode())])
    downloader: Any = None

    async def next_mirror(download: Download, source: Source, error: Exception) -> Again:
        response = await downloader.http.get(scripted.url("/mirrors"))
        return Again(Source(await response.text()))

    downloader = context.downloader(ONCE, hooks=Hooks(attempt_failed=next_mirror))
    report = await downloader.download(scripted.url("/f"), path=tmp_path / "f", digests={"sha256": SHA256})
    assert (mirror.url("/f"), [NotFound, type(None)]) == (
        report.source.url,
        [type(attempt.error) for attempt in report.attempts],
    )


@ensureDeferred
async def test_cap_simultaneous_connections(scripted: Scripted, reactor: IReactor, tmp_path: Path) -> None:
    """As an importer, I cap simultaneous connections: many artifacts are not as many connections."""
    context = Context(reactor, connections=10, per_host=4)
    scripted.on(b"/f", [ok(b"x")])
    wanted = (Download(scripted.url("/f"), tmp_path / str(n)) for n in range(500))
    totals = await context.downloader().download_each(wanted, lambda report: None, 100)
    assert Totals(succeeded=500, bytes=500) == totals
    assert scripted.high_water <= 4
    scripted.high_water = 0
    capped = context.downloader(Remote(limits=Limits(connections=2)))
    await context.pool.close()
    wanted = (Download(scripted.url("/f"), tmp_path / str(n)) for n in range(50))
    await capped.download_each(wanted, lambda report: None, 100)
    assert scripted.high_water <= 2
    await context.close()


@pytest.mark.parametrize("turns", [0, 1, 2, 5, 20, 60])
@ensureDeferred
async def test_stop_at_any_point_and_leak_nothing(
    scripted: Scripted, reactor: IReactor, tmp_path: Path, turns: int
) -> None:
    """As an importer, I can stop at any point and leak nothing: no socket, file, thread or timer."""
    context = Context(reactor)
    body = bytes(600_000)
    scripted.on(
        b"/f", [ok(body), cut(ok(body), 300_000), status(503), (Send(b"HTTP/1.1 200 OK\r\n\r\nx"), Stall()), ok(body)]
    )
    wanted = (Download(scripted.url("/f"), tmp_path / str(n)) for n in range(100))
    running = context.downloader().download_each(wanted, lambda report: None, 8)
    for _ in range(turns):
        await deferLater(reactor, 0)
    running.cancel()
    if turns < 60:
        with pytest.raises(CancelledError):
            await running
    else:
        running.addErrback(lambda why: why.trap(CancelledError))
    await context.close()
    while scripted.live:
        await deferLater(reactor, 0.01)
    assert [] == [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert [] == [thread for thread in threading.enumerate() if thread.name.startswith("writer")]


@ensureDeferred
async def test_use_any_protocol(
    context: Context,
    scripted: Scripted,
    scripted_tls: Scripted,
    start_ftp_server: StartFTPServer,
    tls: Authority,
    corpus: Corpus,
    tmp_path: Path,
) -> None:
    """As an importer, I use any protocol in the same way: HTTP, HTTPS and FTP first, files too."""
    file = corpus.file("f", body=BODY)
    for server in (scripted, scripted_tls):
        server.on(b"/f", [ok(BODY)])
    remote = Remote(tls=TLS(ca_cert=str(tls.ca_file)), file_roots=[str(corpus.root)])
    ftp = await start_ftp_server("vsftpd", corpus.root)
    ftps = await start_ftp_server("vsftpd", corpus.root, tls=tls.files())
    urls = [scripted.url("/f"), scripted_tls.url("/f"), ftp.url("/f"), ftps.url("/f"), file.path.as_uri()]
    for number, url in enumerate(urls):
        report = await context.downloader(remote).download(
            url, path=tmp_path / str(number), digests={"sha256": SHA256}, size=len(BODY)
        )
        assert (True, BODY) == (report.verified, (tmp_path / str(number)).read_bytes())


# Streamers


class Streamer(Resource):
    """Serves downloads of an importer, of whose settings it knows nothing."""

    isLeaf = True

    def __init__(self, downloader: Any, sources: Any, **fields: Any) -> None:
        super().__init__()
        self._downloader, self._sources, self._fields = downloader, sources, fields
        self.ends: list[Any] = []

    def render_GET(self, request: Any) -> int:
        writer = ResponseWriter(request)
        self._downloader.download(self._sources, writer=writer, **self._fields).addBoth(self.ends.append)
        return NOT_DONE_YET


async def streamed(reactor: Any, streamer: Streamer) -> bytes:
    """Return everything that a client of *streamer* gets."""
    listening = reactor.listenTCP(0, Site(streamer), interface="127.0.0.1")
    client = await Socket.to(reactor, listening.getHost().port)
    client.send(b"GET / HTTP/1.0\r\n\r\n")
    data = await client.heard_all()
    await maybeDeferred(listening.stopListening)
    while not streamer.ends:
        await deferLater(reactor, 0.01)
    return data


@ensureDeferred
async def test_fetch_with_the_implementation_left_to_the_importer(
    context: Context, scripted: Scripted, reactor: IReactor
) -> None:
    """As a streamer, I fetch files with protocol, settings and credentials left to the importer, as a black box."""
    scripted.default = lambda request: ok(BODY) if request.header(b"Authorization") else status(401)
    downloader = context.downloader(Remote(url=scripted.url("/"), username="joe", password="pw"))
    data = await streamed(reactor, Streamer(downloader, scripted.url("/f")))
    assert data.endswith(BODY)
    assert b"200 OK" in data


@ensureDeferred
async def test_any_protocol_the_importer_supports(
    context: Context, start_ftp_server: StartFTPServer, corpus: Corpus, reactor: IReactor
) -> None:
    """As a streamer, I can serve from any protocol that the importer supports, FTP and files too."""
    file = corpus.file("f", body=BODY)
    ftp = await start_ftp_server("vsftpd", corpus.root)
    downloader = context.downloader(Remote(file_roots=[str(corpus.root)]))
    for url in (file.path.as_uri(), ftp.url("/f")):
        assert (await streamed(reactor, Streamer(downloader, url))).endswith(BODY)


@ensureDeferred
async def test_validate_while_streaming(context: Context, scripted: Scripted, reactor: IReactor) -> None:
    """As a streamer, I validate, and nobody gets a whole file that is not what it must be."""
    scripted.on(b"/f", [ok(b"x" + BODY)])
    streamer = Streamer(context.downloader(ONCE), scripted.url("/f"), digests={"sha256": SHA256})
    assert not (await streamed(reactor, streamer)).endswith(BODY)
    assert DigestMismatch is type(streamer.ends[0].value)


@ensureDeferred
async def test_share_resources_without_knowing_of_them(
    context: Context, scripted: Scripted, reactor: IReactor, tmp_path: Path
) -> None:
    """As a streamer, I share the importer's connections without knowing of them."""
    scripted.on(b"/f", [ok(BODY)])
    await context.downloader(ONCE).download(scripted.url("/f"), path=tmp_path / "f")
    await streamed(reactor, Streamer(context.downloader(PATIENT), scripted.url("/f")))
    assert 1 == scripted.accepted


@ensureDeferred
async def test_mirror_lists_left_to_the_importer(
    context: Context, scripted: Scripted, start_scripted: Any, reactor: IReactor
) -> None:
    """As a streamer, I leave mirrors to the importer; a client notices nothing of one that fails in the middle."""
    mirror = await start_scripted()
    scripted.on(b"/f", [cut(ranged(BODY), 50_000)])
    mirror.on(b"/f", [ranged(BODY)])
    sources = [scripted.url("/f"), mirror.url("/f")]
    data = await streamed(reactor, Streamer(context.downloader(PATIENT), sources, digests={"sha256": SHA256}))
    assert BODY == data.partition(b"\r\n\r\n")[2]


@ensureDeferred
async def test_pass_the_bit_stream_without_a_file_on_disk(
    context: Context, scripted: Scripted, reactor: IReactor, system_temp: Path
) -> None:
    """As a streamer, I pass the bit stream to the Twisted response, and the disk sees nothing."""
    scripted.on(b"/f", [ok(BODY * 10)])
    before = sorted(system_temp.iterdir())
    data = await streamed(reactor, Streamer(context.downloader(ONCE), scripted.url("/f")))
    assert BODY * 10 == data.partition(b"\r\n\r\n")[2]
    assert before == sorted(system_temp.iterdir())


@ensureDeferred
async def test_forward_the_upstreams_headers(context: Context, scripted: Scripted, reactor: IReactor) -> None:
    """As a streamer, I forward the upstream's headers that describe the file, and no others."""
    scripted.on(b"/f", [ok(BODY, [(b"ETag", b'"v1"'), (b"Content-Type", b"text/x"), (b"Set-Cookie", b"secret")])])
    head = (await streamed(reactor, Streamer(context.downloader(ONCE), scripted.url("/f")))).partition(b"\r\n\r\n")[0]
    lines = head.lower().split(b"\r\n")
    assert {b'etag: "v1"', b"content-type: text/x", b"content-length: %d" % len(BODY)} <= set(lines)
    assert b"secret" not in head


@ensureDeferred
async def test_use_the_importers_own_custom_logic(context: Context, scripted: Scripted, reactor: IReactor) -> None:
    """As a streamer, I use the importer's own logic: its hooks see what I fetch."""
    scripted.on(b"/f", [ok(BODY)])
    seen: list[DownloadReport] = []
    downloader = context.downloader(ONCE, hooks=Hooks(done=seen.append))
    await streamed(reactor, Streamer(downloader, scripted.url("/f")))
    assert [SHA256] == [report.digests["sha256"] for report in seen]


# Plugin writers


@ensureDeferred
async def test_add_behaviour_to_downloaders(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """As a plugin writer, I add behaviour to downloaders by an agent around theirs, without a subclass."""
    scripted.default = lambda request: (
        ok(BODY) if request.path == b"/f" and b"token=1" in request.target else status(403)
    )

    @implementer(IAgent)
    class Signing:
        def __init__(self, agent: Any) -> None:
            self._agent = agent

        def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Any:
            return self._agent.request(method, uri + b"?token=1", headers, bodyProducer)

    downloader: Any = context.downloader(ONCE)
    downloader.agent = Signing(downloader.agent)
    assert None is (await downloader.download(scripted.url("/f"), path=tmp_path / "f")).error


@ensureDeferred
async def test_extra_http_calls_for_a_unit_before_it_is_saved(
    context: Context, scripted: Scripted, tmp_path: Path
) -> None:
    """As a plugin writer, I make extra HTTP calls for a unit before it is saved."""
    scripted.on(b"/f", [ok(BODY)])
    scripted.on(b"/f.json", [ok(b'{"good": true}', [(b"Content-Type", b"application/json")])])
    downloader: Any = None

    async def ask(report: DownloadReport) -> bool:
        assert not (tmp_path / "f").exists()
        response = await downloader.http.get(report.url + ".json")
        return bool((await response.json())["good"])

    downloader = context.downloader(ONCE, hooks=Hooks(validators=[Validator(ask)]))
    await downloader.download(scripted.url("/f"), path=tmp_path / "f")
    assert [b"/f", b"/f.json"] == [request.path for request in scripted.requests]


@ensureDeferred
async def test_refuse_a_unit_that_fails_validation(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """As a plugin writer, I refuse a unit that fails validation, and the others go on."""
    scripted.on(b"/good", [ok(BODY)])
    scripted.on(b"/bad", [ok(b"<html>")])
    hooks = Hooks(validators=[Validator(lambda report: report.size > 100)])  # type: ignore[operator]
    wanted = [Download(scripted.url("/" + name), tmp_path / name) for name in ("bad", "good")]
    found = {
        report.attachment or report.url: report.error
        async for report in context.downloader(ONCE, hooks=hooks).download_all(wanted)
    }
    assert {scripted.url("/good"): None, scripted.url("/bad"): InvalidContent} == {
        url: error and type(error) for url, error in found.items()
    }
    assert ["good"] == [path.name for path in tmp_path.iterdir()]


@ensureDeferred
async def test_start_work_before_the_metadata_has_fully_arrived(
    context: Context, scripted: Scripted, tmp_path: Path
) -> None:
    """As a plugin writer, I start downloads while the metadata still comes."""
    scripted.on(b"/f", [ok(BODY)])
    more: Deferred[None] = Deferred()

    async def metadata() -> AsyncIterator[Download]:
        yield Download(scripted.url("/f"), tmp_path / "first")
        await more
        yield Download(scripted.url("/f"), tmp_path / "second")

    found = []
    async for report in context.downloader(ONCE).download_all(metadata(), 4):
        found.append(Path(report.path).name)  # type: ignore[arg-type]
        if not more.called:
            more.callback(None)
    assert ["first", "second"] == found


# The agreed list


@ensureDeferred
async def test_importers_settings(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """The settings of an importer make its downloader, and are what it does."""
    scripted.on(b"/f", [ok(BODY)])
    remote = read_settings(
        Remote,
        f'url = "{scripted.url()}"\nuser_agent = "mine/1"\nusername = "joe"\npassword = "pw"\n[headers]\nX-Key = "1"\n',
    )
    await context.downloader(remote).download(scripted.url("/f"), path=tmp_path / "f")
    request = scripted.requests[0]
    assert [b"mine/1", b"Basic am9lOnB3", b"1", b"identity"] == [
        request.header(name) for name in (b"User-Agent", b"Authorization", b"X-Key", b"Accept-Encoding")
    ]


@ensureDeferred
async def test_automatic_retry(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """What may pass is tried again: half a body, a flipped byte, 429, good; exactly four requests."""
    flipped = bytes([BODY[0] ^ 1]) + BODY[1:]
    scripted.on(b"/f", [cut(ok(BODY), 50_000), ok(flipped), status(429), ok(BODY)])
    report = await context.downloader(PATIENT).download(
        scripted.url("/f"), path=tmp_path / "f", digests={"sha256": SHA256}
    )
    assert (True, 4) == (report.verified, len(scripted.requests))


@ensureDeferred
async def test_redirects_followed(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """Redirects are followed, and the report says where to."""
    scripted.on(b"/a/old", [status(302, [(b"Location", b"../b/new")])])
    scripted.on(b"/b/new", [ok(BODY)])
    report = await context.downloader(ONCE).download(scripted.url("/a/old"), path=tmp_path / "f")
    assert (scripted.url("/a/old"), scripted.url("/b/new")) == (report.url, report.final_url)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 410, 418, 500, 501, 503])
@ensureDeferred
async def test_400_and_above_raised(context: Context, scripted: Scripted, tmp_path: Path, code: int) -> None:
    """Statuses from 400 on are raised, and their bodies are no files."""
    scripted.on(b"/f", [status(code, body=b"sorry")])
    with pytest.raises(HTTPStatusError) as caught:
        await context.downloader(ONCE).download(scripted.url("/f"), path=tmp_path / "f")
    assert (code, []) == (caught.value.status, list(tmp_path.iterdir()))


@ensureDeferred
async def test_the_library_below_exposed(context: Context, scripted: Scripted) -> None:
    """Whoever needs more than downloads has Twisted's own interfaces: an agent, and treq over it."""
    scripted.on(b"/f", [ok(BODY)])
    downloader: Any = context.downloader(ONCE)
    response = await downloader.agent.request(b"GET", scripted.url("/f").encode())
    assert BODY == await readBody(response)
    assert BODY == await (await downloader.http.get(scripted.url("/f"))).content()
    assert 404 == (await downloader.http.get(scripted.url("/missing"))).code
    assert downloader.pool is context.pool


@ensureDeferred
async def test_pooling_reuse_keep_alive(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """Connections are kept and used again."""
    scripted.on(b"/f", [ok(BODY)])
    wanted = (Download(scripted.url("/f"), tmp_path / str(n)) for n in range(100))
    await context.downloader(ONCE).download_each(wanted, lambda report: None, 4)
    assert (100, True) == (len(scripted.requests), scripted.accepted <= 4)


@ensureDeferred
async def test_headers_signalled_before_data(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """Headers are known before any data, and data waits for who looks at them."""
    scripted.on(b"/f", [ok(BODY, [(b"X-Size", b"big")])])
    told: list[str] = []
    hooks = Hooks(
        headers=lambda download, head: succeed(told.append(head.headers["x-size"])),
        progress=lambda download, size, total: told.append("data"),
    )
    await context.downloader(ONCE, hooks=hooks).download(scripted.url("/f"), path=tmp_path / "f")
    assert ("big", {"data"}) == (told[0], set(told[1:]))


@ensureDeferred
async def test_fatal_exceptions_raised(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """Failures are reports, or raised at once on request; what a caller raises is never swallowed."""
    wanted = [Download(scripted.url("/missing"), tmp_path / "f")]
    downloader = context.downloader(ONCE)
    assert [NotFound] == [type(report.error) async for report in downloader.download_all(wanted)]
    with pytest.raises(NotFound):
        await downloader.download_each(wanted, lambda report: None, fail_fast=True)

    def broken(report: DownloadReport) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await downloader.download_each(wanted, broken)


@ensureDeferred
async def test_single_files_and_groups_of_files(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """Files come alone or as groups, and a URL that two groups want is fetched once."""
    scripted.on(b"/f", [ok(BODY)])
    scripted.on(b"/g", [ok(b"g")])
    groups = [
        Group(1, [Download(scripted.url("/f"), tmp_path / "1f"), Download(scripted.url("/g"), tmp_path / "1g")]),
        Group(2, [Download(scripted.url("/f"), tmp_path / "2f")]),
    ]
    found = {group.id: len(reports) async for group, reports in context.downloader(ONCE).download_groups(groups)}
    assert ({1: 2, 2: 1}, 2) == (found, len(scripted.requests))
    assert BODY == (tmp_path / "1f").read_bytes() == (tmp_path / "2f").read_bytes()


@ensureDeferred
async def test_unit_files_with_every_source_and_how_to_validate(
    context: Context, scripted: Scripted, start_scripted: Any, tmp_path: Path
) -> None:
    """A file has every source it can come from, in order, each with its own Remote, and how to validate it."""
    other = await start_scripted()
    other.on(b"/f", [ok(BODY)])
    scripted.on(b"/f", [ok(b"stale")])
    theirs = Remote(user_agent="theirs/1")
    sources = [Source(other.url("/f"), 9, theirs), Source(scripted.url("/f"), 1)]
    report = await context.downloader(ONCE).download(sources, path=tmp_path / "f", digests={"sha256": SHA256})
    assert (sources[0], b"theirs/1") == (report.source, other.requests[0].header(b"User-Agent"))


@ensureDeferred
async def test_progress(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """Progress is told in bytes, with the total where it is known."""
    scripted.on(b"/f", [ok(BODY * 10)])
    seen: list[tuple[int, int | None]] = []
    hooks = Hooks(progress=lambda download, size, total: seen.append((size, total)))
    await context.downloader(ONCE, hooks=hooks).download(scripted.url("/f"), path=tmp_path / "f")
    assert sorted(seen) == seen
    assert (1_000_000, 1_000_000) == seen[-1]
    assert len(seen) > 2


@ensureDeferred
async def test_a_pool_shared_by_everything_with_global_limits(
    scripted: Scripted, start_scripted: Any, reactor: IReactor, tmp_path: Path
) -> None:
    """Three downloaders share one pool; together they never have more connections than its cap."""
    context = Context(reactor, connections=10, per_host=8)
    servers = [scripted, await start_scripted(), await start_scripted()]
    most = 0

    def watch(request: Any) -> Any:
        nonlocal most
        most = max(most, sum(server.live for server in servers))
        return ok(b"x")

    running = []
    for n, server in enumerate(servers):
        server.default = watch
        wanted = [Download(server.url(f"/{i}"), tmp_path / f"{n}-{i}") for i in range(100)]
        running.append(context.downloader(Remote()).download_each(wanted, lambda report: None, 50))
    for each in running:
        assert 100 == (await each).succeeded
    assert most <= 10
    await context.close()


@ensureDeferred
async def test_stopped_downloads_say_so(context: Context, scripted: Scripted, tmp_path: Path) -> None:
    """A download that was stopped is no failure of the file's: its error is a class of its own."""
    scripted.on(b"/f", [(Send(b"HTTP/1.1 200 OK\r\n\r\n"), Stall())])
    running = context.downloader(ONCE).download(scripted.url("/f"), path=tmp_path / "f")
    running.cancel()
    with pytest.raises(Cancelled):
        await running
