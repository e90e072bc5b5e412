"""The FTP servers themselves: the scripted one, and those that are real."""

from __future__ import annotations

import subprocess

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.task import deferLater

from tests.servers.client import Connect
from tests.servers.corpus import Corpus
from tests.servers.fixtures import StartFTPServer
from tests.servers.ftp import FTP, cut
from tests.servers.reactor import IReactor


@ensureDeferred
async def test_scripted(ftp: FTP, connect: Connect, reactor: IReactor) -> None:
    """It says what it is told, and else what it should, and remembers what it was asked."""
    ftp.files[b"f"] = b"f" * 10
    ftp.on("TYPE", [b"500 no", None])
    ftp.on("RETR", [cut(4, b"426 gone")])
    client = await connect(ftp)
    client.send(b"TYPE I\r\nTYPE I\r\nSIZE f\r\nSIZE g\r\nNOOP\r\nEPSV\r\n")
    while b"229" not in client.received:
        await deferLater(reactor, 0.01)
    said = bytes(client.received).split(b"\r\n")
    assert [b"220 ready", b"500 no", b"200 so be it", b"213 10", b"550 none", b"502 what?"] == said[:6]
    port = int(said[6].split(b"|")[3])
    client.send(b"RETR f\r\n")
    data = await connect(type("Listening", (), {"port": port}))
    assert b"ffff" == await data.heard_all()
    assert ["TYPE", "TYPE", "SIZE", "SIZE", "NOOP", "EPSV", "RETR"] == ftp.verbs()
    assert (1, [b"f", b"g"], 1) == (ftp.accepted, ftp.said("SIZE"), ftp.datas)


@pytest.mark.parametrize("kind", ["vsftpd", "pyftpdlib"])
@ensureDeferred
async def test_stops(
    start_ftp_server: StartFTPServer, corpus: Corpus, connect: Connect, reactor: IReactor, kind: str
) -> None:
    """When it is stopped, what it started for its clients is gone too."""
    server = await start_ftp_server(kind, corpus.root)
    client = await connect(server)
    client.send(b"USER anonymous\r\nPASS a@\r\n")
    while b"230" not in client.received:
        await deferLater(reactor, 0.01)
    await server.stop()
    await client.heard_all()
    listed = subprocess.run(["ps", "-A", "-o", "args="], check=True, capture_output=True, text=True).stdout
    assert str(server.prefix) not in listed


@ensureDeferred
async def test_wrong_configuration(start_ftp_server: StartFTPServer, corpus: Corpus) -> None:
    """When it does not start, the reason is told."""
    with pytest.raises(RuntimeError, match="no_such_thing"):
        await start_ftp_server("vsftpd", corpus.root, lines="no_such_thing=YES")
