"""Tests for `tests.conftest`: each kind of thing left behind fails the test that left it, and only that."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]

# Each test is called after what its outcome must be.
_SUITE = """
import gc, os, random, tempfile, threading, time
import pytest
from hypothesis import given, settings, strategies
from pytest_twisted import async_fixture, ensureDeferred
from twisted.internet.defer import Deferred, fail
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import Logger

kept = []

def test_error_delayed_call(reactor):
    reactor.callLater(30, print)

def test_passed_delayed_call_soon_over(reactor):
    reactor.callLater(0.1, int)

def test_error_port(reactor):
    kept.append(reactor.listenTCP(0, Factory(), interface="127.0.0.1"))

def test_error_descriptor():
    kept.append(os.open("/dev/null", os.O_RDONLY))

def test_error_thread():
    threading.Thread(target=time.sleep, args=(30,), daemon=True).start()

@ensureDeferred
async def test_passed_pool_thread():
    await deferToThread(int)

def test_error_temporary_file():
    os.close(tempfile.mkstemp(prefix="left")[0])

def test_passed_temporary_file():
    with tempfile.NamedTemporaryFile():
        pass

def test_error_partial(tmp_path):
    (tmp_path / "file.pulp-part").touch()

@pytest.mark.leaves_partials
def test_passed_partial(tmp_path):
    (tmp_path / "file.pulp-part").touch()

@ensureDeferred
async def test_error_unhandled(reactor):
    fail(LookupError("unhandled"))

def test_error_unhandled_in_cycle():
    cycle = [fail(LookupError("in a cycle"))]
    cycle.append(cycle)

def test_error_logged():
    try:
        raise LookupError("logged")
    except LookupError:
        Logger().failure("oh")

def test_passed_flushed(logged_errors):
    fail(LookupError())
    assert 1 == len(logged_errors.flush(LookupError))

def test_error_flushed_other(logged_errors):
    fail(LookupError("kept"))
    assert [] == logged_errors.flush(ZeroDivisionError)

@pytest.mark.limit(0.1)
@ensureDeferred
async def test_failed_hangs():
    await Deferred()

@ensureDeferred
async def test_passed_scripted(scripted, corpus):
    assert scripted.port

def test_failed_seed(rng):
    assert rng.random() > 1

@given(strategies.integers())
@settings(max_examples=5)
def test_passed_hypothesis(number):
    assert number == number

@async_fixture
async def broken():
    raise ZeroDivisionError

def test_error_broken_fixture(broken):
    pass

def test_error_broken_fixture_again(broken):
    pass

@pytest.mark.campaign
def test_skipped_campaign():
    pass

def test_passed_campaign_count(campaign_count):
    assert 3 == campaign_count(3, 1000)

@ensureDeferred
async def test_passed_last(reactor):
    await deferLater(reactor, 0)
"""

_REASONS = {
    "delayed_call": "delayed call: <DelayedCall",
    "port": "in the reactor: <",
    "descriptor": "open file: ",
    "thread": "thread: <Thread",
    "temporary_file": "temporary file: left",
    "partial": "partial file: ",
    "unhandled": "LookupError: unhandled",
    "unhandled_in_cycle": "LookupError: in a cycle",
    "logged": "LookupError: logged",
    "flushed_other": "LookupError: kept",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says about the suite above, in a process of its own."""
    directory = tmp_path_factory.mktemp("suite")
    path = directory / "test_suite.py"
    path.write_text(_SUITE)
    command = [sys.executable, "-m", "pytest", "-c", str(_ROOT / "setup.cfg"), f"--rootdir={directory}"]
    command += ["-p", "tests.conftest", "-p", "no:cacheprovider", "-v", "--tb=short", "--seed=7", str(path)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout.count("test_suite.py::") > 10, done.stdout + done.stderr
    return done.stdout


def test_outcomes(report: str) -> None:
    """A test that leaves something is an error, one that cleans up in time passes, and no other is disturbed."""
    outcomes: dict[str, set[str]] = {}
    for name, outcome in re.findall(r"test_suite\.py::test_(\w+) (PASSED|FAILED|ERROR|SKIPPED)", report):
        outcomes.setdefault(name, set()).add(outcome.lower())
    wrong = {name: seen for name, seen in outcomes.items() if name.partition("_")[0] not in seen}
    assert {} == wrong
    passed = [name for name in outcomes if name.startswith(("passed", "failed"))]
    assert {} == {name: outcomes[name] for name in passed if "error" in outcomes[name]}
    assert _SUITE.count("def test_") == len(outcomes)


@pytest.mark.parametrize("name", _REASONS)
def test_reasons(report: str, name: str) -> None:
    """The report names what was left."""
    section = report.partition(f"_ ERROR at teardown of test_error_{name} _")[2].partition("\n____")[0]
    assert _REASONS[name] in section


def test_seed(report: str) -> None:
    """The seed is in the header and with each failure that it may explain."""
    assert "seed: 7 (repeat with --seed)" in report
    failure = report.partition("_ test_failed_seed _")[2].partition("\n____")[0]
    assert "--seed 7" in failure


def test_limit(report: str) -> None:
    """A test that hangs fails when its time is over."""
    failure = report.partition("_ test_failed_hangs _")[2].partition("\n____")[0]
    assert "TimeoutError" in failure
