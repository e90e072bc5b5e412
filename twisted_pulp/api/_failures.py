"""Who failed how often in the last minute."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from math import ceil

__all__ = ["Failures"]

_WINDOW = 60.0
#: Addresses that are remembered; those that failed longest ago go first.
_ADDRESSES = 10_000


class Failures:
    """
    Count failures by address: of a minute, and no more than are allowed.

    :param seconds: tells how time goes by.
    :param most: allowed in a minute.
    """

    def __init__(self, seconds: Callable[[], float], most: int) -> None:
        self._seconds, self._most = seconds, most
        self._by_network: OrderedDict[str, deque[float]] = OrderedDict()

    def wait(self, address: str) -> int:
        """Return for how many seconds *address* must wait; 0: not at all."""
        times = self._by_network.get(_network(address))
        if times is None or len(times) < self._most:
            return 0
        return max(0, ceil(times[0] + _WINDOW - self._seconds()))

    def add(self, address: str) -> None:
        """Count a failure of *address*."""
        network = _network(address)
        times = self._by_network.setdefault(network, deque(maxlen=self._most))
        times.append(self._seconds())
        self._by_network.move_to_end(network)
        while len(self._by_network) > _ADDRESSES:
            self._by_network.popitem(last=False)


def _network(address: str) -> str:
    """Return what somebody has who has this address: of IPv6, a network of 64 bits."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or found.packed[:8].hex())
