"""`python -m benchmarks`: run the races and print the tables."""

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
from benchmarks.contenders import PEERS, Contender, Order, found
from benchmarks.corpus import SIZES, Corpus, scaled
from benchmarks.goals import GOALS
from benchmarks.race import Course, Lost
from benchmarks.server import Server, serving
from benchmarks.table import Result, costs, figures, walls

_TMPFS = Path("/dev/shm")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--corpus", help=f"comma list of {', '.join(SIZES)}; default: the races that have a goal")
    parser.add_argument("--tls", action=argparse.BooleanOptionalAction, help="only https, or only http; default: both")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each contender, after one to warm up; default 5")
    parser.add_argument("--jobs", type=int, default=16, help="files at once; default 16")
    parser.add_argument("--only", help=f"comma list of peers: {', '.join(PEERS)}; default: all that are installed")
    parser.add_argument("--scale", type=float, default=1.0, help="a part of each corpus, to try things out; default 1")
    parser.add_argument("--dir", type=Path, help=f"where to work; default {_TMPFS} where there is one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    arguments = parser.parse_args()
    for option, known in (("corpus", SIZES), ("only", PEERS)):
        given = getattr(arguments, option)
        unknown = set(given.split(",")) - set(known) if given else set()
        if unknown:
            parser.error(f"--{option}: {min(unknown)!r} is none of {', '.join(known)}")
    if arguments.rounds < 1 or arguments.jobs < 1 or not 0 < arguments.scale <= 1:
        parser.error("--rounds and --jobs are at least 1, --scale is above 0 and at most 1")
    if arguments.dir is not None and not arguments.dir.is_dir():
        parser.error(f"--dir: {arguments.dir} is no directory")
    return arguments


def _races(arguments: argparse.Namespace) -> dict[str, list[str]]:
    """Return corpus -> schemes."""
    schemes = {None: ["http", "https"], True: ["https"], False: ["http"]}[arguments.tls]
    if arguments.corpus:
        return dict.fromkeys(arguments.corpus.split(","), schemes)
    chosen = {name: [scheme for scheme in schemes if (name, scheme) in GOALS] for name in SIZES}
    return {name: schemes for name, schemes in chosen.items() if schemes}


def _run(arguments: argparse.Namespace, contenders: list[Contender], program: str, directory: Path) -> list[Result]:
    results = []
    with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=directory) as temporary:
        work = Path(temporary)
        root = work / "root"
        root.mkdir()
        with serving(program, work, root) as server:
            for name, schemes in _races(arguments).items():
                corpus = Corpus.make(root, name, arguments.scale)
                for scheme in schemes:
                    print(f"racing: {name}, {scheme}", file=sys.stderr)
                    results.append(_race(arguments, contenders, server, corpus, scheme, work))
                shutil.rmtree(root / name)
    return results


def _race(
    arguments: argparse.Namespace, contenders: list[Contender], server: Server, corpus: Corpus, scheme: str, work: Path
) -> Result:
    listing = work / f"{corpus.name}.jsonl"
    secure = scheme == "https"
    corpus.write_lists(server.https if secure else server.http, listing)
    certificate = server.certificate if secure else None
    course = Course(corpus, Order(listing=listing, out=work / "out", jobs=arguments.jobs, certificate=certificate))
    runs = course.race(contenders, arguments.rounds)
    blocked = [course.longest_block() for _ in range(arguments.rounds)] if corpus.name == "big" else []
    return Result(corpus.name, scheme, corpus.bytes, len(corpus.entries), runs, blocked)


def _space(arguments: argparse.Namespace, directory: Path) -> str | None:
    """Say what is wrong with the space in *directory*; None when nothing is."""
    sizes = [scaled(name, arguments.scale) for name in _races(arguments)]
    # The corpus, what a contender fetches of it, and some more.
    need = max(count * size for count, size in sizes) * 2 + (64 << 20)
    free = shutil.disk_usage(directory).free
    return None if free >= need else f"{directory} has {free >> 20} MiB free, but {need >> 20} MiB are needed"


def main() -> int:
    """Run; return 0 when every goal was met that could be judged, 1 when not, 2 when there was no race."""
    arguments = _arguments()
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if program is None:
        print("nginx is not installed. Debian: apt-get install nginx; macOS: brew install nginx", file=sys.stderr)
        return 2
    directory = arguments.dir or (_TMPFS if os.access(_TMPFS, os.W_OK) else Path(tempfile.gettempdir()))
    lack = _space(arguments, directory)
    if lack is not None:
        print(f"{lack}; --dir names another directory, --scale takes less", file=sys.stderr)
        return 2
    contenders, missing = found(set(arguments.only.split(",")) if arguments.only else None)
    print(about(missing), f"in {directory}, medians of {arguments.rounds}, {arguments.jobs} jobs", sep="\n", end="\n\n")
    try:
        results = _run(arguments, contenders, program, directory)
    except (Lost, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 2
    print(walls(results), costs(results), sep="\n\n")
    if arguments.scale != 1:
        print("\nOnly a part of each corpus was fetched, and the goals are for all of it: they are not judged.")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if any(result.rss <= own * (1 if sys.platform == "darwin" else 1024) for result in results):
        print("\nThis runner's own memory hides that of the contenders, which was less.")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures(results), indent=1) + "\n")
    return int(arguments.scale == 1 and any(result.missed() for result in results))


if __name__ == "__main__":
    sys.exit(main())
