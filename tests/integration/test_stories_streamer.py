"""The stories that streamers told; each is a test of that name, against what serves distributions."""

from __future__ import annotations

import hashlib
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.defer import Deferred, gatherResults

from tests.integration.content_site import Content, Lazy, content
from tests.servers.fixtures import StartScripted
from tests.servers.ftp import FTP
from tests.servers.scripted import Scripted, Send, Until, cut, ok, ranged, status
from tests.servers.tls import Authority
from twisted_pulp.catalog import sources
from twisted_pulp.settings import TLS

__all__ = ["content"]

BODY = hashlib.shake_256(b"streamer").digest(1_500_000)
SHA256 = hashlib.sha256(BODY).hexdigest()


@ensureDeferred
async def test_fetch_files_with_the_implementation_left_to_the_importer(
    content: Content, scripted_tls: Scripted, tls: Authority
) -> None:
    """As a streamer, I can fetch files of published artifacts, by whatever protocol, settings and credentials."""
    scripted_tls.on(b"/f", [cut(ok(BODY), 500_000), ranged(BODY)])
    trust = TLS(ca_cert=str(tls.ca_file))
    remote = await content.remote(scripted_tls.url("/"), tls=trust, username="me", password="S3CR3T")
    await content.repository({"f": Lazy(BODY, (scripted_tls.url("/f"),))})
    await content.catalog.write(sources.save, [sources.NewSource(1, scripted_tls.url("/f"), remote)])
    await content.distribute("d", "r")
    got = await content.get("d/f")
    assert (200, BODY, True) == (got.status, got.body, got.whole)
    sent = b"Basic " + b64encode(b"me:S3CR3T")
    assert {sent} == {dict(request.headers)[b"Authorization"] for request in scripted_tls.requests}
    assert "S3CR3T" not in str(got.headers)


@pytest.mark.parametrize("protocol", ["http", "https", "ftp", "file"])
@ensureDeferred
async def test_any_protocol_the_importer_supports(
    content: Content,
    scripted: Scripted,
    scripted_tls: Scripted,
    ftp: FTP,
    tls: Authority,
    tmp_path: Path,
    protocol: str,
) -> None:
    """As a streamer, I can serve over any protocol that the importer supports."""
    root = tmp_path / "upstream"
    root.mkdir()
    (root / "f.deb").write_bytes(BODY)
    ftp.files[b"f.deb"] = BODY
    for server in (scripted, scripted_tls):
        server.on(b"/f.deb", [ok(BODY)])
    urls = {"http": scripted.url("/"), "https": scripted_tls.url("/"), "ftp": ftp.url("/"), "file": root.as_uri() + "/"}
    fields: dict[str, Any] = {"tls": TLS(ca_cert=str(tls.ca_file)), "file_roots": (str(root),)}
    await content.distribute("d", remote_id=await content.remote(urls[protocol], **fields))
    for _ in range(2):
        got = await content.get("d/f.deb")
        assert (200, BODY, True) == (got.status, got.body, got.whole)
        part = await content.get("d/f.deb", "Range: bytes=-5")
        assert (206, BODY[-5:]) == (part.status, part.body)


@pytest.mark.parametrize("policy", ["on_demand", "streamed"])
@pytest.mark.parametrize("asked", ["0-", "100-200", "-1", "1499999-"])
@ensureDeferred
async def test_validate(content: Content, scripted: Scripted, policy: str, asked: str) -> None:
    """As a streamer, I can be sure that what my clients have in full is what it must be."""
    scripted.on(b"/f", [ok(BODY[:1_000_000] + b"?" + BODY[1_000_001:])])
    await content.repository({"f": Lazy(BODY, (scripted.url("/f"),))})
    await content.distribute("d", "r", policy=policy)
    got = await content.get("d/f", f"Range: bytes={asked}")
    assert not got.whole or got.status == 502
    assert set() == await content.storage.has([SHA256, hashlib.sha256(got.body).hexdigest()])


@ensureDeferred
async def test_share_resources_without_knowing_of_them(content: Content, scripted: Scripted) -> None:
    """As a streamer, I share connections, caps and transfers with everybody else without knowing of them."""
    go: Deferred[None] = Deferred()
    bodies = {f"{number}.deb": b"%d" % number * 2000 for number in range(30)}
    for name, body in bodies.items():
        scripted.on(b"/" + name.encode(), [(Until(go), *ok(body))])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/")))
    getting = [Deferred.fromCoroutine(content.get(f"d/{name}")) for name in bodies for _ in range(3)]
    downloading = [content.context.downloader().download(scripted.url(f"/{name}")) for name in bodies]
    go.callback(None)
    for got, body in zip(
        await gatherResults(getting), [each for each in bodies.values() for _ in range(3)], strict=True
    ):
        assert (200, body) == (got.status, got.body)
    await gatherResults(downloading)
    assert 2 * len(bodies) == len(scripted.requests)
    assert scripted.high_water <= 8


@ensureDeferred
async def test_mirror_lists_and_other_complexity_left_to_the_importer(
    content: Content, start_scripted: StartScripted, scripted: Scripted
) -> None:
    """As a streamer, I leave mirror lists, and which mirror is well, to the importer."""
    dead, good = await start_scripted(), await start_scripted()
    dead.on(b"/m/f.deb", [status(500)])
    for server in (good, scripted):
        server.on(b"/m/f.deb", [ok(BODY)])
    scripted.on(b"/list", [ok(f"{dead.url('/m/')}\n{good.url('/m/')}\n".encode())])
    scripted.on(b"/up/f.deb", [status(503)])
    remote = await content.remote(scripted.url("/up/"), mirror_list=scripted.url("/list"))
    await content.distribute("d", remote_id=remote)
    got = await content.get("d/f.deb")
    assert (200, BODY, True) == (got.status, got.body, got.whole)
    assert 1 == len(good.requests)


