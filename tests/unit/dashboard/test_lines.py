"""The lines of a form are files to download."""

import pytest

from twisted_pulp.dashboard._lines import lines_of

HEX = "0123456789ABCDEF" * 4


def test_lines() -> None:
    """A line is a URL and its digests; empty ones and comments are none."""
    found, wrong = lines_of(f"http://a/1\n\n# no\n  http://a/2  sha256:{HEX} {HEX[:40]}\r\nhttp://a/3 md5={HEX[:32]}")
    assert [] == wrong
    assert [
        (1, "http://a/1", {}),
        (4, "http://a/2", {"sha256": HEX.lower(), "sha1": HEX[:40].lower()}),
        (5, "http://a/3", {"md5": HEX[:32].lower()}),
    ] == [(line.number, line.url, line.digests) for line in found]


@pytest.mark.parametrize("word", ["x", "sha256:xyz", "crc32:00ff", "abc", "sha256:", ":" + HEX])
def test_mistakes(word: str) -> None:
    """What is no digest is told with its line, and the line is left out."""
    found, wrong = lines_of(f"http://a/1\nhttp://a/2 {word}")
    assert [1] == [line.number for line in found]
    assert [(2, f"{word} is no digest; write one as sha256:HEX")] == wrong
