"""The figures, as a table in Markdown and as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import asdict, frozen

from benchmarks.contenders import OURS
from benchmarks.goals import BLOCKED, GOALS, RSS, Goal, Target
from benchmarks.race import Run, median_wall

_WORDS = {True: "yes", False: "NO", None: "-"}


@frozen
class Result:
    """
    One race.

    :ivar corpus: what was fetched.
    :ivar scheme: http or https.
    :ivar size: bytes of all files.
    :ivar files: how many there are.
    :ivar runs: name -> what its runs took.
    :ivar blocked: per run, the longest time in seconds that our reactor was blocked; empty when not looked at.
    """

    corpus: str
    scheme: str
    size: int
    files: int
    runs: Mapping[str, Sequence[Run]]
    blocked: Sequence[float] = ()

    @property
    def medians(self) -> dict[str, float]:
        """Name -> median of its seconds."""
        return {name: median_wall(runs) for name, runs in self.runs.items()}

    @property
    def rss(self) -> int:
        """The most memory that ours had, in bytes."""
        return max(run.rss for run in self.runs[OURS])

    @property
    def goal(self) -> Goal | None:
        """What is to be reached, if anything is."""
        return GOALS.get((self.corpus, self.scheme))

    def missed(self) -> bool:
        """Whether something that must be met was not."""
        medians = self.medians
        late = self.goal is not None and self.goal.target.met(medians, medians[OURS]) is False
        return late or self.rss >= RSS or any(each >= BLOCKED for each in self.blocked)


def walls(results: Sequence[Result]) -> str:
    """Return the table of times: medians of whole processes, in seconds."""
    names = list(dict.fromkeys(name for result in results for name in result.runs))
    head = ["corpus", *names, "ratio", "at most", "met", "aim"]
    return table(head, [_row(result, names) for result in results])


def _row(result: Result, names: Sequence[str]) -> list[str]:
    medians = result.medians
    seconds = [f"{medians[name]:.3f}" if name in medians else "-" for name in names]
    label = f"{result.corpus}, {result.scheme}"
    if result.goal is None:
        return [label, *seconds, "-", "-", "-", "-"]
    ours, target = medians[OURS], result.goal.target
    ratio = target.ratio(medians, ours)
    words = [_ratio(ratio), str(target), _WORDS[target.met(medians, ours)]]
    return [label, *seconds, *words, "; ".join(_aim(aim, medians, ours) for aim in result.goal.aims)]


def _aim(aim: Target, medians: Mapping[str, float], ours: float) -> str:
    name = aim.peers[0] if len(aim.peers) == 1 else "best"
    return f"{aim.factor:g} x {name}: {_ratio(aim.ratio(medians, ours))} {_WORDS[aim.met(medians, ours)]}"


def _ratio(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.2f}"


def costs(results: Sequence[Result]) -> str:
    """Return the table of what ours took besides time."""
    head = ["corpus", "MiB/s", "files/s", "cpu s", "peak RSS MiB", f"< {RSS >> 20}"]
    head += ["longest block ms, median", "worst", f"< {BLOCKED * 1e3:g}"]
    rows = []
    for result in results:
        wall, runs = result.medians[OURS], result.runs[OURS]
        row = [f"{result.corpus}, {result.scheme}", f"{result.size / wall / 2**20:.0f}", f"{result.files / wall:.0f}"]
        row += [f"{statistics.median(run.cpu for run in runs):.2f}", f"{result.rss / 2**20:.0f}"]
        row += [_WORDS[result.rss < RSS], *_blocked(result.blocked)]
        rows.append(row)
    return table(head, rows)


def _blocked(seconds: Sequence[float]) -> list[str]:
    if not seconds:
        return ["-", "-", "-"]
    worst = max(seconds)
    return [f"{statistics.median(seconds) * 1e3:.1f}", f"{worst * 1e3:.1f}", _WORDS[worst < BLOCKED]]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def figures(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return everything as what JSON can hold."""
    return [asdict(result) | {"medians": result.medians, "missed": result.missed()} for result in results]