@ensureDeferred
async def test_pass_the_bit_stream_without_a_file_on_disk(content: Content, scripted: Scripted, tmp_path: Path) -> None:
    """As a streamer, I can pass the bit stream on to the response, and no file is ever written."""
    go: Deferred[None] = Deferred()
    whole = b"".join(step.data for step in ok(BODY) if isinstance(step, Send))
    scripted.on(b"/f.deb", [(Send(whole[:700_000]), Until(go), Send(whole[700_000:]))])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/")), policy="streamed")
    before = files_below(tmp_path / "storage")
    client = await content.client("d/f.deb")
    await client.heard(600_000)  # it flows before all of it is here
    assert before == files_below(tmp_path / "storage")
    go.callback(None)
    received = await client.heard_all()
    assert received.endswith(BODY)
    assert before == files_below(tmp_path / "storage")


def files_below(directory: Path) -> set[Path]:
    """Return the files there are."""
    return {path for path in directory.rglob("*") if path.is_file()}


@ensureDeferred
async def test_forward_the_upstreams_headers(content: Content, scripted: Scripted) -> None:
    """As a streamer, I forward the upstream's headers, before data, and those only that are meant for my clients."""
    headers = [
        (b"Content-Type", b"application/x-thing; a=b"),
        (b"Last-Modified", b"Thu, 21 Oct 2021 12:34:56 GMT"),
        (b"Content-Language", b"en"),
        (b"ETag", b'"theirs"'),
        (b"Set-Cookie", b"a=S3CR3T"),
        (b"Connection", b"X-Private, keep-alive"),
        (b"X-Private", b"S3CR3T"),
        (b"Trailer", b"X"),
        (b"Location", b"http://internal/"),
    ]
    go: Deferred[None] = Deferred()
    whole = b"".join(step.data for step in ok(BODY, headers) if isinstance(step, Send))
    scripted.on(b"/f.deb", [(Send(whole[:-100]), Until(go), Send(whole[-100:]))])
    await content.distribute("d", remote_id=await content.remote(scripted.url("/")))
    client = await content.client("d/f.deb")
    while b"\r\n\r\n" not in client.received:
        await client.heard(len(client.received) + 1)
    head = bytes(client.received).partition(b"\r\n\r\n")[0].lower()
    for line in (b"content-type: application/x-thing; a=b", b'etag: "theirs"', b"content-language: en"):
        assert line in head
    assert b"last-modified: thu, 21 oct 2021 12:34:56 gmt" in head
    assert b"content-length: %d" % len(BODY) in head
    for name in (b"set-cookie", b"s3cr3t", b"x-private", b"trailer", b"location"):
        assert name not in head
    go.callback(None)
    assert (await client.heard_all()).endswith(BODY)


SWARM = '''
import treq
from twisted.internet.defer import Deferred
from twisted.web.client import Agent
from twisted.web.error import SchemeNotSupported


class Swarm:
    """Peers that are asked in turn, under names of their own."""

    peers = []
    asked = []

    def __init__(self, reactor, remote):
        self._agent = Agent(reactor)

    def request(self, method, uri, headers=None, bodyProducer=None):
        return Deferred.fromCoroutine(self._request(method, uri, headers))

    async def _request(self, method, uri, headers):
        name = uri.rpartition(b"/")[2]
        for peer in self.peers:
            self.asked.append((peer, name))
            response = await self._agent.request(method, peer + b"/piece-" + name, headers)
            if response.code < 400:
                return response
            await treq.content(response)
        raise SchemeNotSupported("no peer has it")
'''


@ensureDeferred
async def test_use_the_importers_own_custom_logic(
    content: Content,
    start_scripted: StartScripted,
    scripted: Scripted,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As a streamer, I serve what a third party's scheme with mirror logic of its own brings, as a black box."""
    info = tmp_path / "pulp_swarm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pulp-swarm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[twisted_pulp.schemes]\nswarm = pulp_swarm_of_a_test:Swarm\n")
    (tmp_path / "pulp_swarm_of_a_test.py").write_text(SWARM)
    monkeypatch.syspath_prepend(tmp_path)
    empty = await start_scripted()
    bodies = {"through/f.deb": BODY, "version/g": BODY[1:]}
    for path, body in bodies.items():
        scripted.on(b"/piece-" + path.rpartition("/")[2].encode(), [ok(body)])
    await content.distribute("through", remote_id=await content.remote("swarm://any/"))
    await content.repository({"g": Lazy(BODY[1:], ("swarm://any/g",))})
    await content.distribute("version", "r")
    import pulp_swarm_of_a_test  # type: ignore[import-not-found]

    pulp_swarm_of_a_test.Swarm.peers = [empty.url("").encode(), scripted.url("").encode()]
    for path, body in bodies.items():
        got = await content.get(path)
        assert (200, body, True) == (got.status, got.body, got.whole)
        part = await content.get(path, "Range: bytes=5-9")
        assert (206, body[5:10]) == (part.status, part.body)
    assert [b"f.deb"] * 2 + [b"g"] * 2 == [name for _, name in pulp_swarm_of_a_test.Swarm.asked]
    del sys.modules["pulp_swarm_of_a_test"]
