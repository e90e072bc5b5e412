"""One run of one contender, and what it cost."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence

from attrs import frozen

from benchmarks.blocked import VARIABLE
from benchmarks.contenders import OURS, WATCHED, Contender, Order
from benchmarks.corpus import Corpus

_LIMIT = 600.0
# ru_maxrss is in bytes on macOS and in KiB elsewhere.
_RSS = 1 if sys.platform == "darwin" else 1024


class Lost(Exception):
    """A contender failed, so that there is nothing to compare."""


@frozen
class Run:
    """
    What a process took.

    :ivar wall: seconds from its start to its end.
    :ivar cpu: seconds of the processor, its children's included.
    :ivar rss: the most memory it had at once, in bytes.
    """

    wall: float
    cpu: float
    rss: int


@frozen
class Course:
    """
    Where contenders race.

    :ivar corpus: what is fetched.
    :ivar order: how; its directory is made for each run, and removed after it.
    """

    corpus: Corpus
    order: Order

    def race(self, contenders: Sequence[Contender], rounds: int) -> dict[str, list[Run]]:
        """
        Let *contenders* run in turns, *rounds* times and once to warm up.

        :raises Lost: when one fails.
        """
        runs: dict[str, list[Run]] = {each.name: [] for each in contenders}
        for number in range(rounds + 1):
            for each in contenders:
                done = self.run(each)
                if number:
                    runs[each.name].append(done)
        return runs

    def run(self, contender: Contender, **variables: str) -> Run:
        """
        Let *contender* run once; what ours left is looked at, the others look themselves.

        :param variables: added to its environment.
        :raises Lost: when it fails.
        """
        self.order.out.mkdir()
        try:
            run, _ = measured(contender.command(self.order), self.order.environment | variables)
            fault = self.corpus.fault(self.order.out) if contender.name == OURS else None
            if fault is not None:
                raise Lost(f"{contender.name}: {fault}")
            return run
        finally:
            shutil.rmtree(self.order.out)

    def longest_block(self) -> float:
        """Run ours once more and return for how many seconds its reactor was blocked at most."""
        path = self.order.out.with_name("blocked")
        self.run(WATCHED, **{VARIABLE: str(path)})
        return float(path.read_text())


def measured(command: list[str], environ: dict[str, str]) -> tuple[Run, bytes]:
    """
    Run *command* to its end, and return what it cost and what it said.

    :raises Lost: when its exit status is not 0.
    """
    with tempfile.TemporaryFile() as said:
        start = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=environ)
        timer = threading.Timer(_LIMIT, process.kill)
        timer.start()
        try:
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.monotonic() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        except KeyboardInterrupt:
            process.kill()
            process.wait()
            raise
        finally:
            timer.cancel()
        said.seek(0)
        words = said.read()
        if process.returncode:
            last = words[-2000:].decode(errors="replace")
            raise Lost(f"exit status {process.returncode} of {' '.join(command)}\n{last}")
        return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _RSS), words


def median_wall(runs: Sequence[Run]) -> float:
    """Return the median of the seconds that *runs* took."""
    return statistics.median(run.wall for run in runs)
