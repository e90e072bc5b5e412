"""The servers that stand in front of an upstream, and the upstream itself, each a process of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from benchmarks.contenders import OURS, Order, ours
from benchmarks.race import Lost
from benchmarks.server import accepts, free_ports

NGINX, PROXY_CACHE, SQUID = "nginx", "nginx proxy_cache", "squid"
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
_NGINX = """\
daemon off;
{user}
worker_processes 1;
pid {work}/nginx.pid;
error_log {work}/error.log;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 3600;
    keepalive_requests 100000000;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
{servers}
}}
"""
_UPSTREAM = """\
    log_format path $uri;
    server {{ listen 127.0.0.1:{fast} backlog=4096; root {root}; }}
    server {{ listen 127.0.0.1:{slow} backlog=4096; root {root}; limit_rate {rate}; access_log {work}/asked path; }}
"""
_CACHE = """\
    proxy_cache_path {work}/cache levels=1:2 keys_zone=races:64m max_size=4g inactive=1h use_temp_path=off;
    upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_cache races;
            proxy_cache_valid 200 1h;
            proxy_cache_lock on;
            proxy_cache_lock_timeout 600s;
            proxy_cache_lock_age 600s;
        }}
    }}
"""
_SQUID = """\
http_port 127.0.0.1:{port} accel defaultsite=127.0.0.1 no-vhost
cache_peer 127.0.0.1 parent {origin} 0 no-query no-digest originserver
pid_filename none
access_log none
cache_log {work}/cache.log
cache_mem 1536 MB
maximum_object_size 1200 MB
maximum_object_size_in_memory 1200 MB
memory_cache_shared off
collapsed_forwarding on
refresh_pattern . 60 100% 60
coredump_dir {work}
netdb_filename none
shutdown_lifetime 0 seconds
{user}
http_access allow all
"""


def program(name: str) -> str | None:
    """Return the path of the server *name*, if it is installed."""
    return shutil.which(name, path=_PATH)


@frozen
class Front:
    """
    A server that runs.

    :ivar name: as the tables have it.
    :ivar port: of 127.0.0.1, where it listens.
    :ivar prefix: what paths begin with.
    :ivar pid: of its process; the one that serves is this or its only child.
    """

    name: str
    port: int
    prefix: str
    pid: int


@frozen
class Origin:
    """
    The upstream.

    :ivar root: what it serves.
    :ivar fast: port without a limit, which is also the contender of stored files.
    :ivar slow: port that gives each connection only so much, and counts.
    :ivar log: of the requests to the slow one.
    :ivar pid: of its process.
    """

    root: Path
    fast: int
    slow: int
    log: Path
    pid: int

    def asked(self, path: str) -> int:
        """Return how often the slow port was asked for *path*."""
        return self.log.read_text().splitlines().count(path)


@contextmanager
def origin(work: Path, root: Path, rate: int) -> Iterator[Origin]:
    """Serve *root* by nginx for as long as the block runs; *rate* is the bytes a second of the slow port."""
    work.mkdir()
    fast, slow = free_ports()
    servers = _UPSTREAM.format(fast=fast, slow=slow, root=root, rate=rate, work=work)
    with _nginx(work, servers, slow) as pid:
        yield Origin(root, fast, slow, work / "asked", pid)


@contextmanager
def front(name: str, work: Path, port: int, order: Order) -> Iterator[Front]:
    """
    Run the cache *name*, which has nothing yet, in front of the upstream at *port*.

    :param work: a directory that is made, and removed at the end.
    :param order: the environment.
    """
    work.mkdir()
    try:
        with {OURS: _ours, PROXY_CACHE: _proxy_cache, SQUID: _squid}[name](work, port, order) as running:
            yield running
    finally:
        shutil.rmtree(work)


@contextmanager
def _ours(work: Path, port: int, order: Order) -> Iterator[Front]:
    told(
        order,
        work,
        "distribution",
        "create",
        "races",
        "--base-path",
        "races",
        "--remote",
        f"http://127.0.0.1:{port}/",
        "--immutable",
        "*.bin",
    )
    with serving(work, order) as running:
        yield running


def told(order: Order, data: Path, *arguments: str) -> None:
    """
    Run our command on the directory *data*, to its end.

    :raises Lost: when it fails.
    """
    done = subprocess.run(
        ours("--data", str(data / "data"), *arguments), check=False, capture_output=True, env=order.environment
    )
    if done.returncode:
        raise Lost(f"exit status {done.returncode} of {arguments[:2]}\n{done.stderr.decode(errors='replace')[-2000:]}")


@contextmanager
def serving(work: Path, order: Order) -> Iterator[Front]:
    """Serve the distribution ``races`` of the data directory in *work*."""
    port, _ = free_ports()
    command = ours("--data", str(work / "data"), "serve", "--quiet", "--listen", f"tcp:{port}:interface=127.0.0.1")
    with (work / "said").open("wb") as said, _process(command, port, work / "said", said, order.environment) as pid:
        yield Front(OURS, port, "/content/races/", pid)


@contextmanager
def _proxy_cache(work: Path, port: int, _: Order) -> Iterator[Front]:
    own = free_ports()[0]
    with _nginx(work, _CACHE.format(work=work, origin=port, port=own), own) as pid:
        yield Front(PROXY_CACHE, own, "/", pid)


@contextmanager
def _nginx(work: Path, servers: str, port: int) -> Iterator[int]:
    path = program("nginx")
    assert path is not None
    user = "user root;" if os.getuid() == 0 else ""  # nobody may not read a private temporary directory
    config, log = work / "nginx.conf", work / "error.log"
    config.write_text(_NGINX.format(user=user, work=work, servers=servers))
    with _process([path, "-c", str(config), "-e", str(log)], port, log) as pid:
        yield pid


@contextmanager
def _squid(work: Path, port: int, _: Order) -> Iterator[Front]:
    path, own = program("squid"), free_ports()[0]
    assert path is not None
    user = ""
    if os.getuid() == 0:  # it does not run as root
        who = next(each.pw_name for each in pwd.getpwall() if each.pw_name in {"proxy", "squid", "nobody"})
        user = f"cache_effective_user {who}"
        for directory in (work.parent, work):
            directory.chmod(0o711)
        shutil.chown(work, who)
    config = work / "squid.conf"
    config.write_text(_SQUID.format(port=own, origin=port, work=work, user=user))
    with _process([path, "-N", "-n", f"races{own}", "-f", str(config)], own, work / "cache.log") as pid:
        yield Front(SQUID, own, "/", pid)


@contextmanager
def _process(
    command: list[str], port: int, log: Path, said: object = subprocess.DEVNULL, environ: dict[str, str] | None = None
) -> Iterator[int]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environ)  # type: ignore[call-overload]
    try:
        if not accepts(process, port):
            raise RuntimeError(f"{command[0]} does not start:\n{log.read_text() if log.exists() else ''}")
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
