"""Fixtures and options for all tests; and after each test, proof that it left nothing behind."""

from __future__ import annotations

import functools
import gc
import importlib
import os
import pkgutil
import random
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from pathlib import Path
from typing import cast

import pytest
import pytest_twisted
from _pytest.fixtures import SubRequest
from hypothesis import HealthCheck, settings
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import Clock, deferLater
from twisted.logger import globalLogPublisher

import twisted_pulp
from tests.broker_fixtures import rabbitmq, rabbitmq_server, start_broker
from tests.catalog_fixtures import catalog, database, database_templates, postgres
from tests.forked import Forking
from tests.greenlets import trace_greenlets_apart
from tests.lag import Lag
from tests.leaks import Holdings, LoggedErrors, partials, settled
from tests.object_fixtures import bucket, ceph, object_runtime
from tests.servers.fixtures import (
    corpus,
    faulty,
    ftp,
    nameserver,
    network,
    nginx,
    nginx_program,
    scripted,
    scripted_tls,
    start_faulty,
    start_ftp,
    start_ftp_server,
    start_nginx,
    start_openssl,
    start_proxy,
    start_scripted,
    tls,
)
from tests.servers.reactor import IReactor
from twisted_pulp.context import Context

__all__ = [  # the fixtures of servers are there for all tests
    "bucket",
    "catalog",
    "ceph",
    "corpus",
    "database",
    "database_templates",
    "faulty",
    "ftp",
    "nameserver",
    "network",
    "nginx",
    "nginx_program",
    "object_runtime",
    "postgres",
    "rabbitmq",
    "rabbitmq_server",
    "scripted",
    "scripted_tls",
    "start_broker",
    "start_faulty",
    "start_ftp",
    "start_ftp_server",
    "start_nginx",
    "start_openssl",
    "start_proxy",
    "start_scripted",
    "tls",
]

_LIMIT = 120.0  # seconds an async test may take unless it is marked with limit(seconds)
_SEED = pytest.StashKey[int]()
settings.register_profile("busy", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
_FAILED = pytest.StashKey[bool]()
_LIMITED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("twisted_pulp")
    group.addoption("--campaign", type=float, default=0, metavar="N", help="run campaigns in full, N times")
    group.addoption("--objects", metavar="URL", help="test an object store of yours, at the URL of a bucket")
    group.addoption("--seed", type=int, default=None, metavar="S", help="repeat the random choices of an earlier run")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--seed") is None:  # worker processes get the options, and so the seed
        config.option.seed = random.SystemRandom().randrange(2**32)
    config.stash[_SEED] = config.option.seed
    config.addinivalue_line("markers", "limit(seconds): let an async test take this long instead of 120 s")
    config.addinivalue_line("markers", "leaves_partials: let a test leave partial files and journals in tmp_path")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    # Many tests wait, for servers and clocks: with a process for each core half of the cores would have nothing to do.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + max(1, cores // 2)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    # Certificates and compressed bytes are new in each process, and those that share the tests must call them alike.
    if isinstance(val, bytes):
        return None if val.isascii() and b"\0" not in val else argname
    return argname if isinstance(val, str) and "-----BEGIN" in val else None


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.stash[_SEED]} (repeat with --seed)"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without measuring coverage, which would take twice as long; what modules do when imported counts."""
    tracing = sys.gettrace()
    if tracing is None:
        return (yield)
    for module in pkgutil.walk_packages(twisted_pulp.__path__, "twisted_pulp."):
        importlib.import_module(module.name)
    trace_greenlets_apart()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracing)


_LONGEST_FIRST = {"faults": 0, "tests": 1, "integration": 1}


def pytest_collection_finish(session: pytest.Session) -> None:
    _settle()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    result = yield
    if nextitem is None or nextitem.path != item.path:
        _settle()
    return result


def _settle() -> None:
    # What imports made, and what the tests of a file left in caches and reports, lives to the end: the full collection
    # after each test need not look at it again, which after thousands of tests would take longer than they do.
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # What takes long begins first: else, of several processes, most wait at the end for the one that got it last.
    items.sort(key=lambda item: _LONGEST_FIRST.get(item.path.parent.name, len(_LONGEST_FIRST)))
    if config.getoption("--campaign"):
        return
    for item in items:
        if item.get_closest_marker("campaign") is not None:
            item.add_marker(pytest.mark.skip("a campaign: runs with --campaign only"))


