"""Real FTP servers: vsftpd, and pyftpdlib in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from attrs import define, field
from twisted.internet.error import ConnectError
from twisted.internet.task import deferLater

from tests.servers.client import Socket
from tests.servers.nginx import free_port
from tests.servers.reactor import IReactor

__all__ = ["FTPServer"]

_TICK = 0.01
_PATIENCE = 30.0

_VSFTPD = """\
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
anon_root={root}
local_enable=NO
seccomp_sandbox=NO
xferlog_enable=YES
vsftpd_log_file={prefix}/vsftpd.log
log_ftp_protocol=YES
{lines}
"""
_TLS = """\
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=YES
force_anon_data_ssl=YES
require_ssl_reuse=YES
ssl_ciphers=HIGH
rsa_cert_file={chain}
rsa_private_key_file={key}
"""

#: Arguments: port, root, log, and perhaps chain and key. The user reader has the password "se cret%".
_PYFTPDLIB = """\
import logging, sys
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.log import config_logging
from pyftpdlib.servers import FTPServer

port, root, log, *tls = sys.argv[1:]
logging.basicConfig(filename=log, level=logging.INFO)
handler = TLS_FTPHandler if tls else FTPHandler
if tls:
    handler.certfile, handler.keyfile = tls
    handler.tls_control_required = handler.tls_data_required = True
handler.auth_failed_timeout = 0
handler.authorizer = DummyAuthorizer()
handler.authorizer.add_user("reader", "se cret%", root)
handler.authorizer.add_anonymous(root)
FTPServer(("127.0.0.1", int(port)), handler).serve_forever()
"""


@define(eq=False, kw_only=True)
class FTPServer:
    """
    One server, for anonymous users.

    :ivar command: path of vsftpd, or None for pyftpdlib.
    :ivar prefix: existing directory for its configuration and log.
    :ivar root: directory of the files.
    :ivar tls: paths of a certificate chain and its key; then nothing goes without TLS, and vsftpd wants connections for
        data to go on with the session of the control connection.
    :ivar lines: more of vsftpd's configuration.
    :ivar port: where it listens, once started.
    """

    reactor: IReactor
    command: str | None
    prefix: Path
    root: Path
    tls: tuple[Path, Path] | None = None
    lines: str = ""
    port: int = field(init=False, default=0)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    async def start(self) -> None:
        """
        Start it and wait until it accepts connections.

        :raises RuntimeError: with its last words, when it ends or does not come up in 10 s.
        """
        self.port = free_port()
        out = (self.prefix / "out").open("w+b")  # vsftpd complains on its standard input
        with out:
            self._process = subprocess.Popen(
                self._vsftpd(self.command) if self.command else self._pyftpdlib(),
                stdin=out,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        deadline = self.reactor.seconds() + _PATIENCE
        while not await self._reached():
            if self._process.poll() is not None or self.reactor.seconds() > deadline:
                raise RuntimeError(f"it does not start:\n{(self.prefix / 'out').read_text()}")
            await deferLater(self.reactor, _TICK)

    async def stop(self) -> None:
        """Stop it, with its children."""
        process, self._process = self._process, None
        if process is None:
            return
        for pid in [process.pid, *_children(process.pid)]:  # vsftpd's are in sessions of their own
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        process.wait()

    def url(self, path: str, userinfo: str = "", host: str = "127.0.0.1") -> str:
        """Give the URL of *path* on this server."""
        return f"{'ftp' if self.tls is None else 'ftps'}://{userinfo}{host}:{self.port}{path}"

    def log(self) -> str:
        """Give what it has logged."""
        path = self.prefix / "vsftpd.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _vsftpd(self, command: str) -> list[str]:
        lines = self.lines
        if self.tls is not None:
            chain, key = self.tls
            lines += "\n" + _TLS.format(chain=chain, key=key)
        path = self.prefix / "vsftpd.conf"
        path.write_text(_VSFTPD.format(port=self.port, root=self.root, prefix=self.prefix, lines=lines))
        return [command, str(path)]

    def _pyftpdlib(self) -> list[str]:
        tls = [str(path) for path in self.tls or ()]
        log = str(self.prefix / "vsftpd.log")
        return [sys.executable, "-W", "ignore", "-c", _PYFTPDLIB, str(self.port), str(self.root), log, *tls]

    async def _reached(self) -> bool:
        try:
            probe = await Socket.to(self.reactor, self.port)
        except ConnectError:
            return False
        await probe.leave()
        return True


def _children(pid: int) -> list[int]:
    """Give the processes that *pid* has started, and those that they have."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], check=True, capture_output=True, text=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed.splitlines())}
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [each for child in found for each in _children(child)]
