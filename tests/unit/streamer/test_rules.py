"""What never changes under its path, and what a Distribution says about that."""

from __future__ import annotations

from typing import Any

import pytest

from twisted_pulp.errors import SettingsError
from twisted_pulp.streamer._caching import DEFAULT, Caching
from twisted_pulp.streamer._rules import rules_of

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "path",
    [
        "pool/main/a/apt/apt_2.0_amd64.deb",
        "apt.deb",
        "pool/x.udeb",
        f"dists/stable/main/binary-amd64/by-hash/SHA256/{HEX}",
        "Packages/b/bash-5.2-1.x86_64.rpm",
        f"repodata/{HEX}-primary.xml.gz",
        f"os/repodata/{HEX}-primary.xml.gz",
        "packages/ab/cd/0123/pip-24.0-py3-none-any.whl",
        "packages/ab/cd/0123/pip-24.0.tar.gz",
        "pip-24.0-py3-none-any.whl.metadata",
        "api/v1/crates/serde/serde-1.0.0.crate",
        "gems/rake-13.0.gem",
    ],
)
def test_immutable(path: str) -> None:
    """Files whose names say their version or digest never change."""
    assert rules_of({}).immutable(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "simple/",
        "simple/pip/",
        "dists/stable/InRelease",
        "dists/stable/Release.gpg",
        "dists/stable/main/binary-amd64/Packages.xz",
        "repodata/repomd.xml",
        "repodata/primary.xml.gz",
        "pool/a.deb/list",
        "by-hash",
        "a.DEB",
        "PULP_MANIFEST",
        "latest.iso",
    ],
)
def test_mutable(path: str) -> None:
    """Indexes may change, and so may everything of which nothing is known."""
    assert not rules_of({}).immutable(path)


def test_settings() -> None:
    """A Distribution has its own patterns, or none, and says how long the rest is kept."""
    rules = rules_of({"immutable": ["*.iso", "v[0-9]/*"], "early_ranges": True, "cache": {"max_age": 5}})
    assert (True, True, False, True) == (
        rules.immutable("a/x.iso"),
        rules.immutable("v1/a/b"),
        rules.immutable("x.deb"),
        rules.early_ranges,
    )
    assert Caching(max_age=5) == rules.caching
    assert (False, DEFAULT) == (rules_of({"immutable": []}).immutable("x.deb"), rules_of({}).caching)


@pytest.mark.parametrize(
    "settings", [{"immutable": "*.deb"}, {"immutable": [1]}, {"immutable": [""]}, {"early_ranges": 1}, {"cache": 60}]
)
def test_refused(settings: dict[str, Any]) -> None:
    """What cannot be meant is refused."""
    (name,) = settings
    with pytest.raises(SettingsError, match=name):
        rules_of(settings)
