"""pycurl's multi interface."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pycurl

from benchmarks.peers.sink import Arguments, Sink

_READ = 512 << 10  # the most that libcurl reads at once


def main() -> None:
    """Fetch the list."""
    arguments = Arguments()
    items, multi = iter(arguments.items), pycurl.CurlMulti()
    sinks: dict[Any, Sink] = {}
    for _ in range(arguments.jobs):
        handle = pycurl.Curl()
        handle.setopt(pycurl.BUFFERSIZE, _READ)
        handle.setopt(pycurl.FAILONERROR, 1)
        if arguments.certificate:
            handle.setopt(pycurl.CAINFO, arguments.certificate)
        _start(multi, handle, items, sinks, arguments.directory)
    while sinks:
        while multi.perform()[0] == pycurl.E_CALL_MULTI_PERFORM:
            pass
        for handle in _finished(multi):
            sinks.pop(handle).close()
            multi.remove_handle(handle)
            _start(multi, handle, items, sinks, arguments.directory)
        if sinks:
            multi.select(1.0)


def _start(multi: Any, handle: Any, items: Iterator[dict[str, Any]], sinks: dict[Any, Sink], directory: str) -> None:
    item = next(items, None)
    if item is None:
        return
    sinks[handle] = Sink(directory, item)
    handle.setopt(pycurl.URL, item["url"])
    handle.setopt(pycurl.WRITEFUNCTION, sinks[handle].write)
    multi.add_handle(handle)


def _finished(multi: Any) -> Iterator[Any]:
    queued = 1
    while queued:
        queued, succeeded, failed = multi.info_read()
        if failed:
            raise SystemExit(str(failed[0][1:]))
        yield from succeeded
