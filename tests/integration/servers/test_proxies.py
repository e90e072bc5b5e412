"""The real proxies start, stop, say what was wrong, and leave nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import ensureDeferred

from tests.servers.fixtures import StartProxy
from tests.servers.proxies import ProxyServer, danted, directory, microsocks, remove, squid, tinyproxy
from tests.servers.reactor import IReactor


@pytest.mark.parametrize("make", [squid, tinyproxy, microsocks, danted])
@ensureDeferred
async def test_restarted(start_proxy: StartProxy, make: Any) -> None:
    """A proxy can be stopped, and started again at the same port."""
    server = await start_proxy(make)
    port = server.port
    await server.stop()
    await server.stop()
    assert server.log() is not None
    await server.start(port)
    assert (f"{server.scheme}://127.0.0.1:{port}", port) == (server.url, server.port)


@ensureDeferred
async def test_does_not_start(reactor: IReactor, tmp_path: Path) -> None:
    """What ends instead is told with its words."""
    broken = ProxyServer(
        reactor=reactor,
        scheme="http",
        prefix=tmp_path,
        command=lambda port: ["/bin/sh", "-c", "echo a word >&2; exit 3"],
    )
    with pytest.raises(RuntimeError, match="a word"):
        await broken.start()


def test_directory() -> None:
    """Its directory is open to whoever the proxy becomes, and goes with all that is in it."""
    made = directory()
    (made / "file").write_text("x")
    assert 0o777 == made.stat().st_mode & 0o777
    remove(made)
    assert not made.exists()
    remove(made)
