"""`pulpdownloader token`, as whole processes, beside a daemon's API."""

from __future__ import annotations

from pathlib import Path

import pytest
import pytest_twisted

from tests.integration.api_site import StartAPI, start_api
from tests.integration.pool import Command
from tests.integration.process import Start

__all__ = ["start_api"]


@pytest.fixture
def command(start_command: Start, tmp_path: Path) -> Command:
    """The command with the data directory of the API."""
    return Command(start_command, tmp_path / "data0")


@pytest_twisted.ensureDeferred
async def test_token(start_api: StartAPI, command: Command) -> None:
    """A token that the command makes works while the daemon runs, is listed, and ends when it is revoked."""
    site = await start_api()
    made = await command.json("token", "create", "ci", "--scope", "write", "--days", "2")
    assert 200 == (await site.ask("GET", "/jobs", token=made["secret"])).status
    assert 403 == (await site.ask("GET", "/tokens", token=made["secret"])).status
    assert 2 * 86400 == round(made["token"]["expires"] - made["token"]["created"])
    assert ["admin", "ci"] == [each["name"] for each in await command.json("token", "list")]
    table = await command.run("token", "list")
    assert ["NAME", "SCOPE", "CREATED", "USED", "EXPIRES"] == table.lines[0].split()
    assert not [line for line in table.lines if made["secret"] in line]
    assert {"revoked": "ci"} == await command.json("token", "revoke", "ci")
    site.api.doorkeeper.forget()
    assert 401 == (await site.ask("GET", "/jobs", token=made["secret"])).status
    again = await command.run("token", "revoke", "ci")
    assert 1 == again.popen.returncode
