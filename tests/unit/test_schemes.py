"""`SchemeAgent` and `third_party`: which agent a URL's scheme has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer
from zope.interface.verify import verifyObject

from twisted_pulp.errors import SettingsError
from twisted_pulp.schemes import SchemeAgent, third_party


@implementer(IAgent)
class Agent:
    """An agent that notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        self.asked.append((method, uri, headers, bodyProducer))
        return succeed(None)  # type: ignore[arg-type]


def test_scheme() -> None:
    """The scheme picks, in any case, and the request goes on as it is."""
    http, file = Agent(), Agent()
    agent = SchemeAgent({b"http": http, b"file": file})
    headers = Headers()
    for uri in (b"http://x.test/file:", b"HTTP://x.test/"):
        agent.request(b"GET", uri, headers)
    agent.request(b"HEAD", b"file:///x")
    assert [(b"GET", b"http://x.test/file:", headers, None), (b"GET", b"HTTP://x.test/", headers, None)] == http.asked
    assert [(b"HEAD", b"file:///x", None, None)] == file.asked
    assert verifyObject(IAgent, agent)
    assert "<SchemeAgent [b'file', b'http']>" == repr(agent)


@pytest.mark.parametrize("uri", [b"gopher://u:secret@x.test/", b"file", b"", b"//x.test", b"\xff:x"])
def test_unknown(uri: bytes) -> None:
    """Another scheme fails with the URL, without its secrets, and what is known."""
    failures: list[Failure] = []
    SchemeAgent({b"http": Agent(), b"ftp": Agent()}).request(b"GET", uri).addErrback(failures.append)
    (failure,) = failures
    assert isinstance(failure.value, SettingsError)
    assert ("url", "a URL of a scheme that is known: ftp, http") == (failure.value.field, failure.value.allowed)
    assert "secret" not in str(failure.value)


def test_made_when_wanted() -> None:
    """Agents may be made when they are looked up; what is raised by that comes in the Deferred."""

    class Making(dict[bytes, IAgent]):
        def __missing__(self, scheme: bytes) -> IAgent:
            made.append(scheme)
            if scheme == b"broken":
                raise TypeError("not an agent")
            agent = self[scheme] = Agent()
            return agent

    made: list[bytes] = []
    failures: list[Failure] = []
    agent = SchemeAgent(Making())
    for uri in (b"ipfs://x", b"ipfs://y", b"broken://x"):
        agent.request(b"GET", uri).addErrback(failures.append)
    assert ([b"ipfs", b"broken"], ["not an agent"]) == (made, [str(failure.value) for failure in failures])


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installed projects that register schemes; the modules with their code are in the directory, too."""
    points = {
        "one": ["first = pulp_scheme_one:Factory", "twice = pulp_scheme_one:Factory", "same = pulp_scheme_one:Factory"],
        "two": ["twice = pulp_scheme_two:Other", "same = pulp_scheme_one:Factory", "gone = pulp_scheme_gone:Factory"],
        "three": ["broken = pulp_scheme_broken:Factory", "number = pulp_scheme_one:number"],
    }
    for name, lines in points.items():
        info = tmp_path / f"pulp_scheme_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: pulp-scheme-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("\n".join(["[twisted_pulp.schemes]", *lines, "[others]", "x = y:z", ""]))
    (tmp_path / "pulp_scheme_one.py").write_text(
        "number = 1\ndef Factory(reactor, remote):\n    return reactor, remote\n"
    )
    (tmp_path / "pulp_scheme_broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pulp_scheme_one", raising=False)
    return tmp_path


def test_third_party(registered: Path) -> None:
    """What others registered is known by name at once, and imported when it is looked up."""
    schemes = third_party()
    assert {"broken", "first", "gone", "number", "same", "twice"} <= set(schemes)
    assert ("first" in schemes, "x" in schemes, len(list(schemes))) == (True, False, len(schemes))
    assert schemes.get("nothing") is None
    assert "pulp_scheme_one" not in sys.modules
    factory: Any = schemes["first"]
    assert "pulp_scheme_one" in sys.modules
    assert ("reactor", "remote") == factory("reactor", "remote")
    assert factory is schemes["same"]


@pytest.mark.parametrize(
    ("scheme", "value", "reason"),
    [
        ("twice", "pulp_scheme_one:Factory, pulp_scheme_two:Other", "registered once in twisted_pulp.schemes"),
        ("gone", "pulp_scheme_gone:Factory", "can be imported (No module named 'pulp_scheme_gone')"),
        ("broken", "pulp_scheme_broken:Factory", "can be imported (division by zero)"),
        ("number", "pulp_scheme_one:number", "can be called"),
    ],
)
def test_unusable(registered: Path, scheme: str, value: str, reason: str) -> None:
    """A scheme that cannot be had is a mistake in the settings, and says whose."""
    with pytest.raises(SettingsError) as caught:
        third_party()[scheme]
    assert (scheme, value) == (caught.value.field, caught.value.value)
    assert reason in caught.value.allowed
