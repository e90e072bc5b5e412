"""The options that every command has, before its name and after it."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from twisted_pulp.cli._place import Place, place, placed


@click.group()
@placed
def group() -> None:
    """Stand for the program."""


@group.command()
@placed
def command() -> None:
    """Stand for a command."""
    seen.append(place())


seen: list[Place] = []


def given(*arguments: str) -> Place:
    """Return what the command sees when the program gets *arguments*."""
    seen.clear()
    result = CliRunner().invoke(group, arguments, catch_exceptions=False)
    assert (0, 1) == (result.exit_code, len(seen)), result.output
    return seen[0]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the environment say nothing."""
    for name in ("PULPDOWNLOADER_DATA", "PULPDOWNLOADER_DATABASE", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/joe")


def test_defaults() -> None:
    """What is not said is the user's own, for a person."""
    assert Place() == given("command")
    assert "/home/joe/.local/share/pulpdownloader" == given("command").data


def test_data_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who keeps data elsewhere has it there."""
    monkeypatch.setenv("XDG_DATA_HOME", "/srv/data")
    assert "/srv/data/pulpdownloader" == given("command").data


ALL = ("--data", "d", "--database", "sqlite:////c", "--json")


@pytest.mark.parametrize("arguments", [(*ALL, "command"), ("command", *ALL), (*ALL[:2], "command", *ALL[2:])])
def test_anywhere(arguments: tuple[str, ...]) -> None:
    """The options mean the same before the command and after it."""
    assert Place("d", "sqlite:////c", True) == given(*arguments)


def test_elsewhere() -> None:
    """The bytes may be elsewhere than what is known of them."""
    assert ("d", "/srv/b") == (given("command", "--storage", "/srv/b", "--data", "d").data, seen[0].storage)


def test_last_counts() -> None:
    """What stands with the command counts more."""
    assert "b" == given("--data", "a", "command", "--data", "b").data


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment says where things are, unless the command does: a URL's password is in no list of processes."""
    monkeypatch.setenv("PULPDOWNLOADER_DATA", "e")
    monkeypatch.setenv("PULPDOWNLOADER_DATABASE", "postgresql://u:p@h/d")
    assert Place("e", "postgresql://u:p@h/d") == given("command")
    assert Place("d", "postgresql://u:p@h/d") == given("--data", "d", "command")
