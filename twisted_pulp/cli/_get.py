"""`pulpdownloader get`."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import click
from attrs import define, field
from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.cli._options import GetOptions
from twisted_pulp.cli._plain import Plain
from twisted_pulp.cli._run import Run, run
from twisted_pulp.cli._streams import Stream
from twisted_pulp.cli._wishes import Wishes
from twisted_pulp.cli._words import figures, interrupted, summary, was_cancelled
from twisted_pulp.context import Context
from twisted_pulp.download import DownloadReport, Totals
from twisted_pulp.errors import PulpError, SettingsError
from twisted_pulp.lists import Inputs, Refused
from twisted_pulp.transfer import Hooks

if TYPE_CHECKING:
    from twisted_pulp.lists import ReportFile

__all__ = ["Get", "get"]


def get(options: GetOptions) -> int:
    """
    Do what *options* ask for, and return the exit status.

    :raises click.UsageError: when it cannot be done as asked.
    """
    try:
        wishes = Wishes.of(options)
        report = None if options.report is None else _report_file(options.report)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise click.UsageError(f"{options.report}: {error.strerror}") from error
    return run(lambda reactor: Get(reactor, options, wishes, report, Stream.out(), Stream.err()))


def _report_file(path: str) -> ReportFile:
    from twisted_pulp.lists import ReportFile

    return ReportFile(path)


@define(eq=False, repr=False)
class Get:
    """One run of the command, from the first download to the last word."""

    _log = Logger()

    _reactor: Any
    _options: GetOptions
    _wishes: Wishes
    _report: ReportFile | None
    _out: Stream
    _err: Stream
    _inputs: Inputs = field(init=False)
    _view: Any = field(init=False)
    _run: Run = field(init=False)
    _totals: Totals = field(init=False, factory=Totals)
    _began: float = field(init=False, factory=time.monotonic)

    def __attrs_post_init__(self) -> None:
        wishes, reactor = self._wishes, self._reactor
        self._inputs = Inputs(reactor, wishes.downloads, self._options.lists, wishes.remote, self._refused)
        self._view = self._chosen_view()

    @property
    def _quiet(self) -> bool:
        return self._options.quiet or self._options.json

    def _chosen_view(self) -> Any:
        if self._quiet or not self._out.terminal:
            return Plain(self._reactor, self._out, self._err, self._quiet)
        from twisted_pulp.cli._progress import Progress
        from twisted_pulp.cli._terminal import Terminal

        return Terminal(self._reactor, self._out, self._err, Progress(self._inputs.expected() or (None, None)))

    async def work(self, run: Run) -> None:
        """Download everything."""
        self._run = run
        options, wishes, jobs = self._options, self._wishes, self._options.jobs
        context = Context(self._reactor, connections=jobs, per_host=jobs)
        self._view.start()
        files: Any = None
        try:
            hooks = Hooks(**self._view.hooks())
            downloader = context.downloader(wishes.remote, hooks=hooks, directory=wishes.directory, force=options.force)
            files = self._view.watched(self._inputs.read(downloader))
            await downloader.download_each(files, self._finished, jobs, fail_fast=options.fail_fast)
        finally:
            if isinstance(files, Generator):
                files.close()
            await context.close()
            self._view.stop()

    def _finished(self, report: DownloadReport) -> None:
        if self._report is not None:
            self._report.add(report)
        if report.error is not None and was_cancelled(report):
            return
        self._totals.add(report)
        self._view.finished(report)

    def _refused(self, refused: Refused) -> None:
        self._totals.failed += 1
        if self._report is not None:
            self._report.add_refused(refused)
        self._view.refused(refused)
        if self._options.fail_fast:
            # Not from inside the iterator that is to be ended.
            self._reactor.callLater(0, self._run.cancel)

    def complain(self, text: str) -> None:
        """Write a line to standard error."""
        self._view.complain(text)

    def at_once(self) -> None:
        """Leave the terminal as it was found."""
        self._view.at_once()

    def broke(self, failure: Failure, early: bool) -> None:
        """Take what ended everything: a signal, the first failure with --fail-fast, or a defect."""
        if failure.check(CancelledError, PulpError) is None or not (self._totals.failed or early):
            self._totals.failed += 1
            self._log.failure("the downloads ended with an error", failure=failure)

    def last_words(self, early: bool) -> None:
        """Say how many files there are."""
        self._view.stop()
        totals, view = self._totals, self._view
        if self._report is not None:
            self._report.close()
            if self._report.error is not None:
                view.complain(f"failed: {self._options.report}: {self._report.error.strerror}")
        seconds = time.monotonic() - self._began
        line = summary(totals, seconds)
        if self._options.json:
            self._out.document(figures(totals, seconds))
        if early:
            view.complain(f"{interrupted(totals)}; the same command goes on from here")
        elif totals.failed:
            view.complain(line)
        elif not self._quiet:
            view.say(line)
        self._out.flush()

    @property
    def status(self) -> int:
        """The exit status: 1 when a file is not there, or the report is not whole."""
        return int(bool(self._totals.failed) or (self._report is not None and self._report.error is not None))