@pytest_twisted.async_yield_fixture
async def context(reactor: IReactor) -> AsyncIterator[Context]:
    """A context, closed at the end."""
    made = Context(reactor)
    yield made
    await made.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
    if report.failed and _random(item):
        report.sections.append(("seed", f"--seed {item.config.stash[_SEED]}"))
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """End async tests that hang; pytest-twisted, which runs them, would wait forever."""
    test = pyfuncitem.obj
    if getattr(test, "_pytest_twisted_mark", None) != "async_test" or hasattr(test, "hypothesis"):
        return
    if pyfuncitem.stash.get(_LIMITED, False):  # it runs again
        return
    pyfuncitem.stash[_LIMITED] = True
    mark = pyfuncitem.get_closest_marker("limit")
    limit = _LIMIT if mark is None else mark.args[0]

    @functools.wraps(test)
    def limited(**arguments: object) -> Deferred[None]:
        return Deferred.fromCoroutine(test(**arguments)).addTimeout(limit, _global_reactor())

    pyfuncitem.obj = limited


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[object], request: SubRequest) -> Generator[None, object, object]:
    # pytest-twisted forgets to record that an async fixture failed or skipped; the next use of it would then crash.
    try:
        return (yield)
    except BaseException as error:
        if fixturedef.cached_result is None:
            fixturedef.cached_result = (None, fixturedef.cache_key(request), (error, error.__traceback__))
        raise


def _random(item: pytest.Item) -> bool:
    return bool({"seed", "rng", "corpus", "start_faulty"} & set(getattr(item, "fixturenames", ())))


def _global_reactor() -> IReactor:
    from twisted.internet import reactor  # not before pytest-twisted has chosen it

    return cast(IReactor, reactor)


# Leaks


@pytest.fixture(scope="session")
def system_temp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A private directory for all that goes to the system's temporary directory, in children too."""
    directory = tmp_path_factory.mktemp("system-temp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(directory))
        patch.setattr(tempfile, "tempdir", None)
        yield directory


@pytest.fixture(scope="session")
def forking(system_temp: Path) -> Iterator[Forking]:
    """Starts programs sooner than the interpreter would."""
    made = Forking()
    yield made
    made.close()


@pytest.fixture(scope="session")
def reactor() -> IReactor:
    """The real reactor, the one the tests run in; what it opens at its start is no leak of the first test."""
    real = _global_reactor()
    pytest_twisted.blockon(deferLater(real, 0))
    # The first port makes Twisted keep a spare descriptor.
    pytest_twisted.blockon(maybeDeferred(real.listenTCP(0, ServerFactory(), interface="127.0.0.1").stopListening))
    return real


@pytest.fixture(autouse=True)
def logged_errors() -> Iterator[LoggedErrors]:
    """What was logged as an error; `flush` what the test expects, anything else fails it."""
    errors = LoggedErrors(globalLogPublisher)
    errors.start()
    yield errors
    gc.collect()
    errors.stop()
    if found := errors.left():
        pytest.fail("\n".join(found), pytrace=False)


@pytest.fixture(autouse=True)
def nothing_left(
    request: pytest.FixtureRequest, logged_errors: LoggedErrors, reactor: IReactor, system_temp: Path
) -> Iterator[None]:
    """Fail the test when it leaves timers, sockets, files or threads; it may take some seconds to clean up."""
    stock = functools.partial(Holdings.taken, reactor, system_temp)
    before = stock()
    yield
    after = settled(stock, before, lambda: pytest_twisted.blockon(deferLater(reactor, 0.01)))
    after.cancel_beyond(before)
    found = after.beyond(before)
    directory = request.node.funcargs.get("tmp_path")
    if directory is not None and request.node.get_closest_marker("leaves_partials") is None:
        found += partials(directory)
    if found and not request.node.stash.get(_FAILED, False):
        pytest.fail("left behind:\n" + "\n".join(found), pytrace=False)


# Values


@pytest.fixture
def clock() -> Clock:
    """A clock that only the test moves."""
    return Clock()


@pytest.fixture
def lag(reactor: IReactor) -> Iterator[Lag]:
    """How much longer than on an idle machine the test may take by now: what it times is allowed ``lag.seconds``."""
    measured = Lag(reactor)
    measured.start()
    yield measured
    measured.stop()


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """A number for random choices; a failing test prints it."""
    return pytestconfig.stash[_SEED]


@pytest.fixture
def rng(request: pytest.FixtureRequest, seed: int) -> random.Random:
    """Random choices that depend on the seed and on the test's name only."""
    return random.Random(f"{seed}:{request.node.nodeid}")


@pytest.fixture
def campaign_count(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Give ``campaign_count(small, full)``: small without ``--campaign``, else N times full."""

    def count(small: int, full: int) -> int:
        times = request.config.getoption("--campaign")
        return max(1, round(times * full)) if times else small

    return count
