"""`python -m benchmarks.segments`: one large file in one and in more ranges, from a server that limits connections."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks.server import serving

_TMPFS = Path("/dev/shm")
_MIB = 1 << 20


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.segments", description=__doc__)
    parser.add_argument("--size", type=int, default=400, help="MiB; default 400")
    parser.add_argument("--rate", type=int, default=20, help="MiB a second for each connection; default 20")
    parser.add_argument("--segments", default="1,4", help="comma list of ranges at once; default 1,4")
    return parser.parse_args()


def _made(path: Path, size: int) -> str:
    """Write *size* MiB to *path*; return the digest."""
    digest = sha256()
    with path.open("wb") as file:
        for _ in range(size):
            block = os.urandom(_MIB)
            file.write(block)
            digest.update(block)
    return digest.hexdigest()


async def _run(reactor: Any, url: str, path: Path, digest: str, counts: list[int]) -> None:
    from twisted_pulp import Context, Limits, Remote

    first = 0.0
    for count in counts:
        context = Context(reactor)
        began, cpu = time.monotonic(), time.process_time()
        downloader = context.downloader(Remote(limits=Limits(segments=count)))
        report = await downloader.download(url, path=path, digests={"sha256": digest})
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        first = first or seconds
        print(
            f"{count} at most: {seconds:.2f} s, {seconds / first:.3f}, cpu {cpu:.2f} s, {len(report.attempts)} requests"
        )
        os.unlink(path)
        await context.close()


def main() -> None:
    """Measure, and print a line for each count."""
    from twisted.internet.task import react

    wanted = _arguments()
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise SystemExit("nginx is not here")
    with tempfile.TemporaryDirectory(dir=_TMPFS if _TMPFS.is_dir() else None) as directory:
        work, root = Path(directory), Path(directory, "root")
        root.mkdir()
        digest = _made(root / "file", wanted.size)
        counts = [int(each) for each in wanted.segments.split(",")]
        with serving(program, work, root, wanted.rate) as server:
            react(lambda reactor: _deferred(_run(reactor, f"{server.http}/file", work / "out", digest, counts)))


def _deferred(coroutine: Any) -> Any:
    from twisted.internet.defer import Deferred

    return Deferred.fromCoroutine(coroutine)


if __name__ == "__main__":
    main()
