"""Tests for `tests.servers.netns`: a Python process inside sees what it should."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.servers.fixtures import StartNetwork
from tests.servers.netns import Network, drop

_CONNECT = """
import socket, sys, time
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listening = socket.create_server((sys.argv[1], 0), family=family)
started = time.monotonic()
try:
    socket.create_connection(listening.getsockname()[:2], timeout=0.3)
except TimeoutError:
    print("timeout")
else:
    print("connected")
"""


def test_loopback_of_its_own(network: StartNetwork) -> None:
    """Loopback works for both families."""
    inside = network()
    assert "connected\n" == inside.python(_CONNECT, "127.0.0.1")
    assert "connected\n" == inside.python(_CONNECT, "::1")


def test_blackhole(network: StartNetwork) -> None:
    """Packets to an address are lost, to others not; the rules can be changed."""
    inside = network(rules=[drop(address="127.0.0.2"), drop(address="::1", syn=True)])
    assert "timeout\n" == inside.python(_CONNECT, "127.0.0.2")
    assert "timeout\n" == inside.python(_CONNECT, "::1")
    assert "connected\n" == inside.python(_CONNECT, "127.0.0.3")
    inside.clear_rules()
    assert "connected\n" == inside.python(_CONNECT, "127.0.0.2")
    inside.add_rule(drop(address="127.0.0.3", syn=True))
    assert "timeout\n" == inside.python(_CONNECT, "127.0.0.3")


def test_loss(network: StartNetwork) -> None:
    """A share of the packets is lost."""
    inside = network(rules=[drop(share=0.3)])
    code = """
import socket
one, two = socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)
one.bind(("127.0.0.1", 0))
one.setblocking(False)
arrived = 0
for _ in range(1000):
    two.sendto(b"x", one.getsockname())
    try:
        arrived += len(one.recv(1))  # over loopback it is there at once, or never
    except BlockingIOError:
        pass
print(arrived)
"""
    assert 600 <= int(inside.python(code)) <= 800


def test_names(network: StartNetwork) -> None:
    """Names have the addresses that hosts gives them, and no others."""
    inside = network(hosts={"many.test": [f"127.0.0.{last}" for last in range(2, 10)]})
    code = """
import socket
print(len({found[4][0] for found in socket.getaddrinfo("many.test", 80)}))
try:
    socket.getaddrinfo("other.test", 80)
except socket.gaierror:
    print("unknown")
"""
    assert "8\nunknown\n" == inside.python(code)


def test_name_server(network: StartNetwork) -> None:
    """The resolver of the system asks the name server that is given."""
    inside = network(nameserver="127.0.0.1")
    code = """
import socket
from twisted.internet import reactor, threads
from tests.servers.dns import NameServer, Reply
server = NameServer(reactor)
server.listen(53)
server.on("a.test", [Reply("192.0.2.7")])
d = threads.deferToThread(socket.gethostbyname, "a.test")
d.addBoth(print)
d.addBoth(lambda _: reactor.stop())
reactor.run()
"""
    assert "192.0.2.7\n" == inside.python(code)


def test_few_ports(network: StartNetwork) -> None:
    """Connections going out can run out of ports."""
    inside = network(ports=(40_000, 40_019))
    code = """
import socket
listening = socket.create_server(("127.0.0.1", 5000))
made = []
try:
    while True:
        made.append(socket.create_connection(("127.0.0.1", 5000)))
except OSError:
    print(len(made))
"""
    assert 1 <= int(inside.python(code)) <= 20


def test_addresses(network: StartNetwork) -> None:
    """The loopback can have more addresses."""
    inside = network(addresses=["192.0.2.1/32", "2001:db8::1/128"])
    assert "connected\n" == inside.python(_CONNECT, "192.0.2.1")
    assert "connected\n" == inside.python(_CONNECT, "2001:db8::1")


def test_failure(network: StartNetwork) -> None:
    """What fails inside fails the test, with the reason."""
    inside = network()
    with pytest.raises(AssertionError, match="LookupError"):
        inside.python("raise LookupError")
    with pytest.raises(AssertionError, match=r"took over 0\.2 s"):
        inside.python("import time; time.sleep(10)", timeout=0.2)


def test_removed(network: StartNetwork) -> None:
    """Nothing of a network is left."""
    with Network.made(hosts={}) as inside:
        assert Path("/etc/netns", inside.name).exists()
    assert not Path("/etc/netns", inside.name).exists()
    assert inside.name not in subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
