"""Fixtures of the fault matrix."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pytest_twisted import async_yield_fixture
from twisted.logger import ILogObserver, LogEvent, eventAsText, globalLogPublisher
from zope.interface import implementer

from tests.integration.faults.forks import Forks
from tests.integration.faults.invariants import Fetcher, no_secret
from tests.integration.faults.program import Program, Start
from tests.servers.fixtures import in_time
from tests.servers.reactor import IReactor
from twisted_pulp import Context

__all__ = ["Fetchers", "fetcher", "fetchers", "forks", "no_secret_logged", "start", "start_forks"]

Fetchers = Callable[..., Fetcher]


@async_yield_fixture
async def fetchers(reactor: IReactor, tmp_path: Path) -> AsyncIterator[Fetchers]:
    """Make any number of `Fetcher`s, each with a Context of its own, whose arguments may be given."""
    made: list[Fetcher] = []
    directory = tmp_path / "out"
    directory.mkdir()

    def make(**options: Any) -> Fetcher:
        made.append(Fetcher(reactor, Context(reactor, **options), directory))
        return made[-1]

    yield make

    async def closing(context: Context) -> None:
        await context.close()

    for fetcher in made:
        await in_time(reactor, closing(fetcher.context))


@pytest.fixture
def fetcher(fetchers: Fetchers) -> Fetcher:
    """Downloads to files, and checks every time that the invariants held."""
    return fetchers()


@pytest.fixture
def start(reactor: IReactor, tmp_path: Path) -> Iterator[Start]:
    """Start Python code, ``start(program, *arguments, environment=..., before=..., stdout=...)``, in ``tmp_path``."""
    started: list[Program] = []

    def starting(
        program: str,
        *arguments: object,
        environment: Mapping[str, str] | None = None,
        before: tuple[str, ...] = (),
        **streams: object,
    ) -> Program:
        started.append(
            Program.started(reactor, tmp_path, len(started), program, arguments, environment or {}, streams, before)
        )
        return started[-1]

    yield starting
    for program in started:
        program.close()


@pytest.fixture
def start_forks(reactor: IReactor, tmp_path: Path) -> Iterator[Callable[..., Forks]]:
    """Make any number of `Forks`, ``start_forks("strace", ...)``, which run `pulpdownloader` again and again."""
    made: list[Forks] = []

    def make(*before: str) -> Forks:
        made.append(Forks(reactor, tmp_path, before))
        return made[-1]

    yield make
    for forks in made:
        forks.close()


@pytest.fixture(scope="session")
def forks(reactor: IReactor, tmp_path_factory: pytest.TempPathFactory, system_temp: Path) -> Iterator[Forks]:
    """Runs `pulpdownloader` again and again."""
    made = Forks(reactor, tmp_path_factory.mktemp("forks"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def no_secret_logged() -> Iterator[None]:
    """I8: no log entry, at any level and with its traceback, shows the secret of the URLs."""
    shown: list[str] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        text = eventAsText(event)
        ours = not str(event.get("log_namespace", "")).startswith("tests.")  # the servers may say what they were asked
        if ours and not no_secret(text):
            shown.append(text)

    globalLogPublisher.addObserver(observe)
    yield
    globalLogPublisher.removeObserver(observe)
    assert not shown
