"""What a daemon is to do: a settings file, and the options that go before it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import msgspec
from attrs import field, frozen

from twisted_pulp.errors import PulpError, SettingsError
from twisted_pulp.service._endpoints import endpoint_of
from twisted_pulp.settings import Settings, read_document
from twisted_pulp.settings._document import line_of

__all__ = ["Config", "ConfigError"]

_ENDPOINTS = ("listen", "content_listen", "metrics_listen")
#: Field of the settings -> the option that sets it, for a person to find it again.
_OPTIONS = {
    "listen": "--listen",
    "data": "--data",
    "roles": "--role",
    "log": "--log-format",
    "database": "--database",
    "storage": "--storage",
}


class ConfigError(PulpError):
    """
    The settings cannot be used; nothing was begun.

    :ivar mistakes: one line for each, with the file, the line and the field where there are such.
    """

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__(mistakes)
        self.mistakes = mistakes

    def __str__(self) -> str:
        return "\n".join(self.mistakes)


@frozen(kw_only=True)
class Config:
    """
    Where the settings of a daemon come from; they may be read again and again.

    :ivar path: of the settings file; default None: the user's own, if there is one.
    :ivar given: field of `Settings` -> the value that goes before the file's; for `log` its format.
    """

    path: str | None = None
    given: Mapping[str, Any] = field(factory=dict)

    def read(self, reactor: Any) -> Settings:
        """
        Return the settings, all of which were looked at: endpoints too can be listened at as far as one can tell.

        :param reactor: for which endpoints are made.
        :raises ConfigError: with every mistake.
        """
        path, text = self._text()
        settings, mistakes = read_document(text)
        wrong = [f"{path}: {mistake}" for mistake in mistakes]
        named = {mistake.field for mistake in mistakes}
        said = settings or Settings()
        for name in _ENDPOINTS:
            if name not in self.given and name not in named:
                where = line_of(text, name)
                place = f"{path}: " if where is None else f"{path}: line {where}: "
                endpoints = _endpoints_in(text, name) if settings is None else getattr(said, name)
                wrong += [f"{place}{error}" for error in _unusable(reactor, name, endpoints)]
        given = dict(self.given)
        if "log" in given:
            given["log"] = attrs.evolve(said.log, format=given["log"])
        try:
            said = attrs.evolve(said, **given)
        except SettingsError as error:
            error.args = (_OPTIONS.get(error.field, error.field), error.value, error.allowed)
            error.field = error.args[0]
            wrong.append(str(error))
        else:
            for name in _ENDPOINTS:
                if name in self.given:
                    wrong += [str(each) for each in _unusable(reactor, _OPTIONS[name], getattr(said, name))]
        if wrong:
            raise ConfigError(wrong)
        return attrs.evolve(said, data=said.data or default_data())

    def _text(self) -> tuple[str, str]:
        path = self.path or _own_settings()
        try:
            with open(path, encoding="utf-8") as file:
                return path, file.read()
        except UnicodeDecodeError as error:
            raise ConfigError([f"{path}: not UTF-8"]) from error
        except OSError as error:
            if self.path is None and isinstance(error, FileNotFoundError | NotADirectoryError):
                return path, ""
            raise ConfigError([f"{path}: {error.strerror}"]) from error


def _endpoints_in(text: str, name: str) -> tuple[str, ...]:
    """Return the endpoints that *text* names, which has mistakes elsewhere."""
    try:
        found = msgspec.toml.decode(text).get(name, ())
    except msgspec.DecodeError:
        return ()
    return (found,) if isinstance(found, str) else tuple(found)


def _unusable(reactor: Any, name: str, endpoints: tuple[str, ...]) -> Iterator[SettingsError]:
    for each in endpoints:
        try:
            endpoint_of(reactor, each)
        except ValueError as error:
            yield SettingsError(name, each, f"an endpoint, such as tcp:8080 ({error})")


def _own_settings() -> str:
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(home, "pulpdownloader", "settings.toml")


def default_data() -> str:
    """Return where the data is when nobody says so."""
    home = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    return os.path.join(home, "pulpdownloader")
