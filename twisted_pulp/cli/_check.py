"""`pulpdownloader check`: whether the settings are right, and each remote can be reached."""

from __future__ import annotations

import os
import stat
from typing import Any

import click
from attrs import define, evolve, field
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.cli._config import load, path_of
from twisted_pulp.cli._run import Run, run
from twisted_pulp.context import Context
from twisted_pulp.download import Source
from twisted_pulp.errors import HTTPStatusError, PulpError, shown
from twisted_pulp.settings import Remote, Retry, Settings

__all__ = ["check"]

# What says that the server was reached, and would rather not say more about its front page.
_REACHED = frozenset({404, 405, 410, 501})
_SECRETS = ("password", "token")


def check(config: str | None, names: tuple[str, ...], probe: bool) -> int:
    """
    Check the settings file, and ask each remote that has a URL, and its mirrors, for the headers of that URL.

    :param names: of the remotes to ask; none are all.
    :returns: the exit status: 0 all is well, 1 a remote cannot be reached, 2 the settings are wrong.
    """
    path = path_of(config)
    settings, mistakes = load(path)
    if settings is None:
        for mistake in mistakes:
            click.echo(f"{path}: {mistake}", err=True)
        return 2
    unknown = [name for name in names if name not in settings.remotes]
    if unknown:
        raise click.UsageError(f"{path}: no remote is called {unknown[0]!r}")
    for line in _exposed(path, settings):
        click.echo(line, err=True)
    click.echo(f"{path}: {len(settings.remotes)} remotes")
    chosen = {name: settings.remotes[name] for name in names or settings.remotes}
    return run(lambda reactor: Probes(reactor, chosen)) if probe and chosen else 0


def _exposed(path: str, settings: Settings) -> list[str]:
    """Say when others may read secrets."""
    mode = os.stat(path).st_mode
    secret = any(getattr(remote, name) is not None for remote in settings.remotes.values() for name in _SECRETS)
    return [f"{path}: warning: it has secrets, and others may read it"] if secret and mode & stat.S_IRWXO else []


@define(eq=False)
class Probes:
    """
    One request to each remote.

    :ivar status: of the command: 1 when one cannot be reached.
    """

    _log = Logger()

    _reactor: Any
    _remotes: dict[str, Remote]
    status: int = field(init=False, default=0)

    async def work(self, run: Run) -> None:
        """Ask all."""
        context = Context(self._reactor)
        try:
            asked = [
                Deferred.fromCoroutine(self._ask(context, name, remote, url))
                for name, remote in self._remotes.items()
                for url in (remote.url, *remote.mirrors)
            ]
            await gatherResults(asked)
        finally:
            await context.close()

    def complain(self, text: str) -> None:
        """Write a line to standard error."""
        click.echo(text, err=True)

    def at_once(self) -> None:
        """Nothing is shown that would have to go."""

    def broke(self, failure: Failure, early: bool) -> None:
        """Take a signal, or a defect."""
        if not early or failure.check(CancelledError, PulpError) is None:
            self.status = 1
            self._log.failure("the requests ended with an error", failure=failure)

    def last_words(self, early: bool) -> None:
        """Say nothing more."""
        if early:
            self.complain("interrupted")

    async def _ask(self, context: Context, name: str, remote: Remote, url: str | None) -> None:
        if url is None:
            click.echo(f"{name}: no url; nothing to ask")
            return
        once = evolve(remote, retry=Retry(retries=0))
        if url != remote.url:  # a mirror gets no secrets
            (mirror,) = context.mirrors.elsewhere([Source(url)], once)
            once = mirror.remote or once
        began = self._reactor.seconds()
        try:
            report = await context.downloader(once).head(url)
            words = f"{report.status}"
        except HTTPStatusError as error:
            if error.status not in _REACHED:
                self._failed(name, url, error)
                return
            words = f"{error.status}, but it was reached"
        except PulpError as error:
            self._failed(name, url, error)
            return
        click.echo(f"{name}: {shown(url)}: {words}, in {self._reactor.seconds() - began:.2f} s")

    def _failed(self, name: str, url: str, error: PulpError) -> None:
        self.status = 1
        click.echo(f"{name}: failed: {error}", err=True)
