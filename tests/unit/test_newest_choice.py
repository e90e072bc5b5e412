"""examples/newest.py: which file is the newest that runs here."""

from __future__ import annotations

import pytest
from packaging.tags import parse_tag

from examples.python_index.choice import Platform, newest
from examples.python_index.files import IndexFile, normalized
from twisted_pulp import Remote

_RANKED = ["cp311-cp311-manylinux_2_28_x86_64", "cp311-abi3-manylinux_2_17_x86_64", "py3-none-any"]
PLATFORM = Platform("3.11.7", {tag: rank for rank, name in enumerate(_RANKED) for tag in parse_tag(name)})
REMOTE = Remote()
SHA256 = {"sha256": "ab" * 32}


def file(
    name: str,
    *,
    url: str = "https://index.example/file",
    digests: dict[str, str] | None = None,
    requires_python: str | None = None,
    yanked: bool = False,
) -> IndexFile:
    """Return the file called *name*."""
    made = IndexFile.named(name, url, REMOTE, digests=digests, requires_python=requires_python, yanked=yanked)
    assert made is not None
    return made


def chosen(*files: IndexFile) -> str | None:
    """Return the name of the best of *files*, in either order."""
    names = {found[0].name if found else None for found in (newest(files, PLATFORM), newest(files[::-1], PLATFORM))}
    assert 1 == len(names)
    return names.pop()


def test_newest() -> None:
    """Versions are compared as versions."""
    assert "a-1.10.tar.gz" == chosen(file("a-1.9.tar.gz"), file("a-1.10.tar.gz"), file("a-1.2-py3-none-any.whl"))


def test_prereleases() -> None:
    """A prerelease is chosen only when there is nothing else."""
    assert "a-1.0.tar.gz" == chosen(file("a-1.0.tar.gz"), file("a-2.0rc1.tar.gz"), file("a-2.0.dev3.tar.gz"))
    assert "a-2.0rc1.tar.gz" == chosen(file("a-2.0rc1.tar.gz"), file("a-2.0.dev3.tar.gz"))
    assert "a-2.0rc1.tar.gz" == chosen(file("a-2.0rc1.tar.gz"), file("a-1.0.tar.gz", yanked=True))


def test_yanked() -> None:
    """What was taken back is never chosen."""
    assert "a-1.0.tar.gz" == chosen(file("a-1.0.tar.gz"), file("a-1.1.tar.gz", yanked=True))
    assert chosen(file("a-1.1.tar.gz", yanked=True)) is None


def test_wheels() -> None:
    """Of one version, wheels are better than sources, those for this platform best, and of those the latest build."""
    files = [
        file("a-1.0.tar.gz"),
        file("a-1.0-py3-none-any.whl"),
        file("a-1.0-cp311-abi3-manylinux_2_17_x86_64.whl"),
        file("a-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"),
        file("a-1.0-2-cp311-cp311-manylinux_2_28_x86_64.whl"),
        file("a-1.0-10-cp311-cp311-manylinux_2_28_x86_64.whl"),
    ]
    for count, best in enumerate(files, 1):
        assert best.name == chosen(*files[:count])


def test_best_tag() -> None:
    """The best of several tags of a wheel counts, and one that runs is enough."""
    both = "a-1.0-cp310.cp311-cp310.cp311-manylinux_2_28_x86_64.whl"
    assert both == chosen(file("a-1.0-cp311-abi3-manylinux_2_17_x86_64.whl"), file(both))


def test_other_platforms() -> None:
    """Wheels for other platforms are not chosen, however new they are."""
    assert "a-1.0.tar.gz" == chosen(file("a-1.0.tar.gz"), file("a-2.0-cp311-cp311-win_amd64.whl"))
    assert [] == newest([file("a-2.0-cp311-cp311-win_amd64.whl")], PLATFORM)


@pytest.mark.parametrize(
    ("wanted", "runs"),
    [(">=3.11", True), (">=3.11.8", False), ("<3.11", False), ("!=3.0.*,>=2.7", True), ("whatever", True), ("", True)],
)
def test_requires_python(wanted: str, runs: bool) -> None:
    """A file for another Python is not chosen; a wish nobody understands forbids nothing."""
    assert ("a-1.tar.gz" if runs else None) == chosen(file("a-1.tar.gz", requires_python=wanted))


def test_proven() -> None:
    """Of two equal files the one with a digest is better."""
    name = "a-1.0-py3-none-any.whl"
    plain, proven = file(name, url="https://x.example/"), file(name, url="https://y.example/", digests=SHA256)
    assert [proven] == newest([plain, proven], PLATFORM)


def test_elsewhere() -> None:
    """The same file in other places follows the best one; another file of the same name does not."""
    name = "a-1.0-py3-none-any.whl"
    first, second = (file(name, url=f"https://{host}.example/", digests=SHA256) for host in "xy")
    other = file(name, url="https://z.example/", digests={"sha256": "cd" * 32})
    old = file("a-0.9-py3-none-any.whl", digests=SHA256)
    assert [first, second] == newest([first, old, other, second], PLATFORM)


def test_nothing() -> None:
    """Nothing comes of nothing."""
    assert [] == newest([], PLATFORM)


def test_here() -> None:
    """The Python that runs the tests runs pure wheels, and is of its own version."""
    here = Platform.here()
    assert here.runs(file("a-1.0-py3-none-any.whl", requires_python=f"=={here.python}"))


def test_names() -> None:
    """Names are normalized, those of projects and of files."""
    assert "zope-interface" == normalized("Zope.Interface") == file("zope_interface-8.0.tar.gz").project
