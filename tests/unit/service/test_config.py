"""Where the settings of a daemon come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.testing import MemoryReactorClock

from twisted_pulp.service import Config, ConfigError
from twisted_pulp.service._endpoints import endpoint_of
from twisted_pulp.service._policy import policy_of
from twisted_pulp.settings import AddressPolicy, Settings


@pytest.fixture
def memory() -> Any:
    """A reactor that opens nothing."""
    return MemoryReactorClock()


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let there be no settings of the user's."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))


def test_nothing(memory: Any, tmp_path: Path) -> None:
    """With nothing said everything has its default."""
    assert Settings(data=str(tmp_path / "share" / "pulpdownloader")) == Config().read(memory)


def test_own(memory: Any, tmp_path: Path) -> None:
    """The user's own file counts, if it is there; what was given goes before it."""
    own = tmp_path / "config" / "pulpdownloader" / "settings.toml"
    own.parent.mkdir(parents=True)
    own.write_text('data = "/a"\nroles = ["api"]\n[log]\nlevel = "warn"\n')
    settings = Config(given={"data": "/b", "log": "json"}).read(memory)
    assert ("/b", ("api",), "json", "warn") == (
        settings.data,
        settings.roles,
        settings.log.format,
        settings.log.level,
    )


@pytest.mark.parametrize(
    ("text", "given", "words"),
    [
        ("listen = 'nonsense:1'", {}, ["{}: line 1: listen is 'nonsense:1'"]),
        ("\nlisten = ['tcp:x']\nroles = []", {}, ["{}: line 2: listen is 'tcp:x'", "{}: line 3: roles is ()"]),
        ("listen = 'tcp:65536'", {}, ["{}: line 1: listen is 'tcp:65536'"]),
        ("listen = 'ssl:1:privateKey=/nowhere'", {}, ["{}: line 1: listen is 'ssl:1:privateKey=/nowhere'"]),
        ("content_listen = 'x'", {"listen": ("y:1",)}, ["{}: line 1: content_listen is 'x'", "--listen is 'y:1'"]),
        ("", {"listen": ("y",)}, ["--listen is 'y'"]),
        ("", {"roles": ("boss",)}, ["--role is ('boss',)"]),
        ("a = ", {}, ["{}: line 1: "]),
        ("listen = 3", {}, ["{}: line 1: listen is 3"]),
    ],
)
def test_mistakes(memory: Any, tmp_path: Path, text: str, given: dict[str, Any], words: list[str]) -> None:
    """Every mistake is said, with the file and the line, or the option."""
    path = tmp_path / "s.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        Config(path=str(path), given=given).read(memory)
    assert len(words) == len(caught.value.mistakes), caught.value
    for word in words:
        assert word.format(path) in str(caught.value)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.write_bytes(b"\xff")])
def test_unreadable(memory: Any, tmp_path: Path, make: Any) -> None:
    """A file that was named must be there, and be text."""
    make(tmp_path / "s.toml")
    with pytest.raises(ConfigError, match=r"s\.toml: "):
        Config(path=str(tmp_path / "s.toml")).read(memory)


# Endpoints


@pytest.mark.parametrize(
    ("text", "mode"),
    [("unix:/s", 0o600), ("unix:/s:mode=660", 0o660), ("unix:/s:lockfile=0", 0o600), ("unix:/s:660", 0o660)],
)
def test_unix(memory: Any, text: str, mode: int) -> None:
    """A socket without a mode is its owner's alone."""
    endpoint = endpoint_of(memory, text)
    assert ("/s", mode) == (endpoint._address, endpoint._mode)


def test_policy() -> None:
    """What the daemon and its database listen at is never reached for others, wherever they are allowed to."""
    settings = Settings(ssrf=AddressPolicy(allow=("10.0.0.0/8",), own=("10.0.0.9:80",)))
    assert ("10.0.0.9:80", "*:8080", "*:9090") == policy_of(settings, (9090, 8080)).own
    shared = Settings(database="postgresql://u@10.0.0.1/d")
    assert ("*:5432",) == policy_of(shared, ()).own
    cluster = Settings(database="postgresql://u@10.0.0.1:54/d", broker="amqps://u@10.0.0.2/v")
    assert ("*:54", "*:5671") == policy_of(cluster, ()).own
