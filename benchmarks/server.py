"""The nginx that all contenders fetch from, with and without TLS."""

from __future__ import annotations

import datetime
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

_PATIENCE = 10.0
# Without access log and with sendfile, it costs the machine as little as a server can.
_CONFIG = """\
daemon off;
{user}
worker_processes 1;
pid {work}/nginx.pid;
error_log {work}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000;
    client_body_temp_path {work}/body;
    proxy_temp_path {work}/proxy;
    fastcgi_temp_path {work}/fastcgi;
    uwsgi_temp_path {work}/uwsgi;
    scgi_temp_path {work}/scgi;
    ssl_certificate {work}/certificate.pem;
    ssl_certificate_key {work}/key.pem;
    ssl_session_cache shared:races:1m;
    server {{
        listen 127.0.0.1:{plain} backlog=4096;
        listen 127.0.0.1:{secure} ssl backlog=4096;
        root {root};
        limit_rate {rate}m;
    }}
}}
"""


@frozen
class Server:
    """
    A server that runs.

    :ivar http: its URL without TLS.
    :ivar https: its URL with TLS.
    :ivar certificate: PEM file to trust.
    """

    http: str
    https: str
    certificate: Path


@contextmanager
def serving(program: str, work: Path, root: Path, rate: int = 0) -> Iterator[Server]:
    """
    Serve *root* for as long as the block runs.

    :param program: path of nginx.
    :param work: existing directory for its configuration, logs and certificate.
    :param rate: MiB a second that each connection gets; 0 is no limit.
    :raises RuntimeError: with its error log, when it does not start.
    """
    plain, secure = free_ports()
    _write_certificate(work)
    user = "user root;" if os.getuid() == 0 else ""  # nobody may not read a private temporary directory
    config = work / "nginx.conf"
    config.write_text(_CONFIG.format(user=user, work=work, root=root, plain=plain, secure=secure, rate=rate))
    log = work / "error.log"
    process = subprocess.Popen([program, "-c", config, "-e", log], stderr=subprocess.DEVNULL)
    try:
        if not accepts(process, plain):
            raise RuntimeError(f"nginx does not start:\n{log.read_text() if log.exists() else ''}")
        yield Server(f"http://127.0.0.1:{plain}", f"https://localhost:{secure}", work / "certificate.pem")
    finally:
        process.terminate()
        process.wait()


def free_ports() -> tuple[int, int]:
    """Return two ports that nobody listens at."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def accepts(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until *process* accepts connections at *port*; return whether it does."""
    end = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False


def _write_certificate(directory: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (directory / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "key.pem").write_bytes(secret)
