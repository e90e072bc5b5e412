"""Numbers that bound a download: timeouts, limits, retries."""

from __future__ import annotations

import math
from typing import Any

from attrs import NOTHING, Attribute, field, frozen

from twisted_pulp.errors import SettingsError
from twisted_pulp.settings._fields import flag

__all__ = ["Limits", "Retry", "Timeouts"]


def number(
    default: Any = NOTHING,
    *,
    low: float = 0.0,
    high: float = math.inf,
    zero: bool = False,
    none: bool = False,
    whole: bool = False,
    unit: str | None = None,
) -> Any:
    """
    Return a field that holds a number; 0 only if *zero*, None ("no limit") only if *none*.

    :param unit: "seconds" or "bytes", where texts may also have these by a letter, as "1h" and "8M"; default None.
    """
    words = f"{'a whole number' if whole else 'a number'} {'from' if zero or low else 'above'} {low:g}"
    if high < math.inf:
        words += f" to {high:g}"
    if none:
        words += ", or none for no limit"

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if value is None and none:
            return
        kinds = (int,) if whole else (int, float)
        right = isinstance(value, kinds) and not isinstance(value, bool)
        if not right or not low <= value <= high or math.isnan(value) or (value == 0 and not zero):  # type: ignore[operator,arg-type]
            raise SettingsError(attribute.name, value, words)

    return field(default=default, validator=check, metadata={"unit": unit})


@frozen(kw_only=True)
class Timeouts:
    """
    How long silence may last, in seconds. None is no limit; 0 is refused.

    :ivar connect: until a connection is ready for a request: name, TCP and TLS together; default 15.
    :ivar dns: for the name's addresses, within `connect`; default None.
    :ivar tcp: for each address that is tried, within `connect`; default None.
    :ivar tls: for the TLS handshake, within `connect`; default None.
    :ivar headers: from the request to the end of the response's headers; default 60.
    :ivar idle: between two reads of a body; default 60. Time in which we ourselves do not read does not count.
    :ivar low_speed: bytes a second, on average over `low_speed_time`; slower is given up; default 1024.
    :ivar low_speed_time: seconds; default 30.
    :ivar total: for the whole download with its retries and waits; default None.
    :ivar hook: for the Deferred of a hook or validator; default 30.
    """

    connect: float | None = number(15.0, none=True)
    dns: float | None = number(None, none=True)
    tcp: float | None = number(None, none=True)
    tls: float | None = number(None, none=True)
    headers: float | None = number(60.0, none=True)
    idle: float | None = number(60.0, none=True)
    low_speed: float | None = number(1024.0, none=True)
    low_speed_time: float = number(30.0)
    total: float | None = number(None, none=True)
    hook: float | None = number(30.0, none=True)


@frozen(kw_only=True)
class Limits:
    """
    How much there may be. None is no limit.

    :ivar connections: connections of this Remote at once; default None: only the caps of the Context hold.
    :ivar max_size: bytes of a file, where none is expected; default 16 GiB.
    :ivar max_metadata_size: bytes of a decoded body of `Downloader.http`; default 64 MiB.
    :ivar redirects: redirects followed for one request; default 20, 0 follows none.
    :ivar requests_per_second: requests of this Remote, retries, redirects and segments too; default None.
    :ivar bytes_per_second: bytes of bodies that this Remote receives; default None. Remotes with the same `url` share
        these four limits; `Context.rates` changes them while downloads run.
    :ivar host_requests_per_second: as `requests_per_second`, for each host of this Remote; default None.
    :ivar host_bytes_per_second: as `bytes_per_second`, for each host of this Remote; default None.
    :ivar adaptive: whether the connections to a host that answers 429, 503 or not in time become fewer for a while;
        default true.
    :ivar segments: ranges of one file that are fetched at once, where the server allows it; default 1: one stream.
    :ivar segment_size: bytes below which a range is not divided; default 8 MiB.
    """

    connections: int | None = number(None, low=1, none=True, whole=True)
    max_size: int | None = number(16 << 30, zero=True, none=True, whole=True)
    max_metadata_size: int | None = number(64 << 20, zero=True, none=True, whole=True)
    redirects: int = number(20, zero=True, high=1000, whole=True)
    requests_per_second: float | None = number(None, none=True)
    bytes_per_second: float | None = number(None, none=True)
    host_requests_per_second: float | None = number(None, none=True)
    host_bytes_per_second: float | None = number(None, none=True)
    adaptive: bool = flag(True)
    segments: int = number(1, low=1, high=64, whole=True)
    segment_size: int = number(8 << 20, low=64 << 10, whole=True)


@frozen(kw_only=True)
class Retry:
    """
    When a download is tried again. Only GET and HEAD are.

    :ivar retries: tries after the first, over all sources that may be retried; default 3. 0 is one try of each source.
    :ivar base: seconds; the first wait is a random time up to this; default 1.
    :ivar factor: each further wait may be longer by this factor; default 2.
    :ivar cap: seconds a wait may reach; default 120.
    :ivar retry_after: the longest Retry-After in seconds that is waited for; default 300, at most 6 h.
    """

    retries: int = number(3, zero=True, high=1000, whole=True)
    base: float = number(1.0, zero=True)
    factor: float = number(2.0, low=1)
    cap: float = number(120.0, zero=True)
    retry_after: float = number(300.0, zero=True, high=21600)
