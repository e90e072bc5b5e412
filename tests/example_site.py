"""
The site that README's and the docs' examples fetch from, as `https://mirror.example` and `https://other.example`.

These files are there, and their digests never change:

| path | bytes | sha256 |
|---|---|---|
| /pool/empty.bin | 0 | e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 |
| /pool/hello.txt | 15 | bbe466b28ca85d8b15cd6a612943893cffde4bebe8140d8c01cdcc6f5979f2d4 |
| /pool/a.bin | 4096 | c8f5d0341d54d951a71b136e6e2afcb14d11ed8489a7ae126a8fee0df6ecf193 |
| /pool/b.bin | 65536 | 22fb1d9f8b2574684a11d8fa40d94d55cabfcac2d327d9373491be51ad3be467 |
| /pool/c.bin | 1048576 | aca1cd027e979588d14b877b7b0cb8585ad9fec599eb45801992ee5382b3760f |

Lists of all of them, for `-i`:

- /pool/PULP_MANIFEST: `name,sha256,bytes` lines.
- /pool/SHA256SUMS: as sha256sum writes it.
- /files.jsonl: JSON lines with `url`, `path`, `size` and `digests`.
- /urls.txt: plain URLs.
- /index.json: `{"files": [{"name", "url", "size", "sha256"}, ...]}`, for code that reads JSON; its URLs are relative.

And some that misbehave:

- /moved/NAME redirects to /pool/NAME.
- /flaky/NAME answers 503 to the first request, then as /pool/NAME.
- /private/NAME is /pool/NAME for the user `reader` with the password `secret`.
- Everything else is 404.

All of it answers GET and HEAD, with a strong ETag, ranges, If-Range and If-None-Match.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

MIRROR = "https://mirror.example"

POOL = {
    "empty.bin": b"",
    "hello.txt": b"Hello, mirror!\n",
    "a.bin": bytes(range(256)) * 16,
    "b.bin": b"abcdefghijklmnop" * 4096,
    "c.bin": b"0123456789abcdef" * 65536,
}


def sha256(data: bytes) -> str:
    """Return the digest in hex."""
    return hashlib.sha256(data).hexdigest()


def lists(base: str) -> dict[str, bytes]:
    """Return path -> content of the lists, whose URLs begin with *base*."""
    entries = [
        {"url": f"{base}/pool/{name}", "path": name, "size": len(data), "digests": {"sha256": sha256(data)}}
        for name, data in POOL.items()
    ]
    index = [
        {"name": name, "url": f"pool/{name}", "size": len(data), "sha256": sha256(data)} for name, data in POOL.items()
    ]
    return {
        "/files.jsonl": "".join(json.dumps(each) + "\n" for each in entries).encode(),
        "/urls.txt": "".join(f"{base}/pool/{name}\n" for name in POOL).encode(),
        "/pool/PULP_MANIFEST": "".join(f"{name},{sha256(data)},{len(data)}\n" for name, data in POOL.items()).encode(),
        "/pool/SHA256SUMS": "".join(f"{sha256(data)}  {name}\n" for name, data in POOL.items()).encode(),
        "/index.json": json.dumps({"files": index}).encode(),
    }


class Site(ThreadingHTTPServer):
    """The site on a port of its own; `base` is what its URLs begin with."""

    # Closing waits for the threads: none outlives its test.
    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.base = f"http://127.0.0.1:{self.server_port}"
        self.files = {f"/pool/{name}": data for name, data in POOL.items()} | lists(self.base)
        self.flaked: set[str] = set()


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A client that keeps its connection must not keep the thread for ever.
    timeout = 30
    server: Site

    def do_GET(self) -> None:
        directory, _, name = self.path.rpartition("/")
        if directory == "/moved":
            return self._answer(HTTPStatus.FOUND, Location=f"/pool/{name}")
        if directory == "/flaky" and name not in self.server.flaked:
            self.server.flaked.add(name)
            return self._answer(HTTPStatus.SERVICE_UNAVAILABLE, Retry_After="0")
        if directory == "/private" and self.headers["Authorization"] != _basic("reader", "secret"):
            return self._answer(HTTPStatus.UNAUTHORIZED, WWW_Authenticate='Basic realm="private"')
        path = f"/pool/{name}" if directory in ("/flaky", "/private") else self.path
        if path not in self.server.files:
            return self._answer(HTTPStatus.NOT_FOUND)
        return self._send(self.server.files[path])

    do_HEAD = do_GET

    def _send(self, data: bytes) -> None:
        tag = f'"{sha256(data)[:16]}"'
        if self.headers["If-None-Match"] == tag:
            return self._answer(HTTPStatus.NOT_MODIFIED, ETag=tag)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None or self.headers.get("If-Range", tag) != tag:
            return self._answer(HTTPStatus.OK, data, ETag=tag, Accept_Ranges="bytes")
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        if first > last:
            return self._answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, Content_Range=f"bytes */{len(data)}")
        part = data[first : last + 1]
        return self._answer(
            HTTPStatus.PARTIAL_CONTENT, part, ETag=tag, Content_Range=f"bytes {first}-{last}/{len(data)}"
        )

    def _answer(self, status: HTTPStatus, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@contextmanager
def site() -> Iterator[str]:
    """Serve the site for as long as the block runs, and give what its URLs begin with."""
    with Site() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.base
        finally:
            server.shutdown()
            thread.join()
