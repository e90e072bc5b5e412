"""The API against its own description: whatever requests schemathesis makes of it, no answer is a surprise."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.utils import getProcessOutputAndValue

from tests.integration.api_site import ROOT, StartAPI, start_api

__all__ = ["start_api"]

#: A document may be well-formed and still ask for what is not there, or cannot be: that is 422, and an address that is
#: blocked 403.
SETTINGS = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "422", "503", "507"]
"""


@pytest.mark.limit(900)
@pytest_twisted.ensureDeferred
async def test_schema(start_api: StartAPI, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """No request that the description allows or forbids is answered by a failure, or by what it does not say."""
    site = await start_api(failures=10**9)
    site.running.feed.close()  # so that streams of events end at once
    remote: dict[str, Any] = {"name": "debian", "url": "https://example.org/"}
    await site.ask("POST", "/remotes", remote)
    await site.ask("POST", "/repositories", {"name": "debian", "remote": "debian"})
    (tmp_path / "schemathesis.toml").write_text(SETTINGS)
    times = pytestconfig.getoption("--campaign")
    seed = pytestconfig.getoption("--seed")
    arguments = [
        "-c",
        "from schemathesis.cli import schemathesis; schemathesis()",
        "run",
        f"http://127.0.0.1:{site.port}{ROOT}/openapi.json",
        "--checks=all",
        f"--max-examples={int(30 * times) or 1}",
        f"--seed={seed}",
        f"--phases={'coverage,fuzzing,stateful' if times else 'fuzzing'}",
        "--continue-on-failure",
        "--no-color",
        "--request-timeout=60",
        f"--header=Authorization: Bearer {site.token}",
    ]
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    out, err, status = await getProcessOutputAndValue(
        sys.executable, arguments, env=environment, path=str(tmp_path), reactor=site.reactor
    )
    assert 0 == status, (out + err).decode()
    assert b"No issues found" in out or b"generated" in out
    assert json.loads((await site.ask("GET", "/health")).body)


def test_description() -> None:
    """Each thing that can be asked is described once, and what is described can be asked."""
    from twisted_pulp.api._application import routes
    from twisted_pulp.api._openapi import described, template_of

    found = described(routes(), ROOT, "1")
    asked = {(route.method.lower(), template_of(route.path)) for route in routes()}
    assert asked == {(method, path) for path, methods in found["paths"].items() for method in methods}
