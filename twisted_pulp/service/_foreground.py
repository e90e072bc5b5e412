"""The daemon in the foreground."""

from __future__ import annotations

from typing import Any

from twisted.logger import globalLogBeginner, globalLogPublisher

from twisted_pulp.clock import use_monotonic_clock
from twisted_pulp.service._complaint import complain
from twisted_pulp.service._config import Config, ConfigError
from twisted_pulp.service._daemon import DaemonService
from twisted_pulp.service._lines import Lines
from twisted_pulp.service._log import DaemonLog
from twisted_pulp.service._redaction import Redaction, secrets_of

__all__ = ["run_daemon"]


def run_daemon(config: Config, *, quiet: bool = False) -> int:
    """
    Run the daemon in the global reactor until a signal comes, and return the exit status.

    It logs to standard output; what keeps it from running it says on standard error.

    :param config: where its settings come from.
    :param quiet: whether requests are not logged; default false.
    :returns: 0 after a signal, 1 when it could not run, 2 when the settings are wrong: then nothing was begun.
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
    globalLogBeginner.beginLoggingTo([log], discardBuffer=True, redirectStandardIO=False)
    statuses = [0]

    def ended(status: int) -> None:
        statuses.append(status)
        if one.running:
            one.stop()

    service = DaemonService(
        one, config=config, settings=settings, ended=ended, log=log, quiet=quiet, signals=True, failed=complain
    )
    one.addSystemEventTrigger("before", "shutdown", service.stopService)
    one.callWhenRunning(service.startService)
    one.run()
    globalLogPublisher.removeObserver(log)
    lines.flush()
    return max(statuses)
