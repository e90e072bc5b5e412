"""What a fault proxy does to the bytes of one direction."""

from __future__ import annotations

import random

from attrs import define


@define(kw_only=True)
class Toxics:
    """
    Faults in one direction; all may be set, changed and taken back while bytes flow.

    Byte counts are per connection, and sizes of 0 are meant: ``reset_after=0`` resets before the first byte.

    :ivar latency: seconds from a byte's arrival to its departure, without limiting how many are under way
        (but those buffered count: up to 1 MiB per connection).
    :ivar jitter: up to so many seconds more or less, drawn for each piece; the order stays.
    :ivar bandwidth: bytes per second and connection, None for no limit.
    :ivar slice: bytes in a piece, None to leave pieces as they come.
    :ivar slice_delay: seconds between pieces.
    :ivar stall_after: after so many bytes nothing flows for *stall_for* seconds, once per connection;
        None for never.
    :ivar stall_for: seconds, or None to stall until *stall_after* is set to None.
    :ivar reset_after: RST both ways after so many bytes.
    :ivar reset_chance: probability that a connection, drawn when it begins, is reset like that
        at a byte drawn from *reset_between*.
    :ivar reset_between: the first and the last byte count to draw.
    :ivar truncate_after: FIN after so many bytes.
    :ivar close_delay: seconds from the end of the stream to the FIN that passes it on.
    """

    latency: float = 0
    jitter: float = 0
    bandwidth: float | None = None
    slice: int | None = None
    slice_delay: float = 0
    stall_after: int | None = None
    stall_for: float | None = None
    reset_after: int | None = None
    reset_chance: float = 0
    reset_between: tuple[int, int] = (0, 2**16)
    truncate_after: int | None = None
    close_delay: float = 0

    def clear(self) -> None:
        """Take every fault back."""
        self.__init__()  # type: ignore[misc]

    def departure(self, arrived: float, rng: random.Random) -> float:
        """Tell when a piece that *arrived* may go on."""
        return arrived + max(0, self.latency + self.jitter * rng.uniform(-1, 1))

    def drawn_reset(self, rng: random.Random) -> int | None:
        """Draw where a new connection is to be reset by chance."""
        return rng.randint(*self.reset_between) if rng.random() < self.reset_chance else None
