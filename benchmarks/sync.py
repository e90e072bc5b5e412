"""`python -m benchmarks.sync`: sync as whole processes, aiohttp beside them that only fetches, and print the costs."""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from attrs import frozen

from benchmarks.about import about
from benchmarks.postgres import Postgres, programs, running
from benchmarks.race import Lost, Run
from benchmarks.server import serving
from benchmarks.sync_course import SyncCourse
from benchmarks.sync_goals import HUGE, LARGE, LARGE_IMMEDIATE, PEER, Measure, figures, limits, missed, walls
from benchmarks.upstream import Upstream, upstream

_TMPFS = Path("/dev/shm")
_UNITS, _MANY, _VERY_MANY = 5_000, 100_000, 500_000
_ON_DEMAND, _IMMEDIATE = "on_demand", "immediate"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sync", description=__doc__)
    parser.add_argument(
        "--large", action="store_true", help=f"{_MANY:,} and {_VERY_MANY:,} units instead of {_UNITS:,}"
    )
    parser.add_argument("--durable", action="store_true", help="with fsync, on a disk; there are no limits for that")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each kind, after one to warm up; default 5")
    parser.add_argument("--jobs", type=int, default=16, help="files at once; default 16")
    parser.add_argument("--scale", type=float, default=1.0, help="a part of the units, to try things out; default 1")
    parser.add_argument("--dir", type=Path, help=f"where to work; default {_TMPFS} if there is one, or a disk")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.jobs < 1 or not 0 < arguments.scale <= 1:
        parser.error("--rounds and --jobs are at least 1, --scale is above 0 and at most 1")
    if arguments.dir is not None and not arguments.dir.is_dir():
        parser.error(f"--dir: {arguments.dir} is no directory")
    return arguments


@frozen
class _Place:
    """
    Where everything runs.

    :ivar work: directory for contenders.
    :ivar root: what is served.
    :ivar base: its URL.
    :ivar postgres: that runs, or None.
    """

    work: Path
    root: Path
    base: str
    postgres: Postgres | None

    @contextmanager
    def database(self, dialect: str) -> Iterator[str | None]:
        """Give the URL of an empty database; None for SQLite."""
        if dialect == "SQLite":
            yield None
            return
        assert self.postgres is not None
        with self.postgres.database() as url:
            yield url


def _course(arguments: argparse.Namespace, place: _Place, files: Upstream) -> SyncCourse:
    return SyncCourse.made(files, place.work, arguments.jobs, durable=arguments.durable)


def _small(arguments: argparse.Namespace, place: _Place) -> list[Measure]:
    units = max(1, round(_UNITS * arguments.scale))
    measures: dict[str, Measure] = {}
    with upstream(place.root, place.base, units) as files:
        course = _course(arguments, place, files)
        for number in range(arguments.rounds + 1):
            for name, run in _small_runs(course, place):
                if number:
                    measures.setdefault(name, Measure(name, units)).runs.append(run)
    return list(measures.values())


def _small_runs(course: SyncCourse, place: _Place) -> Iterator[tuple[str, Run]]:
    yield PEER, course.aiohttp()
    for dialect in ("SQLite", "PostgreSQL") if place.postgres else ("SQLite",):
        with place.database(dialect) as database, course.data(database) as data:
            yield f"immediate, {dialect}", data.first(_IMMEDIATE)
            yield f"forced again, {dialect}", data.again(_IMMEDIATE, "--force")
            yield f"skipped, {dialect}", data.again(_IMMEDIATE)
        with place.database(dialect) as database, course.data(database) as data:
            yield f"on_demand, {dialect}", data.first(_ON_DEMAND)


def _large(arguments: argparse.Namespace, place: _Place) -> list[Measure]:
    large, huge = (max(1, round(units * arguments.scale)) for units in (_MANY, _VERY_MANY))
    measures = []
    with upstream(place.root, place.base, 1) as files, _course(arguments, place, files).data(None) as data:
        data.first(_IMMEDIATE)  # to warm up
    for name, units, policy in (
        (LARGE, large, _ON_DEMAND),
        (HUGE, huge, _ON_DEMAND),
        (LARGE_IMMEDIATE, large, _IMMEDIATE),
    ):
        print(f"syncing: {name}", file=sys.stderr)
        measure = Measure(name, units)
        with upstream(place.root, place.base, units, files=policy == _IMMEDIATE) as files:
            course = _course(arguments, place, files)
            for _ in range(arguments.rounds):
                with course.data(None) as data:
                    measure.runs.append(data.first(policy))
        measures.append(measure)
    return measures


def _run(arguments: argparse.Namespace, nginx: str, directory: Path) -> list[Measure]:
    with ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-", dir=directory)))
        root = work / "root"
        root.mkdir()
        server = stack.enter_context(serving(nginx, work, root))
        found = None if arguments.large else programs()
        postgres = found and stack.enter_context(running(found, directory, durable=arguments.durable))
        if not arguments.large and not postgres:
            print("PostgreSQL is not installed: only SQLite is measured", file=sys.stderr)
        place = _Place(work, root, server.http, postgres or None)
        return _large(arguments, place) if arguments.large else _small(arguments, place)


def main() -> int:
    """Run; return 0 when every limit was kept that could be judged, 1 when not, 2 when nothing could be measured."""
    arguments = _arguments()
    nginx = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if nginx is None:
        print("nginx is not installed. Debian: apt-get install nginx; macOS: brew install nginx", file=sys.stderr)
        return 2
    disk = Path(tempfile.gettempdir())
    directory = arguments.dir or (_TMPFS if os.access(_TMPFS, os.W_OK) and not arguments.durable else disk)
    how = "all brought to the disk" if arguments.durable else "no fsync"
    print(
        about({}), f"in {directory}, {how}, medians of {arguments.rounds}, {arguments.jobs} jobs", sep="\n", end="\n\n"
    )
    try:
        measures = _run(arguments, nginx, directory)
    except (Lost, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    judged = arguments.scale == 1 and not arguments.durable
    print(walls(measures))
    if judged:
        print(f"\n{limits(measures)}")
    elif not arguments.durable:
        print("\nOnly a part of the units was synced, and the limits are for all of them: they are not judged.")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    if any(run.rss <= own for measure in measures for run in measure.runs):
        print("\nThis runner's own memory hides that of some processes, which was less.")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures(measures), indent=1) + "\n")
    return int(judged and missed(measures))


if __name__ == "__main__":
    sys.exit(main())
