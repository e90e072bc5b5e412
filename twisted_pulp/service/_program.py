"""A process of the service, from its settings to its exit status."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.logger import globalLogBeginner, globalLogPublisher

from twisted_pulp.clock import use_monotonic_clock
from twisted_pulp.service._complaint import complain
from twisted_pulp.service._config import Config, ConfigError
from twisted_pulp.service._daemon import DaemonService
from twisted_pulp.service._lines import Lines
from twisted_pulp.service._log import DaemonLog
from twisted_pulp.service._redaction import Redaction, secrets_of

__all__ = ["run_service"]


def run_service(
    config: Config,
    *,
    begin: Callable[[Any, DaemonService], object] = lambda reactor, service: None,
    always: Mapping[str, object] | None = None,
    handlers: bool = True,
    **fields: Any,
) -> int:
    """
    Run the service in the global reactor until it ends, and return the exit status.

    It logs to standard output.

    :param config: where its settings come from.
    :param begin: called with the reactor and the service before they run; default: nothing is done.
    :param always: ids that every line of the log has; default None: there are none.
    :param handlers: whether the reactor takes signals; default true.
    :param fields: further ones of `DaemonService`.
    :returns: 0 after an ordinary end, 1 when it could not run, 2 when the settings are wrong: then nothing was begun.
    """
    from twisted.internet import reactor

    one: Any = reactor
    use_monotonic_clock(one)
    try:
        settings = config.read(one)
    except ConfigError as error:
        for line in error.mistakes:
            complain(line)
        return 2
    lines = Lines()
    log = DaemonLog(lines.write, Redaction(secrets_of(settings)), settings.log.format, settings.log.level)
    log.always = always or {}
    globalLogBeginner.beginLoggingTo([log], discardBuffer=True, redirectStandardIO=False)
    statuses = [0]

    def ended(status: int) -> None:
        statuses.append(status)
        if one.running:
            one.stop()

    service = DaemonService(one, config=config, settings=settings, ended=ended, log=log, **fields)
    one.addSystemEventTrigger("before", "shutdown", service.stopService)
    one.callWhenRunning(service.startService)
    begin(one, service)
    one.run(installSignalHandlers=handlers)
    globalLogPublisher.removeObserver(log)
    lines.flush()
    return max(statuses)
