"""An apt repository, made and signed with Debian's own tools, and apt with a root of its own."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from pathlib import Path

from attrs import define

from tests.integration.clients.running import Ended, Run, contents
from tests.servers.programs import require

__all__ = ["COUNT", "Apt", "publish"]

#: Packages that `everything` needs.
COUNT = 25
_INDEXES = "dists/stable/main/binary-all", "dists/stable/main/binary-amd64"
_CONF = """\
Dir "{root}";
Dir::State::status "{root}/status";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "{root}/none";
Dir::Etc::sourceparts "{root}/none";
Dir::Etc::preferencesparts "{root}/none";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "{root}/none";
Dir::Bin::methods "/usr/lib/apt/methods";
Dir::Bin::solvers:: "/usr/lib/apt/solvers";
Dir::Bin::planners:: "/usr/lib/apt/planners";
APT::Architecture "amd64";
APT::Architectures "amd64";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "0";
Acquire::http::Proxy "DIRECT";
Acquire::http::Pipeline-Depth "{depth}";
Acquire::By-Hash "{by_hash}";
"""


async def publish(run: Run, root: Path, home: Path, version: str = "1.0+b1") -> None:
    """
    Make a repository of `everything` and what it needs below *root*, or another version of one.

    :param home: has the key that signs it, or gets one; its `key.asc` is the public one.
    """
    shutil.rmtree(root / "dists", ignore_errors=True)
    shutil.rmtree(root / "pool", ignore_errors=True)
    names = [f"part{number}" for number in range(COUNT)]
    await _built(run, root, "everything", version, ", ".join(names))
    for name in names:
        await _built(run, root, name, version, "")
    packages = await run(require("apt-ftparchive"), "packages", "pool", directory=root, separate=True)
    for each in _INDEXES:
        directory = root / each
        directory.mkdir(parents=True)
        (directory / "Packages").write_text(packages.text)
        (directory / "Packages.gz").write_bytes(gzip.compress(packages.text.encode()))
        _by_hash(directory)
    fields = {"Suite": "stable", "Codename": "stable", "Architectures": "amd64 all", "Components": "main"}
    fields["Acquire-By-Hash"] = "yes"
    options = [word for name, value in fields.items() for word in ("-o", f"APT::FTPArchive::Release::{name}={value}")]
    release = await run("apt-ftparchive", *options, "release", "dists/stable", directory=root, separate=True)
    (root / "dists/stable/Release").write_text(release.text)
    await _signed(run, root / "dists/stable", home)


async def _built(run: Run, root: Path, name: str, version: str, depends: str) -> None:
    tree = root.parent / "built" / version / name
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "opt").mkdir()
    (tree / "opt" / name).write_bytes(hashlib.shake_256(name.encode()).digest(20_000))
    control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: Nobody <nobody@example.com>\n"
    control += f"Depends: {depends}\n" if depends else ""
    (tree / "DEBIAN/control").write_text(f"{control}Description: made for a test\n")
    target = root / "pool/main" / name
    target.mkdir(parents=True)
    ended = await run(require("dpkg-deb"), "--root-owner-group", "-Zgzip", "-b", tree, target)
    assert 0 == ended.status, ended.text


def _by_hash(directory: Path) -> None:
    by_hash = directory / "by-hash/SHA256"
    by_hash.mkdir(parents=True)
    for path in (directory / "Packages", directory / "Packages.gz"):
        (by_hash / hashlib.sha256(path.read_bytes()).hexdigest()).write_bytes(path.read_bytes())


async def _signed(run: Run, directory: Path, home: Path) -> None:
    new = not home.exists()
    home.mkdir(mode=0o700, exist_ok=True)
    gpg = (require("gpg"), "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", "")
    made = (
        ("--quick-generate-key", "nobody@example.com", "ed25519", "sign", "never"),
        ("--armor", "-o", home / "key.asc", "--export"),
    )
    for words in (
        *(made if new else ()),
        ("--clearsign", "-o", directory / "InRelease", directory / "Release"),
        ("--armor", "-o", directory / "Release.gpg", "--detach-sign", directory / "Release"),
    ):
        ended = await run(*gpg, *words)
        assert 0 == ended.status, ended.text
    await run("gpgconf", "--homedir", home, "--kill", "all")


@define(eq=False)
class Apt:
    """
    An apt that has a root of its own, and one repository.

    :ivar root: not yet there.
    :ivar url: of the repository.
    :ivar key: that it is signed by.
    """

    run: Run
    root: Path
    url: str
    key: Path
    depth: int = 10
    by_hash: str = "yes"

    def __attrs_post_init__(self) -> None:
        """Make the root."""
        for each in ("etc/apt", "none", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/log/apt"):
            (self.root / each).mkdir(parents=True)
        (self.root / "status").touch()
        conf = _CONF.format(root=self.root, depth=self.depth, by_hash=self.by_hash)
        (self.root / "apt.conf").write_text(conf)
        (self.root / "etc/apt/sources.list").write_text(f"deb [signed-by={self.key}] {self.url} stable main\n")

    async def get(self, *arguments: object) -> Ended:
        """Run apt-get."""
        ended = await self.run(require("apt-get"), "-y", *arguments, environ={"APT_CONFIG": f"{self.root}/apt.conf"})
        assert 0 == ended.status, ended.text
        assert "W: " not in ended.text, ended.text
        return ended

    async def downloaded(self) -> dict[str, bytes]:
        """Return what an update, and the packages of everything, bring."""
        await self.get("update")
        await self.get("install", "--download-only", "--no-install-recommends", "everything")
        return {**self.lists(), **contents(self.root / "var/cache/apt/archives")}

    def lists(self) -> dict[str, bytes]:
        """Return what an update has brought, by what it is."""
        found = contents(self.root / "var/lib/apt/lists")
        return {name.partition("_dists_")[2] or "lock": body for name, body in found.items()}
