"""
A network of one's own: loopback, firewall rules, hosts and name servers that no other process sees.

It needs root and the kernel's leave; where that is not given the test skips, under CI too.
What is to use the network runs in a process of its own::

    with Network.made(hosts={"many.test": ["127.0.0.2", "127.0.0.3"]}, rules=[drop(address="127.0.0.2")]) as network:
        output = network.python("...")
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from attrs import frozen

from tests.servers.programs import require, search_path

_ROOT = Path(__file__).resolve().parents[2]
_numbers = itertools.count()
# Adding what is there already does nothing. Packets are lost on arrival: what is dropped on its way out is no loss to
# the kernel but an error of the sender.
_TABLE = """\
add table inet faults
add chain inet faults arriving { type filter hook input priority 0; policy accept; }
"""


def drop(address: str | None = None, port: int | None = None, share: float = 1, syn: bool = False) -> str:
    """
    Write a rule that loses packets.

    :param address: only those to this IPv4 or IPv6 address.
    :param port: only those to this TCP port.
    :param share: only this share of them, at random.
    :param syn: only those that ask for a connection.
    """
    words = []
    if address is not None:
        words.append(f"{'ip6' if ':' in address else 'ip'} daddr {address}")
    if port is not None:
        words.append(f"tcp dport {port}")
    if syn:
        words.append("tcp flags & (syn | ack) == syn")
    if share < 1:
        words.append(f"numgen random mod 1000 < {round(share * 1000)}")
    return " ".join([*words, "drop"])


@frozen
class Network:
    """A network namespace; make it by `made`."""

    name: str

    @classmethod
    @contextlib.contextmanager
    def made(
        cls,
        rules: Sequence[str] = (),
        addresses: Sequence[str] = (),
        hosts: Mapping[str, Sequence[str]] | None = None,
        nameserver: str | None = None,
        ports: tuple[int, int] | None = None,
    ) -> Iterator[Network]:
        """
        Make a network and remove it afterwards.

        :param rules: nftables rules for arriving packets, as `drop` writes them.
        :param addresses: given to the loopback besides 127.0.0.0/8 and ::1.
        :param hosts: addresses of names, for ``/etc/hosts``; localhost is there anyway.
        :param nameserver: address of the only name server, for ``/etc/resolv.conf``; port 53 is meant.
        :param ports: the first and last port for connections going out.
        """
        if sys.platform != "linux" or os.getuid() != 0:
            pytest.skip("a network of one's own needs Linux and root")
        require("ip")
        if rules:
            require("nft")
        network = cls(f"pulp-{os.getpid()}-{next(_numbers)}")
        network._add()
        try:
            network._set_up(addresses, rules, ports)
            network._write(hosts, nameserver)
            yield network
        finally:
            shutil.rmtree(network._etc, ignore_errors=True)
            subprocess.run([require("ip"), "netns", "delete", network.name], check=True, capture_output=True)

    def run(self, *command: str, timeout: float = 60, stdin: str | None = None) -> str:
        """
        Run a command in this network and give what it wrote to stdout.

        :raises AssertionError: when it fails or takes longer than *timeout* seconds, with what it wrote to stderr.
        """
        command = (require("ip"), "netns", "exec", self.name, *command)
        environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PATH": search_path()}
        try:
            done = subprocess.run(
                command, input=stdin, capture_output=True, text=True, timeout=timeout, env=environment, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{command} took over {timeout} s: {error.stderr!r}") from error
        if done.returncode:
            raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def python(self, code: str, *arguments: str, timeout: float = 60) -> str:
        """Run Python *code* in this network, with the project and its tests importable; see `run`."""
        return self.run(sys.executable, "-c", code, *arguments, timeout=timeout)

    def add_rule(self, rule: str) -> None:
        """Add a rule; see `drop`."""
        self.run("nft", "-f", "-", stdin=f"{_TABLE}add rule inet faults arriving {rule}\n")

    def clear_rules(self) -> None:
        """Let everything through again."""
        self.run("nft", "-f", "-", stdin=f"{_TABLE}flush chain inet faults arriving\n")

    @property
    def _etc(self) -> Path:
        return Path("/etc/netns") / self.name

    def _add(self) -> None:
        made = subprocess.run([require("ip"), "netns", "add", self.name], capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"a network of one's own is not permitted here: {made.stderr.strip()}")

    def _set_up(self, addresses: Sequence[str], rules: Sequence[str], ports: tuple[int, int] | None) -> None:
        self.run("ip", "link", "set", "lo", "up")
        for address in addresses:
            self.run("ip", "address", "add", address, "dev", "lo")
        for rule in rules:
            self.add_rule(rule)
        if ports is not None:
            self.run("sh", "-c", f"echo {ports[0]} {ports[1]} > /proc/sys/net/ipv4/ip_local_port_range")

    def _write(self, hosts: Mapping[str, Sequence[str]] | None, nameserver: str | None) -> None:
        if hosts is None and nameserver is None:
            return
        self._etc.mkdir(parents=True)
        known = {"localhost": ["127.0.0.1", "::1"], **(hosts or {})}
        lines = [f"{address} {name}\n" for name, addresses in known.items() for address in addresses]
        (self._etc / "hosts").write_text("".join(lines))
        order = "files dns" if nameserver is not None else "files"
        (self._etc / "nsswitch.conf").write_text(f"hosts: {order}\n")
        if nameserver is not None:
            (self._etc / "resolv.conf").write_text(f"nameserver {nameserver}\noptions timeout:1 attempts:1\n")
