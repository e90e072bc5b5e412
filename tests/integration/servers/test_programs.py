"""Tests for `tests.servers.programs`."""

from __future__ import annotations

import os

import pytest

from tests.servers.programs import require


def test_found() -> None:
    """A program that is there is given by its path."""
    assert os.access(require("sh"), os.X_OK)


@pytest.mark.parametrize(("value", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_missing(monkeypatch: pytest.MonkeyPatch, value: str, outcome: type[BaseException]) -> None:
    """A program that is missing fails the test under CI and skips it elsewhere, with the reason."""
    monkeypatch.setenv("CI", value)
    with pytest.raises(outcome, match="no-such-program is not installed"):
        require("no-such-program")
