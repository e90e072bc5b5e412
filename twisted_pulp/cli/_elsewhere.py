"""What a command line says, as the documents that a server wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from twisted_pulp.client import Client, ServerError
from twisted_pulp.documents import Distribution, DistributionChange, NewDistribution, NewRemote, RemoteChange

__all__ = ["create_distribution", "new_remote", "remote_change", "update_distribution"]

#: Files here that the server cannot read: it gets what is in them.
_PEM = frozenset({"tls.ca_cert", "tls.client_cert", "tls.client_key", "proxy.tls.ca_cert"})
_SETTINGS = "immutable", "early_ranges", "cache"


def new_remote(name: str, type: str, fields: Mapping[str, object]) -> NewRemote:
    """
    Return a remote to be made, of *fields* with dots into its parts.

    :raises click.UsageError: when it has no URL, or a file of them cannot be read.
    """
    settings = _nested(fields)
    url = settings.pop("url", None)
    if not isinstance(url, str):
        raise click.UsageError("give the URL of the upstream")
    return NewRemote(name=name, url=url, type=type, settings=settings)


def remote_change(fields: Mapping[str, object]) -> RemoteChange:
    """Return a change of *fields*; see `new_remote`."""
    settings = _nested(fields)
    url = settings.pop("url", None)
    return RemoteChange(settings=settings) if url is None else RemoteChange(settings=settings, url=url)


def _nested(fields: Mapping[str, object]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in fields.items():
        *tables, last = name.split(".")
        table = found
        for each in tables:
            table = table.setdefault(each, {})
        table[last] = _read(value) if name in _PEM and isinstance(value, str) else value
    return found


def _read(value: str) -> str:
    if "-----BEGIN" in value:
        return value
    try:
        with open(value, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{value}: {getattr(error, 'strerror', None) or 'not text'}") from error


async def create_distribution(server: Client, name: str, fields: Mapping[str, Any]) -> Distribution:
    """Make the distribution *name* of *fields*, those of the command line; a remote that is a URL is made, too."""
    values = _distribution(fields)
    if "://" in (values.get("remote") or ""):
        values["remote"] = await _remote(server, name, values["remote"])
    return await server.distributions.create(NewDistribution(name=name, **values))


async def update_distribution(server: Client, name: str, fields: Mapping[str, Any]) -> Distribution:
    """Change *fields*, those of the command line, of the distribution *name*."""
    values = _distribution(fields)
    if "://" in (values.get("remote") or ""):
        values["remote"] = await _remote(server, name, values["remote"])
    return await server.distributions.update(name, DistributionChange(**values))


def _distribution(fields: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(fields)
    if "number" in values:
        values["version"] = values.pop("number")
    settings = {each: values.pop(each) for each in _SETTINGS if each in values}
    if "immutable" in settings:
        settings["immutable"] = [each for each in settings["immutable"] if each]
    # An empty text takes away.
    values = {each: (None if value == "" else value) for each, value in values.items()}
    return {**values, "settings": settings} if settings else values


async def _remote(server: Client, name: str, url: str) -> str:
    """Return the name of the remote for *url*, which is made if need be."""
    try:
        made = await server.remotes.create(NewRemote(name=name, url=url))
    except ServerError as error:
        if error.status != 409 or (await server.remotes.get(name)).url != url:
            raise
        return name
    return made.name
