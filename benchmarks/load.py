"""A process that asks a server for what its input says, over many connections, and prints what that took."""

from __future__ import annotations

import itertools
import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

_BUFFER = 1 << 20
#: Seconds without any byte after which it gives up.
_PATIENCE = 120.0
_Item = tuple[str, str, int]


class Fault(Exception):
    """The server did not give what it should."""


class _Connection:
    """
    One keep-alive connection.

    :param items: what it asks for, one after the other; a path, the digest in hex and the size of each.
    :param check: whether digests are looked at; sizes always are.
    """

    def __init__(self, address: tuple[str, int], items: Iterator[_Item], *, check: bool) -> None:
        self._items, self._check = items, check
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._host = f"{address[0]}:{address[1]}"
        self._head = b""
        self._left = -1  # of the body; -1 while the head comes
        self._item: _Item = ("", "", 0)
        self.requests = self.bytes = 0

    def ask(self) -> bool:
        """Send the next request; return whether there was one."""
        item = next(self._items, None)
        if item is None:
            return False
        self._item, self._left, self._head = item, -1, b""
        self._digest = sha256() if self._check else None
        # So short a request always fits what the socket holds.
        self.socket.send(f"GET {item[0]} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        return True

    def take(self, data: memoryview) -> bool:
        """Take what came; return whether the response is complete."""
        if not data:
            raise Fault(f"{self._item[0]}: the connection was closed, {self._left} bytes were missing")
        if self._left < 0:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return False
            self._left = self._length(self._head[:end])
            data = memoryview(self._head)[end + 4 :]
        self._left -= len(data)
        self.bytes += len(data)
        if self._digest is not None:
            self._digest.update(data)
        if self._left > 0:
            return False
        if self._left or (self._digest is not None and self._digest.hexdigest() != self._item[1]):
            raise Fault(f"{self._item[0]}: other bytes came")
        self.requests += 1
        return True

    def _length(self, head: bytes) -> int:
        lines = head.split(b"\r\n")
        lengths = [int(line[15:]) for line in lines if line[:15].lower() == b"content-length:"]
        if lines[0][9:12] != b"200" or lengths != [self._item[2]]:
            raise Fault(f"{self._item[0]}: {lines[0].decode('latin-1')}, of {lengths} bytes and not {self._item[2]}")
        return lengths[0]


def _items(order: dict[str, Any]) -> Iterator[Iterator[_Item]]:
    """Yield what each connection asks for."""
    items: list[_Item] = [(path, digest, size) for path, digest, size in order["items"]]
    if order["how"] == "all":  # every connection asks for everything
        while True:
            yield iter(items)
    shared = iter(items) if order["how"] == "each" else _until(items, order["seconds"])
    while True:
        yield shared


def _until(items: list[_Item], seconds: float) -> Iterator[_Item]:
    end = time.monotonic() + seconds
    for item in itertools.cycle(items):
        if time.monotonic() >= end:
            return
        yield item


def run(order: dict[str, Any]) -> tuple[dict[str, float], list[_Connection]]:
    """
    Do what *order* says.

    :raises Fault: when the server gives anything else.
    """
    address, own = (order["host"], order["port"]), _items(order)
    connections = [
        _Connection(address, next(own), check=number < order["check"]) for number in range(order["connections"])
    ]
    began, cpu = time.monotonic(), time.process_time()
    with selectors.DefaultSelector() as selector:
        for each in connections:
            if each.ask():
                selector.register(each.socket, selectors.EVENT_READ, each)
        _serve(selector)
    seconds = time.monotonic() - began
    done = {"requests": sum(each.requests for each in connections), "bytes": sum(each.bytes for each in connections)}
    return {**done, "seconds": seconds, "cpu": time.process_time() - cpu}, connections


def _serve(selector: selectors.BaseSelector) -> None:
    buffer = bytearray(_BUFFER)
    view = memoryview(buffer)
    while selector.get_map():
        ready = selector.select(_PATIENCE)
        if not ready:
            raise Fault(f"nothing came for {_PATIENCE:g} s")
        for key, _ in ready:
            connection: _Connection = key.data
            count = connection.socket.recv_into(buffer)
            if connection.take(view[:count]) and not connection.ask():
                selector.unregister(connection.socket)


def main() -> int:
    """Read the order, print what it took as JSON, and stay connected until the input ends."""
    try:
        took, connections = run(json.loads(sys.stdin.readline()))
    except (Fault, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(took), flush=True)
    sys.stdin.read()
    for each in connections:
        each.socket.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
