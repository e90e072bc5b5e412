"""Real proxies, each in a directory and on a port of its own: squid, tinyproxy, microsocks and danted."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import define, field
from twisted.internet.error import ConnectError
from twisted.internet.task import deferLater

from tests.servers.client import Socket
from tests.servers.nginx import free_port
from tests.servers.programs import require
from tests.servers.reactor import IReactor

_starts = itertools.count()
_TICK = 0.01
_PATIENCE = 30.0
#: What proxies that want credentials take.
USERNAME, PASSWORD = "user", "S3CR3T-proxy"

_SQUID = """\
{auth}
{port_line}
pid_filename none
logformat seen %rm %ru %>Hs %>p "%{{Proxy-Authorization}}>h" "%{{Authorization}}>h"
access_log stdio:{prefix}/access.log seen
logfile_rotate 0
buffered_logs off
cache_log {prefix}/cache.log
cache deny all
cache_mem 0 MB
memory_cache_shared off
coredump_dir {prefix}
netdb_filename none
shutdown_lifetime 0 seconds
{user}
http_access allow {who}
http_access deny all
"""
_SQUID_AUTH = """\
auth_param basic program /bin/sh {prefix}/auth.sh
auth_param basic children 2 startup=0 idle=1
acl known proxy_auth REQUIRED
"""
_AUTH_SH = """\
while read -r user password; do
  if [ "$user $password" = "%s %s" ]; then echo OK; else echo ERR; fi
done
"""
_TINYPROXY = """\
Port {port}
Listen 127.0.0.1
Timeout 60
LogFile "{prefix}/access.log"
LogLevel Connect
MaxClients 200
{auth}
"""
_DANTED = """\
logoutput: {prefix}/access.log
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
clientmethod: none
socksmethod: {method}
user.privileged: {user}
user.unprivileged: {user}
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 log: connect error }}
"""


@define(eq=False, kw_only=True)
class ProxyServer:
    """
    One proxy.

    :ivar scheme: of the URL that reaches it.
    :ivar prefix: its directory.
    :ivar command: returns what starts it on a port, in the foreground.
    :ivar credentials: whether it wants `USERNAME` and `PASSWORD`.
    :ivar port: where it listens, once started.
    """

    reactor: IReactor
    scheme: str
    prefix: Path
    command: Callable[[int], Sequence[str]]
    credentials: bool = False
    port: int = field(init=False, default=0)
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    async def start(self, port: int = 0) -> None:
        """
        Start it and wait until it accepts connections.

        :param port: 0 for any that is free.
        :raises RuntimeError: with what it says, when it ends or does not come up in 10 s.
        """
        for _ in range(1 if port else 3):  # the free port may be gone when it gets there
            self.port = port or free_port()
            with open(self.prefix / "said", "wb") as said:
                self._process = subprocess.Popen(
                    self.command(self.port),
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
            if await self._accepts():
                return
            await self.stop()
        raise RuntimeError(f"{self.command(0)[0]} does not start:\n{self.log()}")

    async def stop(self, signal_number: int = signal.SIGTERM) -> None:
        """Stop it, and return when it has gone; by force after 10 s."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            os.killpg(process.pid, signal_number)
        deadline = self.reactor.seconds() + _PATIENCE
        while process.poll() is None and self.reactor.seconds() < deadline:
            await deferLater(self.reactor, _TICK)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @property
    def url(self) -> str:
        """Its URL, without credentials."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def log(self) -> str:
        """Give everything that it has said."""
        files = [self.prefix / name for name in ("access.log", "cache.log", "said")]
        return "\n".join(each.read_text(errors="replace") for each in files if each.exists())

    async def _accepts(self) -> bool:
        assert self._process is not None
        deadline = self.reactor.seconds() + _PATIENCE
        while self._process.poll() is None and self.reactor.seconds() < deadline:
            try:
                probe = await Socket.to(self.reactor, self.port)
            except ConnectError:
                await deferLater(self.reactor, _TICK)
            else:
                await probe.leave()
                return True
        return False


def directory() -> Path:
    """Make a directory that a proxy which gives up root's rights can still reach; the caller removes it."""
    made = Path(tempfile.mkdtemp(prefix="proxy-", dir="/tmp"))
    made.chmod(0o777)
    return made


