"""A program that stores what it is told to, and says what is stored: a line of JSON for each batch."""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_pulp.errors import PulpError
from twisted_pulp.interfaces import Adoption
from twisted_pulp.storage import DirectoryStorage

__all__ = ["bodies", "main"]

_BATCH = 10


def bodies(seed: int, count: int, largest: int) -> Iterator[bytes]:
    """Give *count* bodies of up to *largest* bytes."""
    rng = random.Random(seed)
    for number in range(count):
        yield b"%d-%d " % (seed, number) + rng.randbytes(rng.randrange(largest))


def say(**words: Any) -> None:
    """Write a line, at once."""
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


async def batch(storage: DirectoryStorage, some: list[bytes]) -> list[str | None]:
    """Adopt all of *some* but the last, which goes through a writer; return the errors' names."""
    files, errors = [], []
    for body in some[:-1]:
        digest = sha256(body).hexdigest()
        path = storage.temporary(digest)
        try:
            Path(path).write_bytes(body)
        except OSError as error:
            errors.append(f"test: {error.strerror}")
            Path(path).unlink(missing_ok=True)
            continue
        files.append(Adoption(path, digest, len(body)))
    adopted = await storage.adopt(files)
    say(stored=[file.sha256 for file, error in zip(files, adopted, strict=True) if error is None])
    errors += [type(error).__name__ for error in adopted if error is not None]
    error = await written(storage, some[-1])
    return [*errors, *([type(error).__name__] if error is not None else [])]


async def written(storage: DirectoryStorage, body: bytes) -> PulpError | None:
    """Bring *body* through a writer; return why that failed."""
    writer = storage.writer()
    try:
        for start in range(0, len(body), 65536):
            writer.write(body[start : start + 65536])
        done = writer.commit()
        if done is not None:
            await done
    except PulpError as error:
        aborted = writer.abort(error)
        if aborted is not None:
            await aborted
        return error
    say(stored=[writer.sha256])
    return None


async def keep(reactor: Any, given: dict[str, Any]) -> None:
    """Store everything, and once more after `filler` is removed, if there is one."""
    storage = await DirectoryStorage.open(reactor, given["root"], fsync=given["fsync"])
    found = await storage.recover()
    say(recovered=found.removed, kept=found.kept)
    while True:
        errors: list[str | None] = []
        wanted = list(bodies(given["seed"], given["count"], given["largest"]))
        for start in range(0, len(wanted), _BATCH):
            errors += await batch(storage, wanted[start : start + _BATCH])
        damaged = [sha async for sha, size, _ in storage.each() if await storage.check(sha, size) is not None]
        say(errors=errors, damaged=damaged, there=len(await storage.has([sha256(body).hexdigest() for body in wanted])))
        filler = given.get("filler")
        if not filler or not Path(filler).exists():
            break
        shutil.rmtree(filler)
    await storage.close()


def main() -> None:
    """Do what the first argument, JSON, says."""
    given = json.loads(sys.argv[1])
    react(lambda reactor: Deferred.fromCoroutine(keep(reactor, given)))
