"""`pulpdownloader distribution` and `pulpdownloader serve`: their commands and arguments."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from twisted_pulp.cli._commands import POLICIES
from twisted_pulp.cli._place import place, placed

__all__ = ["distribution", "serve"]

_LATEST = "latest"


def _number(_: click.Context, __: click.Parameter, value: str | None) -> int | str | None:
    if value is None or value == _LATEST:
        return value
    if not value.isdecimal() or not int(value):
        raise click.BadParameter(f"{value!r} is neither a version's number nor {_LATEST}")
    return int(value)


def _cache(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, Any] | None:
    found: dict[str, Any] = {}
    for each in values:
        name, mark, value = each.partition("=")
        if not mark:
            raise click.BadParameter(f"{each!r} is not NAME=VALUE")
        try:
            found[name] = json.loads(value) if value else None
        except ValueError as error:
            raise click.BadParameter(f"{value!r} of {name} is no number, true or false") from error
    return found or None


def _served(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let *command* say what is served."""
    for option in (
        click.option("--early-ranges/--no-early-ranges", default=None, help="Send parts before the whole is verified."),
        click.option(
            "--cache",
            multiple=True,
            metavar="NAME=VALUE",
            callback=_cache,
            help="How long other files are kept, as max_age=60; several.",
        ),
        click.option(
            "--immutable", multiple=True, metavar="PATTERN", help="Upstream files that never change, as *.deb; several."
        ),
        click.option("--policy", type=click.Choice(POLICIES[1:]), help="Whether what was fetched is kept."),
        click.option("--remote", metavar="URL|NAME", help="Where to ask for what is not there."),
        click.option("--version", "number", metavar="N", callback=_number, help="Of this version; or latest."),
        click.option("--repository", metavar="NAME", help="What is served."),
    ):
        command = option(command)
    return command


@click.group()
@placed
def distribution() -> None:
    """Say what `serve` serves, and where."""


@distribution.command()
@click.argument("name")
@click.option("--base-path", required=True, metavar="PATH", help="What its paths begin with.")
@_served
@placed
def create(name: str, base_path: str, **given: Any) -> int:
    """
    Serve a repository, a remote or both, as NAME.

    With both, the remote is asked for what the repository does not have. A remote that is given by its URL is made, and
    has the name of the distribution.
    """
    if given["repository"] is None and given["remote"] is None:
        raise click.UsageError("give --repository or --remote, or both")
    from twisted_pulp.cli._distribution import created

    return created(place(), name, {"base_path": base_path, **_given(given)})


@distribution.command("list")
@placed
def list_distributions() -> int:
    """List all distributions."""
    from twisted_pulp.cli._distribution import listed

    return listed(place())


@distribution.command()
@click.argument("name")
@placed
def show(name: str) -> int:
    """Show one distribution."""
    from twisted_pulp.cli._distribution import shown

    return shown(place(), name)


@distribution.command()
@click.argument("name")
@click.option("--name", "new", metavar="NEW", help="Its new name.")
@click.option("--base-path", metavar="PATH", help="What its paths begin with.")
@_served
@placed
def update(name: str, new: str | None, base_path: str | None, **given: Any) -> int:
    """Change a distribution; what is not named stays, and an empty text takes away."""
    fields = _given({"name": new, "base_path": base_path, **given})
    if not fields:
        raise click.UsageError("say what is to be changed")
    from twisted_pulp.cli._distribution import updated

    return updated(place(), name, fields)


@distribution.command()
@click.argument("name")
@placed
def delete(name: str) -> int:
    """Serve it no more; what it served stays."""
    from twisted_pulp.cli._distribution import deleted

    return deleted(place(), name)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return what was said."""
    fields = {name: value for name, value in options.items() if value not in (None, ())}
    if fields.get("number") == _LATEST:
        fields["number"] = None
    return fields


@click.command(epilog="Ends with 0 after SIGTERM or Ctrl-C, 1 when it cannot run, 2 when the settings are wrong.")
@click.option(
    "--config", metavar="FILE", help="Settings (TOML).  [default: ~/.config/pulpdownloader/settings.toml, if there]"
)
@click.option(
    "--listen",
    "endpoints",
    multiple=True,
    metavar="ENDPOINT",
    help="Where, as Twisted says it; several.  [default: tcp:8080:interface=127.0.0.1]",
)
@click.option(
    "--role",
    "roles",
    multiple=True,
    type=click.Choice(("api", "worker", "content")),
    help="What it does; several.  [default: all]",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 256),
    default=0,
    help="Processes that run the jobs.  [default: 0, the daemon does it itself]",
)
@click.option("--log-format", type=click.Choice(("text", "json")), help="What its log is.  [default: text]")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors: no line for each request.")
@placed
def serve(**given: Any) -> int:
    """
    Be the daemon: take downloads and syncs over HTTP, show them, and serve all distributions.

    The dashboard is at /, the API below /api/v1/, and each distribution below /content/ and its base path; files that
    were not downloaded yet come from upstream. ENDPOINT is for example tcp:80, tcp6:8080, unix:/run/pulpdownloader,
    ssl:443:privateKey=key.pem:certKey=chain.pem.

    The first SIGTERM or Ctrl-C lets what is under way come to its end, the second one does not. SIGHUP reads the
    settings again.
    """
    from twisted_pulp.cli._serve import serve as run

    return run(place(), **given)
