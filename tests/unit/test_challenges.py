"""What is read from WWW-Authenticate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import Response
from twisted_pulp.http._challenges import Challenge, challenges_of, read_challenges


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ([], ""),
        ([], " , "),
        ([("basic", {})], "Basic"),
        ([("basic", {"realm": "a b"})], 'Basic realm="a b"'),
        ([("basic", {"realm": "a"})], "BASIC Realm = a"),
        ([("basic", {"realm": 'a"b\\c,d'})], r'Basic realm="a\"b\\c,d"'),
        ([("basic", {"realm": "", "charset": "UTF-8"})], 'Basic realm="",, charset="UTF-8",'),
        ([("negotiate", {}), ("ntlm", {})], "Negotiate a87421000492aa874209af8bc028==, NTLM"),
        (
            [("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}), ("basic", {"realm": "simple"})],
            r'Newauth realm="apps", type=1, title="Login to \"apps\"", Basic realm="simple"',
        ),
        (
            [("bearer", {"realm": "https://a.test/token", "service": "s", "scope": "repository:a:pull,push"})],
            'Bearer realm=https://a.test/token,service="s",scope="repository:a:pull,push"',
        ),
        ([("basic", {"realm": "first"})], "Basic realm=first, realm=second"),
        ([("basic", {"realm": "a"})], 'Basic realm=a, "b"'),
        ([], 'realm="a"'),
        ([("digest", {})], 'Digest realm="a'),
        ([("digest", {})], "Digest =a"),
    ],
)
def test_read(expected: list[tuple[str, dict[str, str]]], text: str) -> None:
    """Challenges are read as RFC 9110 section 11 writes them; what comes after a mistake is not."""
    assert [Challenge(*each) for each in expected] == read_challenges(text)


def test_many_lines() -> None:
    """They may stand in one line or in several."""
    response = Response(401, headers=[(b"WWW-Authenticate", b"Basic realm=a, Digest"), (b"www-authenticate", b"X")])
    assert ["basic", "digest", "x"] == [each.scheme for each in challenges_of(response)]


@given(st.text(alphabet=' \t,="\\abc/é\x00', max_size=200))
def test_anything(text: str) -> None:
    """Whatever comes is read to an end."""
    for each in read_challenges(text):
        assert each.scheme == each.scheme.lower()


def test_long() -> None:
    """And in a time that grows with its length only."""
    for piece in ("a ", "a=", 'a="', "a=b,", " ,", "a" * 50, "a ===", '\\"'):
        read_challenges("Basic " + piece * 30_000)
