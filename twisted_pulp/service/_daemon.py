"""The daemon as a service of Twisted's."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from twisted_pulp.errors import PulpError, SettingsError
from twisted_pulp.live import Running
from twisted_pulp.service._config import Config, ConfigError
from twisted_pulp.service._drain import Drain
from twisted_pulp.service._endpoints import Ports
from twisted_pulp.service._log import DaemonLog
from twisted_pulp.service._notify import Notifier
from twisted_pulp.service._parts import Parts
from twisted_pulp.service._policy import policy_of
from twisted_pulp.service._reload import reload
from twisted_pulp.service._signals import DaemonSignals
from twisted_pulp.service._site import Faces
from twisted_pulp.settings import Settings
from twisted_pulp.threads import outlasting

if TYPE_CHECKING:
    from twisted_pulp.service._member import Member
    from twisted_pulp.service._workers import Workers

__all__ = ["DaemonService"]


@define(eq=False, kw_only=True, slots=False)
class DaemonService(Service):
    """
    A downloader that takes its work over HTTP, does it, shows it, and serves what it has.

    To stop it takes as long as `ServiceLimits.grace` at most, and a little more: at once it is not ready any more and
    takes no new work, jobs and answers may come to their end, and then everything is closed.

    :ivar config: where its settings come from.
    :ivar settings: those in force, as `config` has read them.
    :ivar ended: called with an exit status when it cannot go on: 1, or 2 when the settings are at fault.
    :ivar log: what writes its log, when that follows its settings; default None.
    :ivar quiet: whether requests are not logged; default false.
    :ivar signals: whether it heeds SIGTERM, SIGINT and SIGHUP; default false.
    :ivar failed: called with what it cannot go on for; default: that is only logged.
    :ivar member: its place, when it is a worker process of a daemon: then nobody can ask it; default None.
    :ivar parts: what it is made of, once it runs; else None.
    :ivar stopping: whether it is coming to an end.
    :ivar urls: where clients find it.
    """

    _log = Logger()

    _reactor: Any = field(alias="reactor", kw_only=False)
    config: Config
    settings: Settings
    ended: Callable[[int], object] = lambda status: None
    log: DaemonLog | None = None
    quiet: bool = False
    signals: bool = False
    failed: Callable[[str], object] | None = None
    member: Member | None = None
    parts: Running | None = field(init=False, default=None)
    stopping: bool = field(init=False, default=False)
    _opened: Parts | None = field(init=False, default=None)
    _faces: Faces | None = field(init=False, default=None)
    _ports: Ports = field(init=False)
    _notifier: Notifier = field(init=False)
    _signals: DaemonSignals = field(init=False)
    _starting: Deferred[None] | None = field(init=False, default=None)
    _drain: Drain | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._ports = Ports(self._reactor)
        self._notifier = Notifier(os.environ, self._reactor)
        self._signals = DaemonSignals(self._reactor, self._asked_to_stop, self.hurry, self.reload)

    @property
    def urls(self) -> tuple[str, ...]:
        """Where clients find it, once it listens."""
        return tuple(self._ports.urls)

    def wake(self) -> None:
        """Look whether there is a job to begin."""
        if self._opened is not None and self._opened.work_done is not None:
            self._opened.work_done.wake()

    def startService(self) -> None:
        """Begin; what keeps it from running is logged, and `ended` told."""
        super().startService()  # type: ignore[no-untyped-call]
        if self.signals:
            self._signals.listen()
        self._starting = Deferred.fromCoroutine(self._start()).addErrback(self._broke)

    async def _start(self) -> None:
        self._opened = Parts(self._reactor, self.settings, self._workers, self.member)
        self.parts = await self._opened.open()
        self._log.info("using {path}", path=self.parts.data.path)
        token = await self._opened.first_token()
        self._faces = Faces(self.parts, lambda: not self.quiet)
        if self.member is None:
            await self._listen(self.settings, self._faces)
        if token is not None:
            self._log.info("API token: {_token}", _token=token)
        self.parts.context.policy = policy_of(self.settings, self._ports.numbers)
        await self._opened.work(self.urls)
        self._opened.health.ready = True
        await self.parts.nodes.tell()
        self._notifier.ready(f"serving at {', '.join(self.urls)}")
        self._log.info("ready")
        await self._faces.prepare()
        if self.signals:  # the process is ours: what is there now stays, and to look through it takes 80 ms each time
            gc.freeze()

    def _workers(self, running: Running) -> Workers:
        from twisted_pulp.service._workers import Workers

        orders = {"path": self.config.path, "given": dict(self.config.given), "name": running.nodes.name}
        write = self._said if self.log is None else self.log.pass_on
        return Workers(running, orders, write)

    def _said(self, line: str) -> None:
        self._log.info("{line}", line=line)

    async def _listen(self, settings: Settings, faces: Faces) -> None:
        content, metrics = settings.content_listen, settings.metrics_listen
        sites: tuple[tuple[tuple[str, ...], Callable[[], Any], str], ...] = (
            (settings.listen, lambda: faces.everything(content=not content, metrics=not metrics), "serving"),
            (content, faces.content, "serving content"),
            (metrics, faces.metrics, "serving metrics"),
        )
        for endpoints, make, what in sites:
            if endpoints:
                site = make()
                for each in endpoints:
                    self._log.info("{what} at {url}", what=what, url=await self._ports.listen(each, site))

    def _broke(self, failure: Failure) -> None:
        if failure.check(CancelledError):
            return
        if failure.check(PulpError, OSError):
            words = failure.getErrorMessage()
            if self.failed is None:
                self._log.error("failed: {reason}", reason=words)
            else:
                self.failed(f"failed: {words}")
        else:
            self._log.failure("the daemon could not start", failure=failure)
        status = 2 if failure.check(SettingsError) else 1
        self._reactor.callLater(0, self.ended, status)

    def reload(self) -> None:
        """Read the settings again, and go by them; when they are wrong the old ones stay in force."""
        if self.parts is None or self._opened is None or self._drain is not None:
            return
        self._notifier.reloading()
        try:
            new = self.config.read(self._reactor)
        except ConfigError as error:
            for mistake in error.mistakes:
                self._log.error("the old settings stay in force: {mistake}", mistake=mistake)
        else:
            reload(self.parts, new, self.log)
            self.settings = self.parts.settings
            self.parts.context.policy = policy_of(self.settings, self._ports.numbers)
            self._ports.renew()
            Deferred.fromCoroutine(self._opened.reload(self.settings)).addErrback(self._not_kept)
        self._notifier.ready(f"serving at {', '.join(self.urls)}")

    def _not_kept(self, failure: Failure) -> None:
        self._log.error("not all of the new settings are in force: {reason}", reason=failure.getErrorMessage())

    # The end

    def _asked_to_stop(self) -> None:
        """Be ready no more, from this moment on; the rest is done when the reactor stops."""
        if self._opened is not None:
            self._opened.health.stop()
        self._reactor.callFromThread(self._stop_reactor)

    def _stop_reactor(self) -> None:
        if self._reactor.running and self._drain is None:
            self._reactor.stop()

    def hurry(self) -> None:
        """End what the daemon still waits for."""
        if self._drain is not None:
            self._drain.hurry()

    def stopService(self) -> Deferred[None]:
        """Come to an end; the Deferred fires when nothing is left."""
        super().stopService()  # type: ignore[no-untyped-call]
        self.stopping = True
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        opened, self._opened = self._opened, None
        if opened is None:
            return
        opened.health.stop()
        self._notifier.stopping("stopping")
        starting, self._starting = self._starting, None
        if starting is not None and not starting.called:
            starting.cancel()
            await outlasting(starting)
        if self.parts is not None and self._faces is not None:
            self._drain = Drain(self.parts, opened.work_done, self._ports, self._faces.doors)
            self._log.info("stopping{words}", words=self._drain.words(self.settings.limits.grace))
            self._signals.patience(self.settings.limits.grace)
            await self._drain.run(self.settings.limits.grace)
        await self._ports.close()
        await opened.close()
        self.parts = self._faces = None
        self._notifier.close()
        self._log.info("stopped")
