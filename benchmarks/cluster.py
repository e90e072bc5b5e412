"""`python -m benchmarks.cluster`: one daemon syncs, and several that have as much to do each, from a slow upstream."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from cryptography.fernet import Fernet

from benchmarks.about import about
from benchmarks.postgres import Postgres, programs, running
from benchmarks.slow import slowly

_TMPFS = Path("/dev/shm")
_RATE, _CONNECTIONS, _SIZE = 2, 4, 1 << 20
_GOAL, _PATIENCE = 0.9, 120.0
_PROGRAM = "import sys; from twisted_pulp.cli import main; sys.argv[0] = 'pulpdownloader'; sys.exit(main())"


@frozen
class Measured:
    """One sync: how many daemons did it, its bytes, its seconds, and those of processors that all of them had."""

    nodes: int
    bytes: int
    seconds: float
    cpu: float

    @property
    def rate(self) -> float:
        """MiB a second."""
        return self.bytes / self.seconds / (1 << 20)


@define(eq=False)
class Daemons:
    """
    Daemons over one database, each a process with all roles.

    :ivar processes: of them, the first of which is asked.
    """

    directory: Path
    database: str
    per_host: int
    processes: list[subprocess.Popen[bytes]] = field(init=False, factory=list)
    _port: int = field(init=False, default=0)
    _token: str = field(init=False, default="")

    def add(self) -> None:
        """Start one more, and wait until it is ready."""
        number = len(self.processes)
        key = self.directory / "cluster.key"
        if not number:
            key.write_bytes(Fernet.generate_key())
            key.chmod(0o600)
        path, out = self.directory / f"{number}.toml", self.directory / f"{number}.out"
        storage = self.directory / "storage"
        path.write_text(
            f'database = "{self.database}"\nstorage = "{storage}"\nkey = "{key}"\n'
            f'limits = {{ per_host = {self.per_host}, reserve = 0 }}\nssrf = {{ allow = ["127.0.0.0/8"] }}\n'
        )
        command = [sys.executable, "-c", _PROGRAM, "--data", str(self.directory / f"node{number}"), "serve"]
        with out.open("wb") as file:
            process = subprocess.Popen(
                [*command, "--listen", "tcp:0:interface=127.0.0.1", "--config", str(path), "-q"],
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        text = self._until(lambda: (text := out.read_text()) and "ready" in text and text, out)
        if not number:
            self._token = re.search(r"API token: ([\w-]+)", text)[1]  # type: ignore[index]
            self._port = int(re.search(r"serving at http://127\.0\.0\.1:(\d+)/", text)[1])  # type: ignore[index]

    def _until(self, condition: Any, out: Path) -> Any:
        end = time.monotonic() + _PATIENCE
        while not (found := condition()):
            if time.monotonic() > end or any(each.poll() is not None for each in self.processes):
                raise RuntimeError(out.read_text())
            time.sleep(0.05)
        return found

    def ask(self, path: str, document: Any = None) -> Any:
        """Return what the first answers."""
        body = None if document is None else json.dumps(document).encode()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{self._port}/api/v1{path}"
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=60) as answer:
            return json.load(answer)

    def met(self) -> None:
        """Wait until each of them knows of all others: they look every five seconds at least."""
        out = self.directory / "0.out"
        self._until(lambda: sum(each["alive"] for each in self.ask("/cluster")["nodes"]) == len(self.processes), out)
        time.sleep(6)

    def sync(self, url: str) -> tuple[float, float]:
        """Sync, and return the seconds that it took, and those of all processors."""
        self.ask("/remotes", {"name": "upstream", "url": url})
        self.ask("/repositories", {"name": "mirror", "type": "file"})
        before, began = self.cpu(), time.monotonic()
        uid = self.ask("/syncs", {"repository": "mirror", "remote": "upstream"})["id"]
        while (job := self.ask(f"/jobs/{uid}"))["state"] in ("waiting", "running"):
            time.sleep(0.1)
        if job["state"] != "completed":
            raise RuntimeError(f"the sync is {job['state']}: {job['error']}")
        return time.monotonic() - began, self.cpu() - before

    def cpu(self) -> float:
        """Return the seconds of processors that they had so far."""
        ticks = 0
        for each in self.processes:
            fields = Path(f"/proc/{each.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """End all."""
        for each in self.processes:
            each.send_signal(signal.SIGTERM)
        for each in self.processes:
            try:
                each.wait(30)
            except subprocess.TimeoutExpired:
                each.kill()
                each.wait()


@contextmanager
def _files(root: Path, base: str, count: int) -> Iterator[str]:
    """Write *count* files of 1 MiB, each another, and give the URL of their manifest."""
    directory = root / str(count)
    directory.mkdir()
    try:
        with (directory / "PULP_MANIFEST").open("w") as manifest:
            for number in range(count):
                data = os.urandom(64) * (_SIZE // 64)
                (directory / f"{number}.bin").write_bytes(data)
                manifest.write(f"{number}.bin,{hashlib.sha256(data).hexdigest()},{_SIZE}\n")
        yield f"{base}/{count}/PULP_MANIFEST"
    finally:
        shutil.rmtree(directory)


def measured(work: Path, root: Path, base: str, postgres: Postgres, nodes: int, seconds: float) -> Measured:
    """Sync what *nodes* daemons need so many *seconds* for at best."""
    count = max(1, round(nodes * seconds * _RATE * _CONNECTIONS))
    with ExitStack() as stack:
        url = stack.enter_context(_files(root, base, count))
        database = stack.enter_context(postgres.database())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cluster-", dir=work)))
        daemons = Daemons(directory, database, nodes * _CONNECTIONS)
        stack.callback(daemons.stop)
        for _ in range(nodes):
            daemons.add()
        daemons.met()
        return Measured(nodes, count * _SIZE, *daemons.sync(url))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("--nodes", type=int, default=8, help="daemons; default 8")
    parser.add_argument("--seconds", type=float, default=40.0, help="that a sync takes at best; default 40")
    parser.add_argument("--dir", type=Path, help=f"where to work; default {_TMPFS} if there is one, or a disk")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser.parse_args()


def main() -> int:
    """Run; return 0 when the goal was reached, 1 when not, 2 when nothing could be measured."""
    arguments = _arguments()
    found = programs()
    if found is None:
        print("PostgreSQL is needed. Debian: apt-get install postgresql", file=sys.stderr)
        return 2
    directory = arguments.dir or (_TMPFS if os.access(_TMPFS, os.W_OK) else Path(tempfile.gettempdir()))
    print(about({}), f"in {directory}, {_RATE} MiB/s a connection, {_CONNECTIONS} connections a daemon", sep="\n")
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-", dir=directory)))
        (root := work / "root").mkdir()
        base = stack.enter_context(slowly(root, _RATE))
        postgres = stack.enter_context(running(found, directory, durable=False))
        runs = []
        for nodes in (1, arguments.nodes):
            run = measured(work, root, base, postgres, nodes, arguments.seconds)
            runs.append(run)
            line = f"{run.nodes} daemons: {run.bytes >> 20} MiB in {run.seconds:.1f} s, {run.rate:.1f} MiB/s"
            print(f"{line}, {run.cpu:.1f} s of processors", flush=True)
    one, all_ = runs
    share = all_.rate / one.rate / arguments.nodes
    print(f"{arguments.nodes} daemons do {share:.2f} x {arguments.nodes} times the work of one (goal: {_GOAL})")
    if arguments.json:
        document = [
            {"nodes": each.nodes, "bytes": each.bytes, "seconds": each.seconds, "cpu": each.cpu} for each in runs
        ]
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")
    return int(share < _GOAL)


if __name__ == "__main__":
    sys.exit(main())
