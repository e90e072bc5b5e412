"""The command's arguments; `--help` needs nothing else, and imports nothing else."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from twisted_pulp.cli._options import GetOptions, digest_of
from twisted_pulp.cli._place import place, placed
from twisted_pulp.cli._reach import asked_fields, asking, jobs, pairs, reaching

__all__ = ["program", "run_program"]

# Command -> the module that has it. `get` needs none of them: to make their options takes as long as to start Python.
_ELSEWHERE = {
    "cleanup": "_commands",
    "cluster": "_cluster_group",
    "distribution": "_distribution_group",
    "export": "_commands",
    "job": "_job_group",
    "remote": "_groups",
    "repository": "_groups",
    "serve": "_distribution_group",
    "status": "_job_group",
    "sync": "_commands",
    "token": "_token_group",
    "verify": "_commands",
}


class _Program(click.Group):
    """Commands, most of which are imported only when they are wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all."""
        return sorted({*self.commands, *_ELSEWHERE})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one."""
        module = _ELSEWHERE.get(cmd_name)
        if module is None:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(import_module(f"twisted_pulp.cli.{module}"), cmd_name)
        return command


def run_program(arguments: list[str] | None = None) -> int:
    """Run the command with *arguments*, by default the process's, and return its exit status."""
    from twisted_pulp.cli._streams import keep_standard_descriptors

    keep_standard_descriptors()
    try:
        return int(program.main(arguments, prog_name="pulpdownloader", standalone_mode=False) or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        return 130


def _version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from twisted_pulp import __version__

        click.echo(f"pulpdownloader {__version__}")
        context.exit()


@click.group(cls=_Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Say the version.")
@placed
def program() -> None:
    """Download files, and sync repositories: verified, resumed, tried again, many at once."""


@program.command(epilog="Exits 0 when all files are there, 1 when some are not, 2 when the command makes no sense.")
@click.argument("urls", nargs=-1, metavar="[URL]...")
@click.option("-d", "--directory", default=".", metavar="DIR", help="Where files go.  [default: here]")
@click.option("-o", "--output", metavar="FILE", help="What the file is called, where there is one URL.")
@click.option(
    "-i", "--input", "lists", multiple=True, metavar="LIST", help="A list of files: a path, a URL, or - for stdin."
)
@jobs("Downloads at once.  [default: 8]", 8)
@click.option(
    "--digest", "digests", multiple=True, metavar="ALG:HEX", callback=pairs(digest_of), help="What the file must have."
)
@click.option("--size", type=click.IntRange(0), metavar="N", help="Bytes the file must have.")
@click.option("--report", metavar="FILE", help="Write what became of each file there, as JSON lines.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first file that fails.")
@click.option("--force", is_flag=True, help="Fetch files that are there already, too.")
@placed
@asking
@reaching
def get(**given: Any) -> int:
    """
    Download each URL, and each file of each LIST.

    A URL may be relative to that of the --remote, or to --base.

    A LIST has JSON lines with url, path, size and digests; or URLs; or is a PULP_MANIFEST or a metalink. A URL or path
    that ends with .meta4 or .metalink is one too, unless it is given a name with -o.
    """
    fields = asked_fields(given)
    options = GetOptions(**given, fields=fields, json=place().json).with_metalinks()
    contradiction = options.contradiction()
    if contradiction is not None:
        raise click.UsageError(contradiction)
    if place().server is not None:
        from twisted_pulp.cli._get_elsewhere import get_elsewhere

        return get_elsewhere(place(), options)
    from twisted_pulp.cli._get import get as run

    return run(options)


@program.command(epilog="Exits 0 when all is well, 1 when a remote cannot be reached, 2 when the settings are wrong.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--config", metavar="FILE", help="Settings, with remotes by name (TOML).")
@click.option("--probe/--no-probe", default=True, help="Ask each remote for its URL.  [default: probe]")
def check(config: str | None, names: tuple[str, ...], probe: bool) -> int:
    """
    Say what is wrong with the settings, by line and field, and whether each remote can be reached.

    NAMEs are the remotes to ask; default: all.
    """
    from twisted_pulp.cli._check import check as run

    return run(config, names, probe)
