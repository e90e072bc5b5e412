"""examples/newest.py: where pip looks for files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from examples.python_index.pip_settings import PipError, PipSettings, as_url, read_pip_settings, secure, settled

INDEX = "https://index.example/simple"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment in which pip is not configured, and which a test may change."""
    import os

    for name in os.environ:
        if name.startswith("PIP_") or name.endswith("_BUNDLE") or "_proxy" in name.lower():
            monkeypatch.delenv(name)
    # An empty name means to pip: read no files at all.
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def options(**given: Any) -> dict[str, Any]:
    """Return options as pip has them when nothing but *given* is configured."""
    return {
        "index_url": INDEX,
        "extra_index_urls": [],
        "no_index": False,
        "find_links": [],
        "trusted_hosts": [],
        "cert": None,
        "client_cert": None,
        "proxy": "",
    } | given


def test_default() -> None:
    """Nothing configured is pip's own default index, and nothing else."""
    settings = read_pip_settings(sys.executable)
    assert [1, 0] == [len(settings.indexes), len(settings.find_links)]
    assert settings.indexes[0].startswith("https://")
    assert settings.cert is None


def test_pip(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Variables count as pip counts them: several URLs, and paths, in one variable."""
    environment.setenv("PIP_INDEX_URL", "https://me:secret@index.example/simple")
    environment.setenv("PIP_EXTRA_INDEX_URL", "http://127.0.0.1:3141/a file:///srv/simple")
    environment.setenv("PIP_FIND_LINKS", f"wheels {tmp_path}/more")
    assert PipSettings(
        indexes=("https://me:secret@index.example/simple", "http://127.0.0.1:3141/a", "file:///srv/simple"),
        find_links=((tmp_path / "wheels").as_uri(), (tmp_path / "more").as_uri()),
        cert=None,
        notes=(),
    ) == read_pip_settings(sys.executable)


def test_files(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """pip's own files count, with what is for one command only, and variables above them."""
    config = tmp_path / "pip.conf"
    config.write_text(
        f"[global]\nindex-url = {INDEX}\nextra-index-url = {INDEX}/a\n  {INDEX}/b\n[download]\nno-index=no\n"
    )
    environment.setenv("PIP_CONFIG_FILE", str(config))
    assert (INDEX, f"{INDEX}/a", f"{INDEX}/b") == read_pip_settings(sys.executable).indexes
    environment.setenv("PIP_EXTRA_INDEX_URL", f"{INDEX}/c")
    assert (INDEX, f"{INDEX}/c") == read_pip_settings(sys.executable).indexes


def test_broken(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A configuration that pip does not understand is an error with pip's words."""
    config = tmp_path / "pip.conf"
    config.write_text("no section\n")
    environment.setenv("PIP_CONFIG_FILE", str(config))
    with pytest.raises(PipError, match=r"pip\.conf"):
        read_pip_settings(sys.executable)


def test_no_index() -> None:
    """Without indexes only the links count."""
    settings = settled(options(no_index=True, extra_index_urls=[INDEX], find_links=["/srv/wheels"]))
    assert ((), ("file:///srv/wheels",)) == (settings.indexes, settings.find_links)


def test_once() -> None:
    """An index that is named twice is asked once."""
    assert (INDEX,) == settled(options(extra_index_urls=[INDEX])).indexes


def test_untrusted() -> None:
    """What pip does not trust is left out, and a note says so without passwords."""
    settings = settled(options(extra_index_urls=["http://me:secret@plain.example/simple"]))
    assert (INDEX,) == settings.indexes
    (note,) = settings.notes
    assert "plain.example" in note
    assert "secret" not in note


@pytest.mark.parametrize(
    ("url", "trusted", "expected"),
    [
        (INDEX, "", True),
        ("file:///srv", "", True),
        ("http://localhost/simple", "", True),
        ("http://127.1.2.3:8080/simple", "", True),
        ("http://[::1]:8080/simple", "", True),
        ("http://10.0.0.1/simple", "", False),
        ("http://plain.example/simple", "", False),
        ("http://plain.example/simple", "plain.example", True),
        ("http://me@plain.example:8080/simple", "plain.example", True),
        ("http://plain.example:8080/simple", "plain.example:8080", True),
        ("http://plain.example:8080/simple", "plain.example:80", False),
        ("http://[fd00::1]/simple", "[fd00::1]", True),
        ("http://other.example/simple", "plain.example", False),
    ],
)
def test_secure(url: str, trusted: str, expected: bool) -> None:
    """Over TLS, from this machine, and from trusted hosts is what pip reads."""
    assert expected is secure(url, frozenset(trusted.split()))


def test_cert(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """pip's own certificates come first, then those of its HTTP library; what is no file is a note."""
    own, library = tmp_path / "own.pem", tmp_path / "library.pem"
    own.touch()
    library.touch()
    environment.setenv("REQUESTS_CA_BUNDLE", str(library))
    assert str(own) == settled(options(cert=str(own))).cert
    assert str(library) == settled(options()).cert
    settings = settled(options(cert=str(tmp_path)))
    assert settings.cert is None
    assert str(tmp_path) in settings.notes[0]


def test_notes(environment: pytest.MonkeyPatch) -> None:
    """What cannot be done as pip would is said: proxies and client certificates."""
    assert ["proxy"] == [note.split()[1] for note in settled(options(proxy="http://proxy.example:3128")).notes]
    assert ["client"] == [note.split()[1] for note in settled(options(client_cert="/me.pem")).notes]
    assert () == settled(options()).notes
    environment.setenv("https_proxy", "http://proxy.example:3128")
    assert 1 == len(settled(options()).notes)


def test_paths(tmp_path: Path) -> None:
    """A path is a file:// URL, and a scheme that pip cannot read is an error."""
    assert (tmp_path / "a b").as_uri() == as_url("a b")
    assert (Path.home() / "wheels").as_uri() == as_url("~/wheels")
    assert "file:///srv" == as_url("file:/srv") == as_url("file:///srv")
    with pytest.raises(PipError, match="gopher"):
        as_url("gopher://me:secret@index.example")


def test_secrets() -> None:
    """Neither user names nor passwords are in what a log may show."""
    assert "secret" not in repr(settled(options(index_url="https://me:secret@index.example/simple")))