def squid(
    reactor: IReactor, prefix: Path, *, credentials: bool = False, tls: tuple[Path, Path] | None = None
) -> ProxyServer:
    """
    Return squid, not started.

    :param tls: paths of a certificate chain and its key: the proxy itself speaks TLS.
    """
    program = require("squid")
    (prefix / "auth.sh").write_text(_AUTH_SH % (USERNAME, PASSWORD))
    if tls is not None:
        tls = _readable(tls[0], prefix / "chain.pem"), _readable(tls[1], prefix / "key.pem")
    return ProxyServer(
        reactor=reactor,
        scheme="http" if tls is None else "https",
        prefix=prefix,
        command=lambda port: _squid(program, prefix, port, credentials, tls),
        credentials=credentials,
    )


def _readable(path: Path, copy: Path) -> Path:
    copy.write_bytes(path.read_bytes())
    copy.chmod(0o644)
    return copy


def _squid(program: str, prefix: Path, port: int, credentials: bool, tls: tuple[Path, Path] | None) -> list[str]:
    line = f"http_port 127.0.0.1:{port}"
    if tls is not None:
        line = f"https_port 127.0.0.1:{port} tls-cert={tls[0]} tls-key={tls[1]}"
    config = prefix / "squid.conf"
    config.write_text(
        _SQUID.format(
            prefix=prefix,
            port_line=line,
            auth=_SQUID_AUTH.format(prefix=prefix) if credentials else "",
            who="known" if credentials else "all",
            user=f"cache_effective_user {_somebody()}" if os.getuid() == 0 else "",
        )
    )
    # Its shared memory is called after the service, and a squid that was killed leaves it behind.
    return [program, "-N", "-n", f"{_service(prefix)}x{next(_starts)}", "-f", str(config)]


def _service(prefix: Path) -> str:
    return "".join(filter(str.isalnum, prefix.name))


def _somebody() -> str:
    known = {each.pw_name for each in pwd.getpwall()}
    return "proxy" if "proxy" in known else "nobody"


def tinyproxy(reactor: IReactor, prefix: Path, *, credentials: bool = False) -> ProxyServer:
    """Return tinyproxy, not started."""
    program, config = require("tinyproxy"), prefix / "tinyproxy.conf"

    def command(port: int) -> list[str]:
        auth = f"BasicAuth {USERNAME} {PASSWORD}" if credentials else ""
        config.write_text(_TINYPROXY.format(port=port, prefix=prefix, auth=auth))
        return [program, "-d", "-c", str(config)]

    return ProxyServer(reactor=reactor, scheme="http", prefix=prefix, command=command, credentials=credentials)


def microsocks(reactor: IReactor, prefix: Path, *, credentials: bool = False, scheme: str = "socks5h") -> ProxyServer:
    """Return microsocks, not started."""
    program = require("microsocks")
    who = ["-u", USERNAME, "-P", PASSWORD] if credentials else []
    return ProxyServer(
        reactor=reactor,
        scheme=scheme,
        prefix=prefix,
        command=lambda port: [program, "-i", "127.0.0.1", "-p", str(port), *who],
        credentials=credentials,
    )


def danted(reactor: IReactor, prefix: Path, *, method: str = "none", scheme: str = "socks5h") -> ProxyServer:
    """
    Return danted, not started.

    :param method: what it wants to know of its clients: none, or username, which only users of the system have.
    """
    program, config = require("danted"), prefix / "danted.conf"

    def command(port: int) -> list[str]:
        user = pwd.getpwuid(os.getuid()).pw_name
        config.write_text(_DANTED.format(port=port, prefix=prefix, method=method, user=user))
        return [program, "-f", str(config), "-p", str(prefix / "danted.pid")]

    return ProxyServer(reactor=reactor, scheme=scheme, prefix=prefix, command=command)


def remove(prefix: Path) -> None:
    """Remove a directory of `directory`, and what a squid that was killed leaves elsewhere."""
    shutil.rmtree(prefix, ignore_errors=True)
    for left in Path("/dev/shm").glob(f"{_service(prefix)}x*"):
        left.unlink(missing_ok=True)
