"""The settings file: where it is, and what it says."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from twisted_pulp.settings import Remote

if TYPE_CHECKING:
    from twisted_pulp.settings import Mistake, Settings

__all__ = ["load", "path_of", "remote_of"]


def path_of(given: str | None) -> str:
    """Return the path of the settings file: *given*, or the user's own."""
    if given is not None:
        return given
    home = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(home, "pulpdownloader", "settings.toml")


def load(path: str) -> tuple[Settings | None, list[Mistake]]:
    """
    Read the settings file at *path*.

    :returns: as `read_document`.
    :raises click.UsageError: when it cannot be read.
    """
    from twisted_pulp.settings import read_document

    try:
        with open(path, encoding="utf-8") as file:
            return read_document(file.read())
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{path}: not UTF-8") from error


def remote_of(config: str | None, name: str | None, fields: Mapping[str, object]) -> Remote:
    """
    Return the Remote that is called *name* in the settings, or one with every default, with *fields* changed.

    :raises click.UsageError: when the settings are wrong, or have no such Remote.
    :raises SettingsError: when a field is wrong.
    """
    if name is None and config is None and not fields:
        return Remote()
    from twisted_pulp.settings import changed

    if name is None and config is None:
        return changed(Remote(), fields)  # type: ignore[no-any-return]
    path = path_of(config)
    settings, mistakes = load(path)
    if settings is None:
        raise click.UsageError("\n".join(f"{path}: {mistake}" for mistake in mistakes))
    if name is None:
        return changed(Remote(), fields)  # type: ignore[no-any-return]
    if name not in settings.remotes:
        known = ", ".join(sorted(settings.remotes)) or "none"
        raise click.UsageError(f"{path}: no remote is called {name!r}; there are: {known}")
    return changed(settings.remotes[name], fields)  # type: ignore[no-any-return]
