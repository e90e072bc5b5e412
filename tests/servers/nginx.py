"""The real nginx, in the foreground, in a directory and on a port of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field
from twisted.internet.error import ConnectError
from twisted.internet.task import deferLater

from tests.servers.client import Socket
from tests.servers.reactor import IReactor

_TICK = 0.01
_PATIENCE = 30.0

_CONFIG = """\
daemon off;
{user}
pid {prefix}/nginx.pid;
worker_processes {workers};
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
    log_format brief '$request_method $request_uri $status $body_bytes_sent $http_range';
    access_log {prefix}/access.log brief;
    client_body_temp_path {prefix}/client_body;
    proxy_temp_path {prefix}/proxy;
    fastcgi_temp_path {prefix}/fastcgi;
    uwsgi_temp_path {prefix}/uwsgi;
    scgi_temp_path {prefix}/scgi;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    {ranges}
    {http}
    server {{
        listen 127.0.0.1:{port}{ssl};
        root {root};
        {server}
    }}
}}
"""


def free_port() -> int:
    """Find a port of 127.0.0.1 that nobody listens on; it may be taken before it is used."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@define(eq=False, kw_only=True)
class Nginx:
    """
    One nginx that serves files.

    :ivar program: path of the nginx program.
    :ivar prefix: existing directory for its configuration, logs and temporary files.
    :ivar root: directory of the files.
    :ivar tls: paths of a certificate chain and its key, None for plain HTTP.
    :ivar ranges: False ignores Range headers.
    :ivar lines: configuration lines for the server block, such as ``limit_rate 1m;``.
    :ivar http: lines beside the server block, such as ``upstream name { ... }``.
    :ivar http2: whether it speaks HTTP/2 too, by ALPN; needs *tls*.
    :ivar workers: worker processes.
    :ivar port: where it listens, once started.
    """

    reactor: IReactor
    program: str
    prefix: Path
    root: Path
    tls: tuple[Path, Path] | None = None
    ranges: bool = True
    lines: Sequence[str] = ()
    http: Sequence[str] = ()
    http2: bool = False
    workers: int = 1
    port: int = field(init=False, default=0)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    async def start(self) -> None:
        """
        Start it and wait until it accepts connections.

        :raises RuntimeError: with its error log, when it ends or does not come up in 10 s.
        """
        for _ in range(3):  # the free port may be gone when nginx gets there
            self.port = free_port()
            self._launch()
            if await self._accepts():
                return
            await self.stop()
            if "Address already in use" not in self.errors():
                break
        raise RuntimeError(f"nginx does not start:\n{self.errors()}")

    async def stop(self, signal_number: int = signal.SIGTERM) -> None:
        """Stop it, workers included, and return when it has gone; by force after 10 s."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal_number)
        deadline = self.reactor.seconds() + _PATIENCE
        while process.poll() is None and self.reactor.seconds() < deadline:
            await deferLater(self.reactor, _TICK)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """Give the URL of *path* on this server."""
        return f"{'http' if self.tls is None else 'https'}://{host}:{self.port}{path}"

    def log(self) -> list[str]:
        """Give the requests served so far, as ``METHOD target status bytes range``."""
        path = self.prefix / "access.log"
        return path.read_text().splitlines() if path.exists() else []

    def errors(self) -> str:
        """Give its error log."""
        path = self.prefix / "error.log"
        return path.read_text() if path.exists() else ""

    def _launch(self) -> None:
        path = self.prefix / "nginx.conf"
        path.write_text(self._config())
        command = [self.program, "-p", str(self.prefix), "-c", str(path), "-e", str(self.prefix / "error.log")]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _config(self) -> str:
        lines = list(self.lines)
        if self.tls is not None:
            chain, key = self.tls
            lines += [f"ssl_certificate {chain};", f"ssl_certificate_key {key};"]
        return _CONFIG.format(
            user="user root;" if os.getuid() == 0 else "",  # nobody may not read a private temporary directory
            prefix=self.prefix,
            workers=self.workers,
            ranges="" if self.ranges else "max_ranges 0;",
            port=self.port,
            ssl="" if self.tls is None else " ssl http2" if self.http2 else " ssl",
            root=self.root,
            http="\n    ".join(self.http),
            server="\n        ".join(lines),
        )

    async def _accepts(self) -> bool:
        """Wait until a connection is accepted; tell whether that came before the end and in time."""
        assert self._process is not None
        deadline = self.reactor.seconds() + _PATIENCE
        while self._process.poll() is None and self.reactor.seconds() < deadline:
            if await self._reached():
                return True
            await deferLater(self.reactor, _TICK)
        return False

    async def _reached(self) -> bool:
        try:
            probe = await Socket.to(self.reactor, self.port)
        except ConnectError:
            return False
        await probe.leave()
        return True
