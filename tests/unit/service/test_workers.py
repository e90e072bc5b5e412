"""Worker processes: started, told, started again when they die, and ended."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import define, field
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from twisted_pulp.service._worker import NEWS, WorkerProcess


class _Transport:
    def __init__(self) -> None:
        self.written = b""
        self.signals: list[str] = []
        self.gone = False

    def write(self, data: bytes) -> None:
        """Take what it is told."""
        self.written += data

    def signalProcess(self, name: str) -> None:
        """Take a signal."""
        if self.gone:
            raise ProcessExitedAlready
        self.signals.append(name)


class Machine(Clock):
    """A reactor that starts nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[tuple[list[str], dict[str, str]]] = []

    def spawnProcess(self, protocol: Any, program: str, arguments: list[str], env: Any, childFDs: Any) -> None:
        """Note that it was to be started."""
        self.begun.append((arguments, env))
        protocol.transport = _Transport()


@define(eq=False)
class World:
    """A process, and what it says."""

    machine: Machine = field(init=False, factory=Machine)
    lines: list[str] = field(init=False, factory=list)
    news: list[Any] = field(init=False, factory=list)
    process: WorkerProcess = field(init=False)

    def __attrs_post_init__(self) -> None:
        orders = {"name": "n", "number": 1}
        self.process = WorkerProcess(self.machine, 1, orders, self.lines.append, self.news.append, 60.0)

    def die(self) -> None:
        """Let it be killed."""
        self.process.processEnded(Failure(ProcessTerminated(signal=9)))


@pytest.fixture
def world(monkeypatch: Any) -> World:
    """A process that was started."""
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/notify")
    world = World()
    world.process.start()
    return world


def test_begun(world: World) -> None:
    """Its first line says what it is to be; what systemd tells the daemon is not for it."""
    ((arguments, environment),) = world.machine.begun
    assert ["-m", "twisted_pulp.service._worker_main"] == arguments[1:]
    assert "NOTIFY_SOCKET" not in environment
    assert {"name": "n", "number": 1} == json.loads(world.process.transport.written)


def test_said(world: World) -> None:
    """Lines of its log are passed on whole, and what it counts; how many jobs it runs is remembered."""
    for descriptor, data in (
        (1, b"on"),
        (NEWS, b'{"bytes":'),
        (1, b"e\ntw"),
        (NEWS, b'1,"running":2}\n{}\n'),
        (1, b"o\n"),
    ):
        world.process.childDataReceived(descriptor, data)
    assert (["one", "two"], [{"bytes": 1}, {}]) == (world.lines, world.news)
    assert 2 == world.process.jobs
    world.die()
    assert 0 == world.process.jobs


def test_again(world: World) -> None:
    """It is started again when it dies, later each time, and soon again once it has lived for long."""
    pauses = []
    for _ in range(8):
        world.die()
        began, started = world.machine.seconds(), len(world.machine.begun)
        while started == len(world.machine.begun):
            world.machine.advance(0.25)
        pauses.append(world.machine.seconds() - began)
    assert [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0] == pauses
    world.machine.advance(31)
    world.die()
    world.machine.advance(0.5)
    assert 10 == len(world.machine.begun)


def test_stop(world: World) -> None:
    """Once it was to end it is not started again."""
    over = world.process.stop(30.0)
    assert world.process.transport.written.endswith(b"\nstop 30\n")
    assert not over.called
    world.process.processEnded(Failure(ProcessDone(0)))
    assert over.called
    assert [] == world.machine.getDelayedCalls()
    world.process.tell("wake")
    world.process.kill()


def test_stop_between(world: World) -> None:
    """One that waits to be started again is not."""
    world.die()
    assert world.process.stop(30.0).called
    assert [] == world.machine.getDelayedCalls()


def test_kill(world: World) -> None:
    """It can be ended at once; when it has just ended itself, that is no failure."""
    world.process.kill()
    assert ["KILL"] == world.process.transport.signals
    world.process.transport.gone = True
    world.process.kill()


def test_silent(world: World) -> None:
    """One that has begun to say that it lives, and then has not for a lease, is killed."""
    machine, process = world.machine, world.process
    machine.advance(600)
    for _ in range(20):
        process.childDataReceived(NEWS, b"{}\n")
        machine.advance(50)
    assert [] == process.transport.signals
    machine.advance(3600)  # we have stood still, too
    assert [] == process.transport.signals
    process.childDataReceived(NEWS, b"{}\n")
    machine.pump([10] * 8)
    assert ["KILL"] == process.transport.signals
    world.die()
    machine.advance(1)
    assert [] == machine.getDelayedCalls()
    machine.pump([10] * 20)
    assert [] == process.transport.signals
