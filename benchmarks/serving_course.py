"""What servers are measured at: stored files, cold ones, many clients at once, and idle ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen

from benchmarks.contenders import OURS, Order
from benchmarks.contenders import program as command_of
from benchmarks.corpus import Entry, written
from benchmarks.cost import Watched, cpu, rss
from benchmarks.fronts import NGINX, PROXY_CACHE, Front, Origin, front, program, serving, told
from benchmarks.race import Lost
from benchmarks.serving_goals import BIG, COLD, CPU, IDLE, MANY, ONE, REQUESTS, RSS, SMALL, SMALLER

#: What can be measured for itself.
PARTS = ("stored", "idle", "cold", "shared")
_CONNECTIONS, _CLIENTS, _IDLE = 16, 200, 1000
# Of as many clients at once the digests are looked at; the sizes of all. More would measure the client.
_CHECKED = 4
_LIMIT = 600.0
_MIB = 1 << 20
# Every connection asks for the next path, over and over.
_WRK = """\
local paths, n = {{ {paths} }}, 0
request = function() n = n % #paths + 1; return wrk.format("GET", paths[n]) end
"""


@frozen
class Course:
    """
    One upstream with files, and who stands in front of it.

    :ivar work: an existing directory.
    :ivar origin: the upstream.
    :ivar peers: names of the caches to compare with.
    :ivar order: the environment of our command.
    :ivar scale: the part of everything that is done.
    :ivar seconds: for how long small files are asked for.
    :ivar found: figure -> contender -> values, one a round.
    """

    work: Path
    origin: Origin
    peers: Sequence[str]
    order: Order
    scale: float
    seconds: int
    found: dict[str, dict[str, list[float]]] = field(factory=dict)

    def run(self, rounds: int, parts: Sequence[str] = PARTS) -> None:
        """
        Measure the *parts* *rounds* times, in turns; stored files once more before, to look at every digest.

        :raises Lost: when somebody gives something else than what there is.
        """
        if "stored" in parts or "idle" in parts:
            self._run_stored(rounds, parts)
        cold = self._files("cold", 5000, 1 << 10) if "cold" in parts else []
        shared = self._files("shared", 2, self._part(100 << 20), every=True) if "shared" in parts else []
        for number in range(rounds if cold or shared else 0):
            _say(f"cold files, round {number + 1} of {rounds}")
            for name in (OURS, *self.peers):
                if cold:
                    self._ask_cold(name, cold)
                if shared:
                    self._ask_shared(name, shared)

    def _run_stored(self, rounds: int, parts: Sequence[str]) -> None:
        small, big = self._files("small", 5000, 4 << 10), self._files("big", 1, self._part(1 << 30))
        with self._stored(small + big) as fronts:
            for number in range(rounds + 1 if "stored" in parts else 0):
                _say(f"stored files, round {number} of {rounds}")
                for each in fronts:
                    self._ask_stored(each, small, big, warm=not number)
        if "idle" in parts:
            self._idle(small[0], rounds)

    def _part(self, whole: int) -> int:
        return max(1, round(whole * self.scale))

    def _files(self, name: str, count: int, size: int, *, every: bool = False) -> list[Entry]:
        (self.origin.root / name).mkdir()
        return [
            written(self.origin.root, name, number, size) for number in range(count if every else self._part(count))
        ]

    def _note(self, figure: str, name: str, value: float) -> None:
        self.found.setdefault(figure, {}).setdefault(name, []).append(value)

    # stored
    @contextmanager
    def _stored(self, entries: Sequence[Entry]) -> Iterator[list[Front]]:
        manifest = (f"{each.path},{each.sha256},{each.size}\n" for each in entries)
        (self.origin.root / "PULP_MANIFEST").write_text("".join(manifest))
        data = self.work / "stored"
        data.mkdir()
        told(
            self.order,
            data,
            "sync",
            "file",
            f"{self._upstream}/PULP_MANIFEST",
            "--repository",
            "races",
            "--policy",
            "immediate",
        )
        told(self.order, data, "distribution", "create", "races", "--base-path", "races", "--repository", "races")
        with ExitStack() as stack:
            fronts = [stack.enter_context(serving(data, self.order))]
            fronts.append(Front(NGINX, self.origin.fast, "/", self.origin.pid))
            for number, name in enumerate(self.peers):
                cache = front(name, self.work / f"warm-{number}", self.origin.fast, self.order)
                fronts.append(stack.enter_context(cache))
            yield fronts

    @property
    def _upstream(self) -> str:
        return f"http://127.0.0.1:{self.origin.fast}"

    def _ask_stored(self, server: Front, small: list[Entry], big: list[Entry], *, warm: bool) -> None:
        if warm:  # and every digest is right
            self._load(server, small, how="each", check=_CONNECTIONS)
            self._load(server, big, how="each", connections=1, check=1)
            return
        for figure, entries in ((SMALLER, small[: self._part(1000)]), (SMALL, small)):
            before = cpu(server.pid)
            count, seconds = self._asked(server, entries)
            self._note(figure, server.name, count / seconds)
            self._note_cpu(figure, server, before, count)
        took = self._load(server, big, how="each", connections=1, check=0)
        self._note(BIG, server.name, took["bytes"] / took["seconds"] / _MIB)

    def _note_cpu(self, figure: str, server: Front, before: float | None, count: float) -> None:
        if server.name == OURS and before is not None:
            self._note(f"{figure}{CPU}", OURS, ((cpu(server.pid) or before) - before) / count * 1e3)

    def _asked(self, server: Front, entries: list[Entry]) -> tuple[float, float]:
        """Ask for *entries* again and again, and return how many came, and in how many seconds."""
        wrk = program("wrk")
        if wrk is None:
            took = self._load(server, entries, how="seconds", check=0, seconds=self.seconds)
            return took["requests"], took["seconds"]
        script = self.work / "wrk.lua"
        script.write_text(_WRK.format(paths=", ".join(f'"{server.prefix}{each.path}"' for each in entries)))
        command = [wrk, "-t1", f"-c{_CONNECTIONS}", f"-d{self.seconds}s", "-s", str(script)]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{server.port}/"], check=False, capture_output=True, text=True
        )
        total = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m)", done.stdout)
        if done.returncode or total is None or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
            raise Lost(f"{server.name}: {done.stdout}{done.stderr}")
        return float(total[1]), float(total[2]) * {"ms": 1e-3, "s": 1, "m": 60}[total[3]]

    def _idle(self, entry: Entry, rounds: int) -> None:
        """See what clients cost that have been answered once, and stay: each round by a server that has just begun."""
        clients = self._part(_IDLE)
        for _ in range(rounds):
            with serving(self.work / "stored", self.order) as server:
                self._load(server, [entry], how="all", connections=1, check=1)
                before = rss(server.pid)
                with self._loading(server, [entry], how="all", connections=clients, check=_CHECKED):
                    self._note(IDLE, OURS, (rss(server.pid) - before) / _MIB)

    # cold
    def _ask_cold(self, name: str, entries: list[Entry]) -> None:
        with front(name, self.work / "cold", self.origin.fast, self.order) as server:
            before = cpu(server.pid)
            took = self._load(server, entries, how="each", check=_CONNECTIONS)
            self._note(COLD, name, took["requests"] / took["seconds"])
            self._note_cpu(COLD, server, before, took["requests"])

    def _ask_shared(self, name: str, entries: list[Entry]) -> None:
        one, many = entries
        with front(name, self.work / "shared", self.origin.slow, self.order) as server:
            took = self._load(server, [one], how="all", connections=1, check=1)
            self._note(ONE, name, took["seconds"])
            path = f"/{many.path}"
            before = self.origin.asked(path)
            with Watched(server.pid) as watched:
                took = self._load(server, [many], how="all", connections=_CLIENTS, check=_CHECKED)
            self._note(MANY, name, took["seconds"])
            self._note(REQUESTS, name, self.origin.asked(path) - before)
            if name != PROXY_CACHE:  # it is a child of nginx's that serves
                self._note(RSS, name, watched.growth / _MIB)

    # the client
    def _load(self, server: Front, entries: Sequence[Entry], **how: Any) -> dict[str, float]:
        with self._loading(server, entries, **how) as took:
            return took

    @contextmanager
    def _loading(self, server: Front, entries: Sequence[Entry], **how: Any) -> Iterator[dict[str, float]]:
        """Let a process ask *server* for *entries*; for as long as the block runs its connections stay open."""
        items = [(f"{server.prefix}{each.path}", each.sha256, each.size) for each in entries]
        order = {"host": "127.0.0.1", "port": server.port, "connections": _CONNECTIONS, "items": items, **how}
        process = subprocess.Popen(
            command_of("benchmarks.load"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.order.environment,
        )
        timer = threading.Timer(_LIMIT, process.kill)
        timer.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{json.dumps(order)}\n")
            process.stdin.flush()
            said = process.stdout.readline()
            if not said:
                raise Lost(f"{server.name}: {process.communicate()[1]}")
            yield json.loads(said)
        finally:
            timer.cancel()
            process.communicate()


def _say(text: str) -> None:
    print(f"measuring: {text}", file=sys.stderr)
