"""Rows 2 to 5, 14, 19 and 24: what goes wrong in the network itself, in a network of our own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.faults.inside import PORT
from tests.servers.fixtures import StartNetwork
from tests.servers.netns import Network, drop

PORTS = (40_000, 40_019)


def ask(network: Network, name: str, timeout: float = 60, **given: Any) -> Any:
    """Run `inside.py` in *network* and give what it found out."""
    command = (sys.executable, "-m", "tests.integration.faults.inside", name, json.dumps(given))
    return json.loads(network.run(*command, timeout=timeout))


def test_row_2_blackhole(network: StartNetwork) -> None:
    """Row 2: where packets vanish the connect timeout ends the wait, to 10 %."""
    inside = network(rules=[drop(address="127.0.0.9")])
    (report,) = ask(inside, "fetched", host="127.0.0.9", addresses=["127.0.0.9"], connect=2.0)
    assert ("ConnectTimeout", True) == (report["error"], report["retryable"])
    assert 2.0 <= report["seconds"] <= 2.2 + report["late"]


@pytest.mark.parametrize("found", ["system", "static", "servers"])
@pytest.mark.parametrize("dead", ["::1", "127.0.0.1"])
def test_rows_3_and_4_one_family_dead(network: StartNetwork, dead: str, found: str) -> None:
    """Row 3: with IPv6 a blackhole IPv4 wins within 0.5 s, however names are found; row 4: and the other way round."""
    addresses = ["::1", "127.0.0.1"]
    inside = network(hosts={"both.test": addresses}, rules=[drop(address=dead, port=PORT)])
    ways: dict[str, dict[str, Any]] = {
        "system": {"host": "both.test"},
        "static": {"host": "static.test", "reach": {"hosts": {"static.test": addresses}}},
        "servers": {
            "host": "served.test",
            "reach": {"dns_servers": ["127.0.0.1"]},
            "names": {"served.test": addresses},
        },
    }
    (report,) = ask(inside, "fetched", addresses=addresses, **ways[found])
    assert report["error"] is None
    assert 1 == report["attempts"]
    assert (0.25 if dead == "::1" else 0) <= report["seconds"] <= 0.5 + report["late"]


def test_row_5_seven_of_eight_dead(network: StartNetwork) -> None:
    """Row 5: of eight addresses the last is alive, and it is reached after seven steps of 0.25 s."""
    addresses = [f"127.0.0.{number}" for number in range(2, 10)]
    inside = network(hosts={"many.test": addresses})
    order = ask(inside, "ordered", host="many.test")
    assert set(addresses) == set(order)
    for address in order[:-1]:
        inside.add_rule(drop(address=address))
    (report,) = ask(inside, "fetched", host="many.test", addresses=order)
    assert report["error"] is None
    assert report["seconds"] <= 7 * 0.25 * 1.1 + report["late"]


def test_row_14_packet_loss(network: StartNetwork, campaign_count: Callable[[int, int], int]) -> None:
    """Row 14: with one packet in ten lost every file comes, and no timeout is spurious."""
    inside = network(rules=[drop(share=0.1)])
    count = campaign_count(30, 1000)
    given = {"host": "127.0.0.1", "addresses": ["127.0.0.1"], "connect": 15}
    reports = ask(inside, "fetched", count=count, size=65_536, timeout=20 + count, **given)
    assert [(None, 1)] * count == [(report["error"], report["attempts"]) for report in reports]


@pytest.mark.parametrize("own", [False, True])
def test_row_19_dns(network: StartNetwork, campaign_count: Callable[[int, int], int], own: bool) -> None:
    """Row 19: names that do not exist, fail or are slow give typed errors, and a healthy host notices nothing."""
    inside = network(nameserver="127.0.0.1")
    found = ask(inside, "resolved", slow=0.8, count=campaign_count(50, 1000), own=own)
    troubles = found["troubles"]
    silent = (
        "ConnectTimeout" if own else "DNSError"
    )  # here the look-up's timeout is ours, and shorter than the server's
    expected = {"missing.test": ("DNSError", False), "broken.test": ("DNSError", True), "silent.test": (silent, True)}
    for host, error in expected.items():
        assert error == (troubles[host]["error"], troubles[host]["retryable"])
    assert troubles["slow.test"]["error"] is None
    assert troubles["slow.test"]["seconds"] >= 0.8
    assert found["tried"] >= 3  # while all of those waited
    assert found["together"] <= 1.1 * max(found["alone"], 0) + 0.02  # 20 ms for a machine that is shared
    assert found["worst"] < 0.4  # half of what the slow names take


def test_row_24_few_ports(network: StartNetwork, campaign_count: Callable[[int, int], int]) -> None:
    """Row 24: with 20 ports for 40 connections what finds none waits and tries again, and all files come."""
    count = campaign_count(100, 500)
    inside = network(ports=PORTS)
    given = {"connections": 40, "concurrency": 40, "retries": 30, "base": 0.05, "size": 20_000}
    reports = ask(inside, "fetched", host="127.0.0.1", addresses=["127.0.0.1"], count=count, **given)
    assert [None] * count == [report["error"] for report in reports]
    assert any(report["attempts"] > 1 for report in reports)  # there were too few ports
