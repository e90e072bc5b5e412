"""Characters that do something else than appear are escaped."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.integration.hostile_strings import KINDS
from twisted_pulp.unseen import UNSEEN, escaped


@pytest.mark.parametrize("text", [each for each in KINDS.values() if "\ud800" not in each], ids=lambda text: text[:9])
def test_kinds(text: str) -> None:
    """A document of what is hostile holds nothing of it as it is, and says the same."""
    document = escaped(msgspec.json.encode({text: [text]}))
    assert {text: [text]} == json.loads(document)
    assert not UNSEEN.search(document.decode())


@given(st.text())
def test_any(text: str) -> None:
    """Any text stays what it is."""
    document = escaped(msgspec.json.encode(text))
    assert text == json.loads(document)
    assert not UNSEEN.search(document.decode())


def test_seen() -> None:
    """Letters stay as they are."""
    assert '"é日本😀"'.encode() == escaped('"é日本😀"'.encode())
