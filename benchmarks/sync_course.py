"""Syncs as whole processes, each looked at afterwards: whether it did what it was to do."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

from benchmarks.contenders import Order, ours, program
from benchmarks.race import Lost, Run, measured
from benchmarks.upstream import SIZE, Upstream

_REPOSITORY = "races"
_NOTHING: dict[str, Any] = {"version": None, "added": 0, "removed": 0, "downloaded": 0, "bytes": 0, "failed": []}


@frozen
class SyncCourse:
    """
    One upstream, and how it is synced.

    :ivar upstream: what is there.
    :ivar order: where and how; the list is the upstream's.
    :ivar durable: whether everything is brought to the disk.
    """

    upstream: Upstream
    order: Order
    durable: bool

    @classmethod
    def made(cls, upstream: Upstream, work: Path, jobs: int, *, durable: bool) -> SyncCourse:
        """Make one that works in the directory *work*."""
        return cls(upstream, Order(listing=upstream.listing, out=work / "out", jobs=jobs, certificate=None), durable)

    def aiohttp(self) -> Run:
        """
        Let aiohttp fetch the files.

        :raises Lost: when it fails; it looks at every digest itself.
        """
        order, options = self.order, ["fsync"] if self.durable else []
        with self._directory():
            command = program(
                "benchmarks.peers.with_aiohttp", str(order.listing), str(order.out), str(order.jobs), *options
            )
            return measured(command, order.environment)[0]

    @contextmanager
    def _directory(self) -> Iterator[None]:
        self.order.out.mkdir()
        try:
            yield
        finally:
            shutil.rmtree(self.order.out)

    @contextmanager
    def data(self, database: str | None) -> Iterator[Data]:
        """
        Give an empty data directory for as long as the block runs.

        :param database: URL of an empty one; None: SQLite.
        """
        with self._directory():
            yield Data(self, database)


@frozen
class Data:
    """
    A data directory that is synced into.

    :ivar course: to which it belongs.
    :ivar database: its URL; None: SQLite, in the directory.
    """

    _course: SyncCourse
    _database: str | None

    def first(self, policy: str) -> Run:
        """
        Sync for the first time.

        :raises Lost: when it does not do what it should.
        """
        units = self._course.upstream.units
        downloaded = units if policy == "immediate" else 0
        came = {"downloaded": downloaded, "bytes": downloaded * SIZE}
        run = self._sync({"version": 1, "added": units, "present": units, **came}, "--policy", policy)
        stored = sum(len(names) for _, _, names in os.walk(self._course.order.out / "storage" / "artifact"))
        if stored != downloaded:
            raise Lost(f"{stored} artifacts are stored, and not {downloaded}")
        return run

    def again(self, policy: str, *options: str) -> Run:
        """
        Sync once more; nothing has changed.

        :raises Lost: when it does not do what it should.
        """
        return self._sync({"present": self._course.upstream.units}, "--policy", policy, *options)

    def _sync(self, expected: dict[str, Any], *options: str) -> Run:
        course = self._course
        command = ours("--data", str(course.order.out), "--json", *self._database_option())
        command += ["sync", "file", course.upstream.url, "--repository", _REPOSITORY, "-j", str(course.order.jobs)]
        command += [*options, *(["--fsync"] if course.durable else [])]
        run, said = measured(command, course.order.environment)
        answer = json.loads(said)
        for name, value in (_NOTHING | expected).items():
            if answer[name] != value:
                raise Lost(f"{name} is {answer[name]!r}, and not {value!r}: {' '.join(command)}")
        return run

    def _database_option(self) -> list[str]:
        return [] if self._database is None else ["--database", self._database]
