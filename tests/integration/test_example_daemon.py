"""examples/daemon.py from end to end: pip itself, through the daemon, from an index of our own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pytest_twisted import ensureDeferred
from twisted.internet.threads import deferToThreadPool

from tests.forked import ROOT
from tests.servers.reactor import IReactor
from tests.servers.scripted import Scripted, ok

WHEEL = "thing-1.0-py3-none-any.whl"
METADATA = "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n"
TAG = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def wheel() -> bytes:
    """Return a wheel that pip takes."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        file.writestr("thing.py", "")
        file.writestr("thing-1.0.dist-info/METADATA", METADATA)
        file.writestr("thing-1.0.dist-info/WHEEL", TAG)
        file.writestr("thing-1.0.dist-info/RECORD", "")
    return held.getvalue()


@pytest.mark.limit(150)
@ensureDeferred
async def test_daemon(reactor: IReactor, scripted: Scripted, tmp_path: Path) -> None:
    """pip downloads through the daemon, a job syncs what was downloaded before; the API shows both, and it ends."""
    data = wheel()
    digest = hashlib.sha256(data).hexdigest()
    page = f'<!DOCTYPE html><html><body><a href="../../files/{WHEEL}#sha256={digest}">{WHEEL}</a>'
    scripted.on(b"/simple/thing/", [ok(page.encode(), [(b"Content-Type", b"text/html")])])
    scripted.on(b"/files/" + WHEEL.encode(), [ok(data)])
    directory = tmp_path / "downloads"
    directory.mkdir()
    (directory / "a").write_bytes(b"a")
    (directory / "PULP_MANIFEST").write_text(f"a,{hashlib.sha256(b'a').hexdigest()},1\n")
    gone = re.compile("(?i)PIP_.*|.*_proxy|.*_BUNDLE|SSL_CERT_.*")
    environ = {name: value for name, value in os.environ.items() if not gone.fullmatch(name)}
    environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": scripted.url("/simple"), "PYTHONPATH": str(ROOT)}

    def wait() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "examples/daemon.py"), str(directory), "--project", "thing"]
        return subprocess.run(
            command, check=False, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=140
        )

    done = await deferToThreadPool(reactor, reactor.getThreadPool(), wait)
    assert 0 == done.returncode, done.stdout + done.stderr
    assert f"Saved {WHEEL}" in done.stdout
    assert "sync completed: 1 added, 1 present, 0 failed" in done.stdout
    assert "/content/python/: what python has" in done.stdout
    assert "did with status 0" in done.stdout
    assert 1 == len(scripted.asked(b"/files/" + WHEEL.encode()))
    assert json.dumps(sorted(path.name for path in directory.iterdir())) == '["PULP_MANIFEST", "a"]'
