"""aiohttp, on asyncio's own loop or on uvloop's."""

from __future__ import annotations

import asyncio
import ssl
import sys

import aiohttp

from benchmarks.peers.sink import Arguments, Sink, fsync_directory


async def _fetch(arguments: Arguments) -> None:
    trust = ssl.create_default_context(cafile=arguments.certificate) if arguments.certificate else True
    connector = aiohttp.TCPConnector(limit=arguments.jobs, ssl=trust)
    items = iter(arguments.items)

    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

        async def work() -> None:
            for item in items:
                async with session.get(item["url"], raise_for_status=True) as response:
                    sink = Sink(arguments.directory, item, arguments.fsync)
                    async for data in response.content.iter_any():
                        sink.write(data)
                    sink.close()

        await asyncio.gather(*(work() for _ in range(arguments.jobs)))
    if arguments.fsync:
        fsync_directory(arguments.directory)


def main() -> None:
    """Fetch the list."""
    if sys.argv[4:] == ["uvloop"]:
        import uvloop

        uvloop.run(_fetch(Arguments()))
    else:
        asyncio.run(_fetch(Arguments()))
