"""The rules of RFC 9111 and RFC 5861, case by case, on a clock."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from tests.unit.streamer.upstream import Asked, Cache, date, reply
from twisted_pulp.errors import (
    ConnectionLost,
    ConnectionRefused,
    DNSError,
    HeadersTimeout,
    HTTPStatusError,
    NotFound,
    ProtocolError,
    RedirectError,
    TLSError,
)
from twisted_pulp.streamer._cached import Passed
from twisted_pulp.streamer._caching import Caching

TAG = '"v1"'
YEAR = 365 * 86400


def plain(**headers: str) -> dict[str, str]:
    """Return headers with a Date that is right, unless they have one; names with ``_`` for ``-``."""
    return {"Date": date(0), **headers}


def first(cache: Cache, headers: dict[str, str], **fields: Any) -> Any:
    """Have *cache* fetch a response with *headers*, and return what the client got."""
    cache.upstream.answer = reply(b"one", **headers)
    return cache.get(**fields)


# Headers of a response (`Date` is the moment in which it comes, unless they say something else), the seconds after
# which it is wanted again, and whether it may then be given out without a request.
FRESHNESS: list[tuple[str, dict[str, str], float, bool]] = [
    ("max-age", plain(Cache_Control="max-age=60"), 59, True),
    ("max-age is over", plain(Cache_Control="max-age=60"), 60, False),
    ("max-age=0", plain(Cache_Control="max-age=0"), 0, False),
    ("in capitals", plain(Cache_Control="MAX-AGE=60"), 59, True),
    ("quoted", plain(Cache_Control='max-age="60"'), 59, True),
    ("negative", plain(Cache_Control="max-age=-60", Last_Modified=date(-YEAR)), 1, False),
    ("no number", plain(Cache_Control="max-age=soon", Last_Modified=date(-YEAR)), 1, False),
    ("nothing", plain(Cache_Control="max-age=", Last_Modified=date(-YEAR)), 1, False),
    ("no whole number", plain(Cache_Control="max-age=60.5"), 1, False),
    ("digits of another script", plain(Cache_Control="max-age=\xb2\xb2"), 1, False),
    ("enormous", plain(Cache_Control=f"max-age={10**30}"), YEAR, True),
    ("twice", plain(Cache_Control="max-age=60, max-age=10"), 30, True),
    ("twice, the first shorter", plain(Cache_Control="max-age=10, max-age=60"), 30, False),
    ("between others", plain(Cache_Control="public, max-age=60, immutable"), 59, True),
    ("after rubbish", plain(Cache_Control=',,=;"x", foo=";,", max-age=60'), 59, True),
    ("as part of a name", plain(Cache_Control="x-max-age=60"), 1, False),
    ("within a value", plain(Cache_Control='foo="max-age=60"'), 1, False),
    ("s-maxage before max-age", plain(Cache_Control="max-age=10, s-maxage=60"), 59, True),
    ("a shorter s-maxage, too", plain(Cache_Control="max-age=60, s-maxage=10"), 10, False),
    ("s-maxage=0", plain(Cache_Control="max-age=60, s-maxage=0"), 1, False),
    ("s-maxage that is none", plain(Cache_Control="max-age=60, s-maxage=x"), 1, False),
    ("Expires", plain(Expires=date(60)), 59, True),
    ("Expires is over", plain(Expires=date(60)), 60, False),
    ("Expires in the past", plain(Expires=date(-1)), 0, False),
    ("Expires: 0", plain(Expires="0", Last_Modified=date(-YEAR)), 1, False),
    ("Expires that is no date", plain(Expires="tomorrow", Last_Modified=date(-YEAR)), 1, False),
    ("Expires in another form", plain(Expires="Tuesday, 14-Nov-23 22:14:20 GMT"), 59, True),
    ("Expires and the upstream's own clock", {"Date": date(-100), "Expires": date(60)}, 59, True),
    ("Expires without Date", {"Expires": date(60)}, 59, True),
    ("Expires without Date is over", {"Expires": date(60)}, 60, False),
    ("max-age before Expires", plain(Cache_Control="max-age=60", Expires=date(1)), 59, True),
    ("max-age=0 before Expires", plain(Cache_Control="max-age=0", Expires=date(60)), 1, False),
    ("a tenth of its age", plain(Last_Modified=date(-1000)), 99, True),
    ("a tenth of its age is over", plain(Last_Modified=date(-1000)), 100, False),
    ("at most ten minutes", plain(Last_Modified=date(-YEAR)), 599, True),
    ("at most ten minutes, which are over", plain(Last_Modified=date(-YEAR)), 600, False),
    ("Last-Modified in the future", plain(Last_Modified=date(1000)), 1, False),
    ("Last-Modified that is none", plain(Last_Modified="yesterday"), 1, False),
    ("Last-Modified without Date", {"Last-Modified": date(-1000)}, 99, True),
    ("no heuristic beside no-cache", plain(Last_Modified=date(-YEAR), Cache_Control="no-cache"), 1, False),
    ("a heuristic beside public", plain(Last_Modified=date(-1000), Cache_Control="public"), 99, True),
    ("nothing said", plain(), 0, False),
    ("public alone", plain(Cache_Control="public"), 1, False),
    ("immutable alone", plain(Cache_Control="immutable"), 1, False),
    ("no-cache", plain(Cache_Control="no-cache, max-age=60"), 1, False),
    ("no-cache with an empty value", plain(Cache_Control='no-cache="", max-age=60'), 1, False),
    ("no-cache of a header", plain(Cache_Control='no-cache="X-Pypi-Last-Serial", max-age=60'), 59, True),
    ("must-revalidate", plain(Cache_Control="must-revalidate, max-age=60"), 59, True),
    ("must-revalidate is over", plain(Cache_Control="must-revalidate, max-age=60"), 60, False),
    ("proxy-revalidate", plain(Cache_Control="proxy-revalidate, max-age=60"), 59, True),
    ("no-transform", plain(Cache_Control="no-transform, max-age=60"), 59, True),
    ("private of a header", plain(Cache_Control='private="X-Pypi-Last-Serial", max-age=60'), 59, True),
    ("Pragma says nothing", plain(Cache_Control="max-age=60", Pragma="no-cache"), 59, True),
    ("Age", plain(Cache_Control="max-age=60", Age="50"), 9, True),
    ("Age counts", plain(Cache_Control="max-age=60", Age="50"), 10, False),
    ("Age above max-age", plain(Cache_Control="max-age=60", Age="100"), 0, False),
    ("Age that is none", plain(Cache_Control="max-age=60", Age="old"), 59, True),
    ("Age below 0", plain(Cache_Control="max-age=60", Age="-50"), 59, True),
    ("an old Date", {"Date": date(-50), "Cache-Control": "max-age=60"}, 9, True),
    ("an old Date counts", {"Date": date(-50), "Cache-Control": "max-age=60"}, 10, False),
    ("an old Date before a younger Age", {"Date": date(-50), "Age": "5", "Cache-Control": "max-age=60"}, 10, False),
    ("a Date in the future", {"Date": date(500), "Cache-Control": "max-age=60"}, 59, True),
    ("a Date in the future gains nothing", {"Date": date(500), "Cache-Control": "max-age=60"}, 60, False),
    ("a Date that is none", {"Date": "now", "Cache-Control": "max-age=60"}, 59, True),
    ("no Date", {"Cache-Control": "max-age=60"}, 60, False),
    ("Vary on what is always the same", plain(Cache_Control="max-age=60", Vary="Accept-Encoding"), 59, True),
    ("Vary on what is never sent", plain(Cache_Control="max-age=60", Vary="Cookie, X-Anything"), 59, True),
    ("Vary: *", plain(Cache_Control="max-age=60", Vary="*"), 1, False),
    ("Vary: * beside others", plain(Cache_Control="max-age=60", Vary="Accept, *"), 1, False),
]


@pytest.mark.parametrize(("headers", "after", "fresh"), [pytest.param(*each[1:], id=each[0]) for each in FRESHNESS])
def test_freshness(headers: dict[str, str], after: float, fresh: bool) -> None:
    """While a response is fresh it is given out without a request; then the upstream is asked."""
    cache = Cache()
    assert b"one" == cache.body(first(cache, headers))
    cache.clock.advance(after)
    cache.upstream.answer = reply(b"two", **plain())
    expected = (b"one", 1) if fresh else (b"two", 2)
    assert expected == (cache.body(cache.get()), cache.asked())


def test_delay() -> None:
    """The time that an answer takes counts as age (section 4.2.3)."""
    cache = Cache()
    answer: Deferred[Any] = Deferred()
    cache.upstream.answer = lambda asked: answer
    cache.begin()
    cache.clock.advance(20)
    answer.callback(reply(b"one", Cache_Control="max-age=60", Date=date(20), Age="10")(Asked("GET", "http://h/", {})))
    assert ("Age", "30") == cache.get().entity.fields[-1]
    cache.clock.advance(30)
    cache.upstream.answer = reply(b"two")
    assert b"two" == cache.body(cache.get())


@pytest.mark.parametrize(("jump", "asked"), [(-3600.0, 2), (-YEAR, 2), (86400.0, 2), (-0.5, 2), (30.0, 1)])
def test_clock(jump: float, asked: int) -> None:
    """After the clock went back nothing that came later counts as fresh; but it is not lost, either."""
    cache = Cache()
    first(cache, plain(Cache_Control="max-age=60", ETag=TAG))
    cache.jump = jump
    cache.upstream.answer = lambda asked: 503
    assert b"one" == cache.body(cache.get())
    assert asked == cache.asked()


def test_age() -> None:
    """A client is told how old it is, and of the rest what the upstream has said."""
    cache = Cache()
    first(cache, plain(Cache_Control="max-age=60", Age="7", Expires=date(5), Content_Language="de", Via="x"))
    cache.clock.advance(3.9)
    entity = cache.get().entity
    assert (("Content-Language", "de"), ("Expires", date(5)), ("Age", "10")) == entity.fields
    assert "max-age=60" == entity.cache_control


# What is not kept.
UNKEPT = [
    "no-store",
    "NO-STORE",
    "max-age=60, no-store",
    'no-store="x", max-age=60',
    "no-store=1, max-age=60",
    "must-understand, no-store",
    "private",
    "private, max-age=60",
    'private="", max-age=60',
    "Private,max-age=60,public",
]


@pytest.mark.parametrize("control", UNKEPT)
def test_unkept(control: str) -> None:
    """What must not be stored is not: the next clients are sent past the cache, for a minute without a request."""
    cache = Cache()
    got = first(cache, plain(Cache_Control=control))
    assert Passed("twisted_pulp; fwd=uri-miss; stored=?0") == got
    assert [] == list(cache.storage._artifacts)
    assert Passed("twisted_pulp; fwd=bypass; stored=?0") == cache.get()
    assert 1 == cache.asked()
    cache.clock.advance(60)
    assert b"one" == cache.body(first(cache, plain(Cache_Control="max-age=60")))


def test_unkept_later() -> None:
    """What was stored is not given out any more once a response must not be."""
    cache = Cache()
    first(cache, plain(Cache_Control="max-age=60"))
    cache.clock.advance(60)
    assert isinstance(first(cache, plain(Cache_Control="no-store")), Passed)
    cache.restart()
    cache.upstream.answer = lambda asked: 503
    with pytest.raises(HTTPStatusError):
        cache.get()


def test_private() -> None:
    """A Distribution that is the one user itself keeps what is private; no other one gives that out."""
    cache = Cache()
    mine = Caching(store_private=True)
    first(cache, plain(Cache_Control="private, max-age=60"), caching=mine)
    assert b"one" == cache.body(cache.get(caching=mine))
    assert 1 == cache.asked()
    assert isinstance(cache.get(), Passed)
    assert 2 == cache.asked()


def test_private_fields() -> None:
    """Headers that are said to be private, or to be asked about, are not kept; the response is."""
    cache = Cache()
    control = 'private="Content-Language", no-cache="X-Pypi-Last-Serial", max-age=60'
    first(cache, plain(Cache_Control=control, Content_Language="de", X_PyPI_Last_Serial="5"))
    assert ("Age",) == tuple(name for name, _ in cache.get().entity.fields)
    assert 1 == cache.asked()


def test_dropped() -> None:
    """Set-Cookie and whatever else is between the upstream and us is not kept with a response."""
    cache = Cache()
    first(
        cache,
        plain(
            Cache_Control="max-age=60",
            Set_Cookie="id=1",
            Connection="Content-Language",
            Content_Language="de",
            X_Secret="s",
            Location="http://inside/",
            Server="nginx",
        ),
    )
    cache.restart()
    assert (("Age", "0"),) == cache.get().entity.fields
    assert 1 == cache.asked()


# The headers of a response that has become stale, and those with which the upstream is then asked.
CONDITIONS: list[tuple[str, dict[str, str], dict[str, str]]] = [
    ("nothing", {}, {}),
    ("ETag", {"ETag": TAG}, {"if-none-match": TAG}),
    ("a weak one", {"ETag": 'W/"v1"'}, {"if-none-match": 'W/"v1"'}),
    ("an empty one", {"ETag": '""'}, {"if-none-match": '""'}),
    ("one that is none", {"ETag": "v1"}, {}),
    ("one that is two", {"ETag": '"v1", "v2"'}, {}),
    ("Last-Modified", {"Last-Modified": date(-60)}, {"if-modified-since": date(-60)}),
    ("no date", {"Last-Modified": "yesterday"}, {}),
    (
        "both",
        {"ETag": TAG, "Last-Modified": date(-60)},
        {"if-none-match": TAG, "if-modified-since": date(-60)},
    ),
]


@pytest.mark.parametrize(("headers", "asked"), [pytest.param(*each[1:], id=each[0]) for each in CONDITIONS])
def test_conditions(headers: dict[str, str], asked: dict[str, str]) -> None:
    """The upstream is asked by the validators that it has given, and by nothing that is none."""
    cache = Cache()
    first(cache, plain(Cache_Control="max-age=60", **headers))
    cache.clock.advance(60)
    first(cache, plain(Cache_Control="max-age=60", **headers))
    assert asked == cache.upstream.requests[1].headers


# The headers of a response, those of a 304 that comes 100 s later, and for how long it is fresh then.
CONFIRMED: list[tuple[str, dict[str, str], dict[str, str], float]] = [
    ("as before", {"ETag": TAG}, {"ETag": TAG}, 60),
    ("without a validator", {"ETag": TAG}, {}, 60),
    ("by its date", {"Last-Modified": date(-60)}, {"Last-Modified": date(-60)}, 60),
    ("a weak one", {"ETag": 'W/"v1"'}, {"ETag": 'W/"v1"'}, 60),
    ("longer", {"ETag": TAG}, {"ETag": TAG, "Cache-Control": "max-age=500"}, 500),
    ("shorter", {"ETag": TAG}, {"ETag": TAG, "Cache-Control": "max-age=5"}, 5),
    ("until", {"ETag": TAG, "Cache-Control": "public", "Expires": date(60)}, {"Expires": date(130)}, 30),
    ("the age of the first is over", {"ETag": TAG, "Age": "50"}, {"ETag": TAG}, 60),
    ("an age of its own", {"ETag": TAG}, {"ETag": TAG, "Age": "40"}, 20),
    ("without Date", {"ETag": TAG}, {"ETag": TAG, "Date": ""}, 60),
]


@pytest.mark.parametrize(("headers", "told", "lasts"), [pytest.param(*each[1:], id=each[0]) for each in CONFIRMED])
def test_confirmed(headers: dict[str, str], told: dict[str, str], lasts: float) -> None:
    """304 makes what is stored fresh again, with what it says about that (section 4.3.4)."""
    cache = Cache()
    first(cache, plain(**{"Cache-Control": "max-age=60", "Content-Type": "text/x-one", **headers}))
    cache.clock.advance(100)
    cache.upstream.answer = reply(b"", 304, **{"Date": date(100), **told, "Content-Type": "text/x-two"})
    got = cache.get()
    assert (b"one", "text/x-one") == (cache.body(got), got.entity.type)
    assert f"twisted_pulp; fwd=stale; fwd-status=304; stored; ttl={int(lasts)}" == got.cache_status
    cache.restart()
    cache.upstream.answer = reply(b"two")
    cache.clock.advance(lasts - 1)
    assert b"one" == cache.body(cache.get())
    cache.clock.advance(1)
    assert b"two" == cache.body(cache.get())


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"ETag": TAG}, {"ETag": '"v2"'}),
        ({"Last-Modified": date(-60)}, {"Last-Modified": date(-30)}),
        ({"Last-Modified": date(-60)}, {"ETag": TAG}),
    ],
)
def test_another(headers: dict[str, str], told: dict[str, str]) -> None:
    """A 304 about something else proves nothing: all of it is asked for (section 4.3.4)."""
    cache = Cache()
    first(cache, plain(Cache_Control="max-age=60", **headers))
    cache.clock.advance(60)

    def answer(asked: Asked) -> Any:
        conditional = not {"if-none-match", "if-modified-since"}.isdisjoint(asked.headers)
        return reply(b"", 304, **told)(asked) if conditional else reply(b"two")(asked)

    cache.upstream.answer = answer
    assert b"two" == cache.body(cache.get())
    assert 3 == cache.asked()


def test_unasked() -> None:
    """A 304 that nobody has asked for is no answer."""
    cache = Cache()
    cache.upstream.answer = reply(b"", 304, ETag=TAG)
    with pytest.raises(ProtocolError, match="304"):
        cache.get()


def test_told_again() -> None:
    """A 304 brings nothing that a 200 would not bring, such as cookies."""
    cache = Cache()
    first(cache, plain(Cache_Control="max-age=60", ETag=TAG))
    cache.clock.advance(60)
    cache.upstream.answer = reply(b"", 304, ETag=TAG, Set_Cookie="id=1", Content_Language="de", X_Other="x")
    assert (("Content-Language", "de"), ("Age", "0")) == cache.get().entity.fields


ERRORS: list[tuple[Any, bool]] = [
    *((status, True) for status in (408, 425, 429, 500, 501, 502, 503, 504, 505, 522, 599)),
    *((status, False) for status in (400, 401, 403, 404, 406, 410, 451)),
    *(
        (error, True)
        for error in (ConnectionRefused, ConnectionLost, DNSError, HeadersTimeout, ProtocolError, TLSError)
    ),
    (RedirectError, True),
]


def failing(error: Any) -> Any:
    """Return an answer that is *error*."""

    def answer(asked: Asked) -> Any:
        if isinstance(error, int):
            return error
        raise error("http://h/index")

    return answer


@pytest.mark.parametrize(("error", "stale"), ERRORS, ids=lambda each: getattr(each, "__name__", str(each)))
def test_errors(error: Any, stale: bool) -> None:
    """When the upstream fails what is stale is given out; but not when it says that there is nothing for us."""
    cache = Cache()
    first(cache, plain(Cache_Control="max-age=60"))
    cache.clock.advance(60)
    cache.upstream.answer = failing(error)
    if stale:
        got = cache.get()
        assert b"one" == cache.body(got)
        assert "detail=stale-if-error" in got.cache_status
    else:
        with pytest.raises(HTTPStatusError, match=str(error)):
            cache.get()
    assert 2 == cache.asked()


DAY = 86400
# Cache-Control, what the Distribution says, seconds after the response came, and whether it is given out when the
# upstream fails.
STALE_IF_ERROR: list[tuple[str, str, Caching, float, bool]] = [
    ("as is usual", "max-age=60", Caching(), 60 + DAY, True),
    ("too old", "max-age=60", Caching(), 61 + DAY, False),
    ("said", "max-age=60, stale-if-error=30", Caching(), 90, True),
    ("said, and over", "max-age=60, stale-if-error=30", Caching(), 91, False),
    ("longer than is usual", f"max-age=60, stale-if-error={2 * DAY}", Caching(), 60 + 2 * DAY, True),
    ("never", "max-age=60, stale-if-error=0", Caching(), 60, False),
    ("no number", "max-age=60, stale-if-error=x", Caching(), 60, False),
    ("the Distribution never does", "max-age=60", Caching(stale_if_error=0), 60, False),
    ("unless the response says so", "max-age=60, stale-if-error=30", Caching(stale_if_error=0), 80, True),
    ("the Distribution, for a while", "max-age=60", Caching(stale_if_error=10), 70, True),
    ("the Distribution, not for longer", "max-age=60", Caching(stale_if_error=10), 71, False),
    ("must-revalidate", "max-age=60, must-revalidate", Caching(), 61, False),
    ("must-revalidate before the rest", "max-age=60, must-revalidate, stale-if-error=90", Caching(), 61, False),
    ("proxy-revalidate", "max-age=60, proxy-revalidate", Caching(), 61, False),
    ("s-maxage", "s-maxage=60", Caching(), 61, False),
    ("no-cache", "no-cache", Caching(), 1, False),
    ("no-cache of a header", 'max-age=60, no-cache="Set-Cookie"', Caching(), 61, True),
    ("without a lifetime", "public", Caching(), 10, True),
    ("the Distribution has the last word", "max-age=1, must-revalidate", Caching(max_age=60), 61, True),
]


@pytest.mark.parametrize(
    ("control", "caching", "after", "stale"), [pytest.param(*each[1:], id=each[0]) for each in STALE_IF_ERROR]
)
def test_stale_if_error(control: str, caching: Caching, after: float, stale: bool) -> None:
    """For how long what is stale is better than nothing (RFC 5861 section 4)."""
    cache = Cache()
    first(cache, plain(Cache_Control=control), caching=caching)
    cache.clock.advance(after)
    cache.upstream.answer = lambda asked: 500
    if stale:
        assert b"one" == cache.body(cache.get(caching=caching))
    else:
        with pytest.raises(HTTPStatusError, match="500"):
            cache.get(caching=caching)
    assert 1 < cache.asked()


WHILE_ASKING: list[tuple[str, str, Caching, float, bool]] = [
    ("not by itself", "max-age=60", Caching(), 60, False),
    ("said", "max-age=60, stale-while-revalidate=30", Caching(), 90, True),
    ("said, and over", "max-age=60, stale-while-revalidate=30", Caching(), 91, False),
    ("the Distribution", "max-age=60", Caching(stale_while_revalidate=30), 90, True),
    ("the Distribution, and over", "max-age=60", Caching(stale_while_revalidate=30), 91, False),
    ("never", "max-age=60, stale-while-revalidate=0", Caching(stale_while_revalidate=30), 61, False),
    ("must-revalidate", "max-age=60, must-revalidate", Caching(stale_while_revalidate=30), 61, False),
    ("s-maxage", "s-maxage=60, stale-while-revalidate=30", Caching(), 61, False),
    ("no-cache", "no-cache", Caching(stale_while_revalidate=30), 1, False),
]


@pytest.mark.parametrize(
    ("control", "caching", "after", "stale"), [pytest.param(*each[1:], id=each[0]) for each in WHILE_ASKING]
)
def test_while_asking(control: str, caching: Caching, after: float, stale: bool) -> None:
    """For how long what is stale is given out at once, while the upstream is asked (RFC 5861 section 3)."""
    cache = Cache()
    first(cache, plain(Cache_Control=control), caching=caching)
    cache.clock.advance(after)
    answer: Deferred[Any] = Deferred()
    cache.upstream.answer = lambda asked: answer
    results: list[Any] = []
    for _ in range(3):
        cache.begin(caching=caching).addBoth(results.append)
    assert 2 == cache.asked(), "once in the background, however many come"
    assert (3 if stale else 0) == len(results)
    assert all(b"one" == cache.body(each) and "stale-while-revalidate" in each.cache_status for each in results)
    answer.callback(reply(b"two", Cache_Control="max-age=60")(cache.upstream.requests[1]))
    assert b"two" == cache.body(cache.get(caching=caching))
    assert 2 == cache.asked()


def test_override() -> None:
    """A Distribution that knows better has its way, and says so to its clients."""
    cache = Cache()
    caching = Caching(max_age=60)
    got = first(cache, plain(Cache_Control="no-cache, max-age=0", Expires=date(-1)), caching=caching)
    assert ("public, max-age=60", (("Age", "0"),)) == (got.entity.cache_control, got.entity.fields)
    cache.clock.advance(59)
    assert b"one" == cache.body(cache.get(caching=caching))
    assert 1 == cache.asked()
    cache.clock.advance(1)
    cache.upstream.answer = reply(b"two")
    assert b"two" == cache.body(cache.get(caching=caching))


def test_not_found() -> None:
    """What the upstream has no more is not given out any more, however fresh it would be for others."""
    cache = Cache()
    first(cache, plain(Cache_Control="max-age=60"))
    cache.clock.advance(60)
    cache.upstream.answer = lambda asked: 404
    with pytest.raises(NotFound):
        cache.get()
    cache.restart()
    cache.upstream.answer = lambda asked: 503
    with pytest.raises(HTTPStatusError, match="503"):
        cache.get()
