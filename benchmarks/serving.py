"""`python -m benchmarks.serving`: serve stored and cold files to many clients, nginx and squid beside it."""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.about import about
from benchmarks.contenders import Order
from benchmarks.fronts import PROXY_CACHE, SQUID, origin, program
from benchmarks.race import Lost
from benchmarks.serving_course import PARTS, Course
from benchmarks.serving_goals import KNOWN, figures, goals, measures, missed

_TMPFS = Path("/dev/shm")
_FILES = 8192


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each measure; default 3")
    parser.add_argument("--seconds", type=int, default=5, help="for which small stored files are asked for; default 5")
    parser.add_argument(
        "--rate", type=float, default=5, help="MiB/s that the slow upstream gives each connection; default 5"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="a part of everything, to try things out; default 1")
    parser.add_argument(
        "--only", choices=PARTS, action="append", metavar="PART", help=f"of {', '.join(PARTS)}; several; default all"
    )
    parser.add_argument("--dir", type=Path, help=f"where to work; default {_TMPFS} where there is one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.seconds < 1 or arguments.rate <= 0 or not 0 < arguments.scale <= 1:
        parser.error("--rounds and --seconds are at least 1, --rate is above 0, --scale above 0 and at most 1")
    if arguments.dir is not None and not arguments.dir.is_dir():
        parser.error(f"--dir: {arguments.dir} is no directory")
    return arguments


def _run(arguments: argparse.Namespace, peers: list[str], directory: Path) -> Course:
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=directory) as temporary:
        work = Path(temporary)
        root = work / "root"
        root.mkdir()
        order = Order(listing=work / "none", out=work / "out", jobs=16, certificate=None)
        with origin(work / "origin", root, round(arguments.rate * (1 << 20))) as upstream:
            course = Course(work, upstream, peers, order, arguments.scale, arguments.seconds)
            course.run(arguments.rounds, arguments.only or PARTS)
            return course


def main() -> int:
    """Run; return 0 when every goal was met that could be judged, 1 when not, 2 when nothing could be measured."""
    arguments = _arguments()
    if program("nginx") is None:
        print("nginx is not installed. Debian: apt-get install nginx; macOS: brew install nginx", file=sys.stderr)
        return 2
    directory = arguments.dir or (_TMPFS if os.access(_TMPFS, os.W_OK) else Path(tempfile.gettempdir()))
    # The files, and what ours and two caches keep of them.
    need, free = round((5 << 30) * arguments.scale) + (256 << 20), shutil.disk_usage(directory).free
    if free < need:
        print(f"{directory} has {free >> 20} MiB free, but {need >> 20} MiB are needed", file=sys.stderr)
        return 2
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES if most == resource.RLIM_INFINITY else min(_FILES, most), most))
    missing = {name: "it is not installed" for name in (SQUID, "wrk") if program(name) is None}
    print(about(missing), f"in {directory}, medians of {arguments.rounds}, one process each", sep="\n", end="\n\n")
    try:
        found = _run(arguments, [name for name in (PROXY_CACHE, SQUID) if name not in missing], directory).found
    except (Lost, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    print(measures(found), KNOWN, sep="\n\n")
    if arguments.scale == 1:
        print(f"\n{goals(found)}")
    else:
        print("\nOnly a part of everything was done, and the goals are for all of it: they are not judged.")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures(found), indent=1) + "\n")
    return int(arguments.scale == 1 and missed(found))


if __name__ == "__main__":
    sys.exit(main())
