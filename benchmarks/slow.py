"""
`python -m benchmarks.slow ROOT RATE`: serve files, so many MiB a second on each connection, whatever it is asked for.

nginx limits each request, and lets the first second's bytes go at once.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CHUNK = 64 << 10


async def _serve(root: Path, rate: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    clock = asyncio.get_running_loop().time
    due = clock()
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            path = root / head.split(b" ", 2)[1].decode().lstrip("/")
            size = path.stat().st_size
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            with path.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    due = max(due, clock() - _CHUNK / rate) + len(chunk) / rate
                    writer.write(chunk)
                    await writer.drain()
                    await asyncio.sleep(due - clock())
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def _main(root: Path, rate: float) -> None:
    server = await asyncio.start_server(lambda r, w: _serve(root, rate, r, w), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def slowly(root: Path, rate: float) -> Iterator[str]:
    """Serve *root* in a process of its own for as long as the block runs, and give its URL."""
    command = [sys.executable, "-m", "benchmarks.slow", str(root), str(rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), float(sys.argv[2]) * (1 << 20)))
