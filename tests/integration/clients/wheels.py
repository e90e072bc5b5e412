"""A simple index with wheels made by hand, and another server that has the wheels."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from attrs import define, field

__all__ = ["Index", "lines", "wheel"]

_DATE = (2024, 1, 1, 0, 0, 0)
_LINES = (
    'set $control "{control}";',
    "set $form {form};",
    "{negotiation}",
    "rewrite ^/simple/([a-z]+)/$ /pages/$1.$form last;",
    "location /pages/ {",
    "  types { text/html html; application/vnd.pypi.simple.v1+json json; }",
    "  add_header Vary Accept; add_header Cache-Control $control;",
    "}",
)


def lines(control: str = "max-age=600", form: str | None = None) -> list[str]:
    """
    Return the lines for nginx of an index.

    :param control: Cache-Control of the pages.
    :param form: the only one that they have; None: the one that is asked for, else HTML.
    """
    given = {"control": control, "form": form or "html", "negotiation": ""}
    if form is None:
        given["negotiation"] = "if ($http_accept ~ vnd.pypi.simple.v1.json) { set $form json; }"
    found = list(_LINES)
    for name, value in given.items():
        found = [each.replace(f"{{{name}}}", value) for each in found]
    return found


def wheel(name: str, version: str, requires: Sequence[str] = (), more: str = "") -> tuple[bytes, bytes]:
    """Return a wheel that has one module, and its metadata."""
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {each}\n" for each in requires)
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"VERSION = {version!r}\n{more}",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{each},,\n" for each in (*files, f"{info}/RECORD"))
    body = BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_STORED) as archive:
        for path, text in (*files.items(), (f"{info}/RECORD", record)):
            archive.writestr(zipfile.ZipInfo(path, _DATE), text)
    return body.getvalue(), metadata.encode()


@define(eq=False)
class Index:
    """
    A simple index below one directory, and its files below another.

    :ivar root: of the server that has the index.
    :ivar files: of the server that has the files.
    :ivar url: of that server.
    :ivar digests: of the newest of each project: file name -> sha256.
    """

    root: Path
    files: Path
    url: str
    digests: dict[str, str] = field(factory=dict, init=False)
    _projects: dict[str, dict[str, dict[str, str]]] = field(factory=dict, init=False)

    def add(self, name: str, version: str, requires: Sequence[str] = (), more: str = "") -> None:
        """Add a wheel, or replace it."""
        body, metadata = wheel(name, version, requires, more)
        filename = f"{name}-{version}-py3-none-any.whl"
        directory = self.files / "packages" / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / filename).write_bytes(body)
        (directory / f"{filename}.metadata").write_bytes(metadata)
        for other in [each for each in self.digests if each.startswith(f"{name}-")]:
            del self.digests[other]
        self.digests[filename] = hashlib.sha256(body).hexdigest()
        self._projects.setdefault(name, {})[filename] = {
            "filename": filename,
            "url": f"{self.url}/packages/{name}/{filename}",
            "sha256": self.digests[filename],
            "metadata": hashlib.sha256(metadata).hexdigest(),
        }

    def write(self) -> None:
        """Write the pages of all projects, in both forms."""
        pages = self.root / "pages"
        pages.mkdir(parents=True, exist_ok=True)
        for name, files in self._projects.items():
            (pages / f"{name}.json").write_text(json.dumps(_json(name, list(files.values()))))
            (pages / f"{name}.html").write_text(_html(list(files.values())))

    def requirements(self, path: Path) -> Path:
        """Write a file with the newest wheels and their digests."""
        found = [(each.split("-"), sha256) for each, sha256 in self.digests.items()]
        path.write_text("".join(f"{name}=={version} --hash=sha256:{sha}\n" for (name, version, *_), sha in found))
        return path


def _json(name: str, files: list[dict[str, str]]) -> object:
    return {
        "meta": {"api-version": "1.0"},
        "name": name,
        "files": [
            {
                "filename": each["filename"],
                "url": each["url"],
                "hashes": {"sha256": each["sha256"]},
                "core-metadata": {"sha256": each["metadata"]},
                "dist-info-metadata": {"sha256": each["metadata"]},
            }
            for each in files
        ],
    }


def _html(files: list[dict[str, str]]) -> str:
    found = "".join(
        f'<a href="{each["url"]}#sha256={each["sha256"]}" data-core-metadata="sha256={each["metadata"]}"'
        f' data-dist-info-metadata="sha256={each["metadata"]}">{each["filename"]}</a><br>\n'
        for each in files
    )
    return f"<!DOCTYPE html><html><head><title>Links</title></head><body>\n{found}</body></html>\n"
