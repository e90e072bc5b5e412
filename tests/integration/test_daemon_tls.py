"""A daemon that speaks TLS: to its own client, for content and metrics, and with certificates that are renewed."""

from __future__ import annotations

import re
import signal
import ssl
from pathlib import Path
from urllib.request import urlopen

import pytest
import trustme
from pytest_twisted import ensureDeferred
from twisted.internet.threads import deferToThread

from tests.integration.daemon import Daemon
from tests.integration.process import Start
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, ok

BODY = bytes(range(256)) * 8192  # 2 MiB


class Authority:
    """Who issues the daemon's certificates, by an authority in between."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        root = trustme.CA()
        self._place, self._between = place, root.create_child_ca()
        self.pem = place / "ca.pem"
        root.cert_pem.write_to_path(str(self.pem))

    def issue(self, into: Path | None = None) -> str:
        """Write a certificate with its chain, and its key; return them as options of an endpoint."""
        place, made = into or self._place, self._between.issue_cert("127.0.0.1")
        made.private_key_pem.write_to_path(str(place / "key.pem"))
        (place / "chain.pem").write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
        return f"privateKey={place}/key.pem:certKey={place}/chain.pem"

    async def get(self, url: str) -> bytes:
        """Return what somebody gets at *url* who trusts this authority alone."""

        def ask() -> bytes:
            with urlopen(url, context=ssl.create_default_context(cafile=str(self.pem)), timeout=30) as answer:
                return bytes(answer.read())

        body: bytes = await deferToThread(ask)
        return body


@pytest.mark.limit(120)
@ensureDeferred
async def test_tls(start_command: Start, reactor: IReactor, tmp_path: Path, scripted: Scripted) -> None:
    """Each face can be had over TLS, with the whole chain; SIGHUP renews certificates, but for bad ones."""
    first, second = Authority(tmp_path / "first"), Authority(tmp_path / "second")
    options = first.issue()
    config, at = tmp_path / "settings.toml", f"ssl:0:interface=127.0.0.1:{options}"
    scripted.on(b"/one.bin", [ok(BODY)])
    allowed = f'[ssrf]\nallow = ["127.0.0.1/32"]\nports = [{scripted.port}]\n'
    config.write_text(f'content_listen = ["{at}"]\nmetrics_listen = ["{at}"]\n{allowed}')
    daemon = Daemon(start_command, reactor, tmp_path / "data")
    port = await daemon.start("--config", config, listen=(at,))
    url = f"https://127.0.0.1:{port}"
    assert daemon.token is not None
    (tmp_path / "token").write_text(daemon.token)
    there = "--server", url, "--api-token-file", tmp_path / "token", "--json"

    async def run(*arguments: object) -> tuple[int, str, str]:
        process = start_command(*there, *arguments)
        return await process.ended(), process.out, process.err

    code, out, _ = await run("--server-ca", first.pem, "status")
    assert (0, True) == (code, '"ready"' in out)
    code, _, err = await run("status")
    assert (1, True) == (code, "certificate" in err)
    remote = "--remote", f"http://127.0.0.1:{scripted.port}/"
    assert 0 == (await run("--server-ca", first.pem, "distribution", "create", "d", "--base-path", "d", *remote))[0]
    content, metrics = (
        re.search(rf"serving {what} at (https://\S+)", daemon.process.out)[1]  # type: ignore[index]
        for what in ("content", "metrics")
    )
    assert BODY == await first.get(f"{content}content/d/one.bin")
    assert b"pulpdownloader_ready 1.0" in await first.get(f"{metrics}metrics")

    (tmp_path / "first" / "key.pem").write_text("nonsense")
    daemon.process.send(signal.SIGHUP)
    await daemon.process.until(lambda: "the old settings stay in force" in daemon.process.out)
    assert b"ready" in await first.get(f"{url}/api/v1/ready")
    second.issue(tmp_path / "first")
    daemon.process.send(signal.SIGHUP)
    await daemon.process.until(lambda: 3 <= daemon.process.out.count("the certificate is a new one"))
    assert b"ready" in await second.get(f"{url}/api/v1/ready")
    assert BODY == await second.get(f"{content}content/d/one.bin")
    assert b"pulpdownloader_ready 1.0" in await second.get(f"{metrics}metrics")
    with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
        await first.get(f"{url}/api/v1/ready")
    assert 0 == await daemon.end(signal.SIGTERM)
    assert "" == daemon.process.err
