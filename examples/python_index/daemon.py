"""A daemon in a process of its own, and what is asked of its API."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import msgspec
import treq
from attrs import define, field
from twisted.internet.task import deferLater
from twisted.web.client import Agent

from .pip_settings import PipSettings

__all__ = ["Daemon", "DaemonError"]

#: Seconds between two looks, and in which it must be ready, a job must be over, and it must have ended.
_LOOK, _START, _JOB, _END = 0.1, 60, 300, 60
_PROGRAM = "import sys; from twisted_pulp.cli import main; sys.argv[0] = 'pulpdownloader'; sys.exit(main())"


class DaemonError(Exception):
    """The daemon does not start, or answers otherwise than it must."""


@define(eq=False)
class Daemon:
    """
    A daemon.

    :ivar home: where its data, its settings and its log are.
    :ivar endpoint: where it listens, as Twisted says it.
    :ivar manifest: a PULP_MANIFEST that is synced.
    :ivar url: where it is, once it was started.
    :ivar token: that its API takes.
    :ivar index: the package index that it is put in front of, or None.
    """

    _reactor: Any
    home: Path
    endpoint: str
    _settings: PipSettings
    manifest: Path
    url: str = field(init=False, default="")
    token: str = field(init=False, default="")
    _process: subprocess.Popen[bytes] | None = field(init=False, default=None)

    @property
    def index(self) -> str | None:
        """The first index that is reached over HTTP."""
        return next((url for url in self._settings.indexes if url.startswith(("http:", "https:"))), None)

    @property
    def _log(self) -> Path:
        return self.home / "daemon.log"

    async def start(self) -> None:
        """
        Start it, and wait until it can be used.

        :raises DaemonError: with its log, when it cannot.
        """
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings = self.home / "settings.toml"
        settings.touch(mode=0o600)
        settings.write_text(self._toml(), encoding="utf-8")
        began = self._begin()
        process = cast("subprocess.Popen[bytes]", self._process)
        said = ""
        for _ in range(round(_START / _LOOK)):
            with self._log.open("rb") as log:
                log.seek(began)
                said = log.read().decode("utf-8", "replace")
            if re.search(r" ready$", said, re.MULTILINE):
                break
            if process.poll() is not None:
                raise DaemonError(said)
            await deferLater(self._reactor, _LOOK)
        else:
            raise DaemonError(f"the daemon is not ready\n{said}")
        self._understand(said)

    @property
    def command(self) -> list[str]:
        """What starts it."""
        options = ["--data", self.home / "data", "serve", "--config", self.home / "settings.toml"]
        return [sys.executable, "-c", _PROGRAM, *map(str, options), "--listen", self.endpoint]

    def _begin(self) -> int:
        """Start the process, and return where its log begins."""
        with self._log.open("ab") as log:
            began = log.tell()
            self._process = subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT)
        return began

    def _understand(self, said: str) -> None:
        found = re.search(r"serving at (http\S+)", said)
        self.url = found[1] if found else ""
        kept = self.home / "token"
        token = re.search(r"API token: ([\w-]+)", said)
        if token is not None:
            kept.touch(mode=0o600)
            kept.write_text(token[1], encoding="ascii")
        self.token = kept.read_text(encoding="ascii")

    def _toml(self) -> str:
        """Return the settings: remotes that the operator vouches for, wherever they lead."""
        text = ""
        if self.index is not None:
            text += f"[remotes.python]\nurl = {_quoted(self.index)}\n"
            if self._settings.cert:
                text += f"[remotes.python.tls]\nca_cert = {_quoted(self._settings.cert)}\nplatform_trust = false\n"
        root, url = _quoted(str(self.manifest.parent)), _quoted(self.manifest.as_uri())
        return f"{text}[remotes.newest]\nurl = {url}\nfile_roots = [{root}]\n"

    async def ask(self, method: str, path: str, document: Any = None) -> Any:
        """
        Return what the API answers.

        :param path: below ``/api/v1/``.
        :raises DaemonError: when it refuses.
        """
        agent: Any = Agent(self._reactor)
        client = treq.client.HTTPClient(agent)
        headers: Any = {"Authorization": f"Bearer {self.token}", "Connection": "close"}
        given = {} if document is None else {"json": document}
        response = await client.request(method, f"{self.url}api/v1/{path}", headers=headers, **given)
        body = await treq.content(response)
        if response.code == 409:  # a second time, it is there
            return None
        if response.code >= 400:
            raise DaemonError(f"{method} {path}: {response.code} {body.decode('utf-8', 'replace')}")
        return msgspec.json.decode(body)

    async def mount(self, name: str) -> None:
        """Let what the remote *name* has be served below ``/content/NAME/``."""
        await self.ask("POST", "distributions", {"name": name, "base_path": name, "remote": name})

    async def sync(self, name: str) -> Any:
        """Sync the repository *name* from the remote of that name, and return the job when it is over."""
        await self.ask("POST", "repositories", {"name": name, "remote": name})
        await self.mount_repository(name)
        job = await self.ask("POST", "syncs", {"repository": name, "mirror": True})
        for _ in range(round(_JOB / _LOOK)):
            job = await self.ask("GET", f"syncs/{job['id']}")
            if job["state"] in ("completed", "failed", "cancelled"):
                return job
            await deferLater(self._reactor, _LOOK)
        raise DaemonError(f"the sync is still {job['state']}")

    async def mount_repository(self, name: str) -> None:
        """Let what the repository *name* has be served below ``/content/NAME/``."""
        await self.ask("POST", "distributions", {"name": name, "base_path": name, "repository": name})

    def words(self, name: str, document: Any) -> list[str]:
        """Return in a few words what the API has answered for *name*."""
        if name == "status":
            return [f"{document['state']}, {document['version']}, {', '.join(document['roles'])}"]
        if name == "storage":
            return [f"{document['artifacts']} artifacts, {document['bytes']} bytes"]
        return [_words(each) for each in document["items"]] or ["nothing"]

    async def stop(self) -> int:
        """Tell it to end, if it has not, and return its exit status."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        for _ in range(round(_END / _LOOK)):
            if process.poll() is not None:
                return process.returncode
            await deferLater(self._reactor, _LOOK)
        process.kill()
        return process.wait()


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _words(each: dict[str, Any]) -> str:
    if "kind" in each:
        result = each["result"] or {}
        said = ", ".join(f"{result[name]} {name}" for name in ("added", "present", "failed") if name in result)
        return f"{each['kind']} {each['state']}{': ' if said else ''}{said or each['error'] or ''}"
    if "base_path" in each:
        what = each["repository"] or f"what {each['remote']} has, fetched when it is asked for"
        return f"/content/{each['base_path']}/: {what}"
    return f"{each['name']}: type {each['type']}"
