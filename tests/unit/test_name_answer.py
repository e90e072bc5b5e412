"""What name servers' messages say."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from twisted.names import dns

from twisted_pulp.errors import DNSError
from twisted_pulp.http._name_answer import Answer, host_name, read

WWW, CDN = b"www.test", b"cdn.test"


def message(*records: tuple[bytes, object, int], authority: tuple[int, int] | None = None, code: int = 0) -> Any:
    """Make an answer: owner, record and seconds of each; *authority* is the seconds of it, and its minimum."""
    made = dns.Message(1, answer=1, rCode=code)
    made.answers = [dns.RRHeader(name, record.TYPE, dns.IN, ttl, record) for name, record, ttl in records]  # type: ignore[attr-defined]
    if authority is not None:
        ttl, minimum = authority
        start = dns.Record_SOA(b"ns.test", b"root.test", minimum=minimum)  # type: ignore[no-untyped-call]
        made.authority = [dns.RRHeader(b"test", dns.SOA, dns.IN, ttl, start)]
    return made


def a(address: str) -> Any:
    """Make an IPv4 record."""
    return dns.Record_A(address)  # type: ignore[no-untyped-call]


def aaaa(address: str) -> Any:
    """Make an IPv6 record."""
    return dns.Record_AAAA(address)  # type: ignore[no-untyped-call]


def alias(name: bytes) -> Any:
    """Make an alias."""
    return dns.Record_CNAME(name)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("expected", "given"),
    [
        (Answer(("192.0.2.1", "192.0.2.2"), 30), message((WWW, a("192.0.2.1"), 60), (b"WWW.Test", a("192.0.2.2"), 30))),
        (Answer(("192.0.2.1",), 60), message((WWW, a("192.0.2.1"), 60), (WWW, a("192.0.2.1"), 60))),
        (Answer(("192.0.2.1",), 20), message((CDN, a("192.0.2.1"), 60), (WWW, alias(CDN), 20))),
        (Answer(("192.0.2.1",), 0), message((WWW, a("192.0.2.1"), 1 << 31))),
        # what belongs to others, or is of another kind, is no answer
        (Answer((), 0), message((CDN, a("192.0.2.1"), 60))),
        (Answer((), 0), message((WWW, aaaa("2001:db8::1"), 60))),
        # how long nothing is kept
        (Answer((), 0), message()),
        (Answer((), 5), message(authority=(5, 60))),
        (Answer((), 7), message(authority=(60, 7))),
        (Answer((), 7, exists=False), message(authority=(60, 7), code=dns.ENAME)),
        (Answer((), 0, exists=False), message(code=dns.ENAME)),
        (Answer((), 0, exists=False), message((WWW, alias(CDN), 20), code=dns.ENAME)),
        # where to ask further
        (Answer((), 20, alias=CDN), message((WWW, alias(CDN), 20))),
        (Answer((), 7), message((WWW, alias(CDN), 20), authority=(60, 7))),
    ],
)
def test_ipv4(expected: Answer, given: Any) -> None:
    """The addresses at the end of the aliases count, for as long as the shortest of them may be kept."""
    assert expected == read(given, WWW, dns.A)


def test_ipv6() -> None:
    """So it is with the other version."""
    assert Answer(("2001:db8::1",), 9) == read(message((WWW, aaaa("2001:db8::1"), 9)), WWW, dns.AAAA)


@pytest.mark.parametrize("number", [8, 9])
def test_chain(number: int) -> None:
    """Eight aliases are followed, and not one more."""
    names = [b"%d.test" % each for each in range(number + 1)]
    chain = [(name, alias(target), 60) for name, target in itertools.pairwise(names)]
    given = message(*chain, (names[-1], a("192.0.2.1"), 60))
    if number == 8:
        assert ("192.0.2.1",) == read(given, names[0], dns.A).addresses
    else:
        with pytest.raises(DNSError, match="more than 8 aliases"):
            read(given, names[0], dns.A)


def test_circle() -> None:
    """Aliases that lead in a circle end."""
    with pytest.raises(DNSError, match=r"www\.test: it has more than 8 aliases") as caught:
        read(message((WWW, alias(CDN), 60), (CDN, alias(WWW), 60)), WWW, dns.A)
    assert not caught.value.retryable


@pytest.mark.parametrize("host", ["a.test", "A.Test.", "my_host"])
def test_host_names(host: str) -> None:
    """Names are asked for in lower case, and without the dot at their end."""
    assert host.lower().rstrip(".").encode() == host_name(host)


@pytest.mark.parametrize("host", ["", ".", "a..b", ".a", "a" * 64 + ".test", ".".join(["abcdefg"] * 32)])
def test_no_names(host: str) -> None:
    """What no name server could know is not asked for."""
    with pytest.raises(DNSError, match="no name is that long, or has an empty part") as caught:
        host_name(host)
    assert not caught.value.retryable
