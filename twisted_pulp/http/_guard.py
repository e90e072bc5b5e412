"""Where connections may not go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from twisted_pulp.errors import BlockedAddress

if TYPE_CHECKING:
    from twisted_pulp.http._resolver import Address
    from twisted_pulp.settings import AddressPolicy
    from twisted_pulp.urls import Origin

__all__ = ["Guard"]


class Guard:
    """
    Keep connections away from what a policy blocks. What is asked counts at that moment: policies change.

    The words of its errors never hold an address that was looked up: who asks is not to learn of names inside.

    :param policy: returns the policy that holds now.
    :param trusted: whether a policy lets these connections go anywhere; default: none does.
    """

    def __init__(
        self, policy: Callable[[], AddressPolicy], trusted: Callable[[AddressPolicy], bool] = lambda _: False
    ) -> None:
        self._policy, self._trusted = policy, trusted

    @property
    def policy(self) -> AddressPolicy:
        """The policy that holds now."""
        return self._policy()

    def to_proxy(self, origin: Origin) -> Guard:
        """Return the guard of connections to a proxy, which the policy may trust."""
        return Guard(self._policy, lambda policy: policy.trusts_proxy(origin))

    def check_host(self, host: str, port: int, servers: Iterable[tuple[str, int]] = ()) -> None:
        """
        Check *host* as it is written, and the name *servers* that would be asked for it.

        :raises BlockedAddress: when no connection to it may be made.
        """
        policy = self._policy()
        if self._trusted(policy):
            return
        why = policy.refusal(host, port)
        for server in servers:
            why = why or policy.name_server_blocked(*server)
        if why is not None:
            raise BlockedAddress(detail=why)

    def checked(self, host: str, addresses: Sequence[Address]) -> Sequence[Address]:
        """
        Return those of the *addresses* of *host* that may be connected to: one that is blocked blocks all.

        Only localhost is known to be both 127.0.0.1 and ::1, of which one may do.

        :raises BlockedAddress: when one is blocked.
        """
        policy = self._policy()
        if self._trusted(policy):
            return addresses
        fine, why = [], None
        for address in addresses:
            blocked = policy.blocked(address.host, address.port)
            if blocked is None:
                fine.append(address)
            else:
                why = why or _without(blocked, address, host)
        if why is not None and not (fine and host.rstrip(".") == "localhost"):
            raise BlockedAddress(detail=why)
        return fine

    def check_peer(self, transport: Any) -> None:
        """
        Check where *transport* is connected to, as the system has it.

        :raises BlockedAddress: when that is blocked.
        """
        policy = self._policy()
        if self._trusted(policy):
            return
        peer, own = _ends(transport)
        if peer is not None and policy.blocked(*peer, here=peer[0] == own) is not None:
            raise BlockedAddress(detail="the connection led to an address that the policy blocks")


def _without(why: str, address: Address, host: str) -> str:
    if address.host == host or address.host not in why:
        return why
    return f"the policy blocks an address of {host}"


def _ends(transport: Any) -> tuple[tuple[str, int] | None, str | None]:
    """Return address and port of the peer, and our own address; None for what is gone already."""
    try:
        socket = transport.getHandle()  # the transport itself only knows whom it called
        peer, own = socket.getpeername(), socket.getsockname()
    except OSError:
        return None, None
    return (peer[0], peer[1]), own[0]
