"""A settings file: Remotes with names, what a daemon may do, and each mistake with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from attrs import field, frozen

from twisted_pulp.errors import SettingsError
from twisted_pulp.settings._address_policy import AddressPolicy
from twisted_pulp.settings._convert import made
from twisted_pulp.settings._daemon import Log, Retention, Schedule, ServiceLimits, endpoints, roles
from twisted_pulp.settings._engines import broker, database, place, storage
from twisted_pulp.settings._fields import part
from twisted_pulp.settings._remote import Remote
from twisted_pulp.settings._values import number

__all__ = ["Mistake", "Settings", "read_document"]

_HEADER = re.compile(r"\s*\[\[?\s*([^\]#]+?)\s*\]").match
_NAME = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_ASSIGNED = re.compile(rf"\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=").match
_PART = re.compile(_NAME).findall
_AT_LINE = re.compile(r"\(?at line (\d+)").search


@frozen(kw_only=True)
class Settings:
    """
    What a settings file says: of remotes, and of a daemon.

    :ivar data: absolute path of the data directory; default None: ``$XDG_DATA_HOME/pulpdownloader``.
    :ivar listen: endpoints, as Twisted writes them, where everything is served; default
        ``tcp:8080:interface=127.0.0.1``.
    :ivar content_listen: endpoints where content alone is served, and then nowhere else; default none: where everything
        is.
    :ivar metrics_listen: endpoints where metrics alone are served, and then nowhere else; default none: where
        everything is.
    :ivar database: URL of the catalog; default None: a file in the data directory.
    :ivar storage: absolute path of the directory with the bytes, or URL of a bucket: ``s3://BUCKET/PREFIX``, ``gs://``
        or ``az://``; default None: in the data directory.
    :ivar broker: what hands out work: "local", within the process, which is the default; or ``amqp://`` or ``amqps://``.
    :ivar key: absolute path of the file with the key of the catalog's secrets, the same for all that share a catalog;
        default None: in the data directory.
    :ivar workers: processes of this machine that run jobs; default 0: the daemon does it itself.
    :ivar roles: what the daemon does: "api", with the dashboard; "worker", which runs jobs and schedules; "content",
        which serves it. Default: all.
    :ivar limits: how much at once.
    :ivar retention: what is remembered.
    :ivar log: what is logged, and how.
    :ivar remotes: name -> Remote; default none.
    :ivar schedules: name -> Schedule; default none.
    :ivar ssrf: where URLs of people who are not trusted may lead; default: to the public internet.
    """

    data: str | None = place()
    listen: tuple[str, ...] = endpoints("tcp:8080:interface=127.0.0.1")
    content_listen: tuple[str, ...] = endpoints()
    metrics_listen: tuple[str, ...] = endpoints()
    database: str | None = database()
    storage: str | None = storage()
    broker: str | None = broker()
    key: str | None = place()
    workers: int = number(0, zero=True, high=256, whole=True)
    roles: tuple[str, ...] = roles("api", "worker", "content")
    limits: ServiceLimits = part(ServiceLimits)
    retention: Retention = part(Retention)
    log: Log = part(Log)
    remotes: Mapping[str, Remote] = field(factory=dict, hash=False)
    schedules: Mapping[str, Schedule] = field(factory=dict, hash=False)
    ssrf: AddressPolicy = part(AddressPolicy)

    def __attrs_post_init__(self) -> None:
        if not self.listen and not self.content_listen:
            raise SettingsError("listen", (), "an endpoint, such as tcp:8080:interface=127.0.0.1, or several")


@frozen
class Mistake:
    """
    Something in a settings file that cannot be honoured.

    :ivar line: where, from 1, or None when that cannot be told.
    :ivar field: of what, as ``remotes.debian.timeouts.connect``.
    :ivar reason: what it was, and what it may be.
    """

    line: int | None
    field: str
    reason: str

    def __str__(self) -> str:
        return self.reason if self.line is None else f"line {self.line}: {self.reason}"


def read_document(text: str) -> tuple[Settings | None, list[Mistake]]:
    """
    Read a settings file in TOML.

    :returns: the settings, None when there are mistakes; and all mistakes.
    """
    try:
        data = msgspec.toml.decode(text)
    except msgspec.DecodeError as error:
        match = _AT_LINE(str(error))
        line = int(match[1]) if match else max(1, text.rstrip().count("\n") + 1)
        return None, [Mistake(line, "toml", f"no valid TOML: {error}")]
    wrong: list[SettingsError] = []
    settings = made(Settings, data, "", wrong.append)
    mistakes = [Mistake(line_of(text, error.field), error.field, str(error)) for error in wrong]
    return (settings if not wrong else None), sorted(mistakes, key=lambda each: each.line or 0)


def line_of(text: str, name: str) -> int | None:
    """Return the line of *text*, TOML, in which the field *name* is set, or else the nearest table that has it."""
    wanted, best, found = _parts(name), 0, None
    table: list[str] = []
    quote = ""
    for at, line in enumerate(text.splitlines(), 1):
        here: list[str] | None = None
        if quote:
            quote = "" if quote in line else quote
            continue
        header, assigned = _HEADER(line), _ASSIGNED(line)
        if header is not None:
            here = table = _parts(header[1])
        elif assigned is not None:
            here = table + _parts(assigned[1])
            value = line[assigned.end() :]
            quote = next((each for each in ('"""', "'''") if value.count(each) == 1), "")
        same = 0 if here is None else _common(here, wanted)
        if same > best and same in (len(wanted), len(here or ())):
            best, found = same, at
    return found


def _common(one: list[str], other: list[str]) -> int:
    """Return how many parts are the same from the beginning."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _parts(name: str) -> list[str]:
    return [part.strip("\"'") for part in _PART(name)]
