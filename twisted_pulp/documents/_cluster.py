"""The nodes of a cluster, and what they share."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

__all__ = ["Cluster", "Engine", "Node", "PutAside"]


@frozen(kw_only=True)
class Node:
    """
    A process that shares the catalog.

    :ivar name: no other's.
    :ivar host: name of its machine.
    :ivar pid: number of its process.
    :ivar version: of the program.
    :ivar roles: what it does: `api`, `worker`, `content`.
    :ivar urls: where it listens.
    :ivar started: when it was, in seconds since the epoch by its own clock.
    :ivar seen: when it said last that it lives, as *started*.
    :ivar alive: whether it has said so of late.
    :ivar figures: `ready`, 1 or 0; `jobs` and `downloads` that run; `slots` for jobs; `bytes_per_second` that come;
        `connections` to upstreams; bytes of `memory`.
    """

    name: str
    host: str
    pid: int
    version: str
    roles: tuple[str, ...]
    urls: tuple[str, ...]
    started: float
    seen: float
    alive: bool
    figures: Mapping[str, float]


@frozen(kw_only=True)
class Engine:
    """
    What the nodes share something in.

    :ivar kind: as `sqlite`, `postgresql`, `local`, `amqp`, `directory` or `s3`.
    :ivar url: where it is, without secrets; null: in the process or its data directory.
    :ivar connected: whether the node that answers reaches it.
    """

    kind: str
    url: str | None
    connected: bool


@frozen(kw_only=True)
class Cluster:
    """
    The nodes, and what they share.

    :ivar nodes: by their names.
    :ivar roles: how many nodes that live there are for each.
    :ivar figures: those of all nodes together, as far as they have said them of late.
    :ivar jobs: how many there are in each state.
    :ivar database: where the catalog is.
    :ivar broker: what hands out work.
    :ivar storage: where the bytes are.
    """

    nodes: tuple[Node, ...]
    roles: Mapping[str, int]
    figures: Mapping[str, float]
    jobs: Mapping[str, int]
    database: Engine
    broker: Engine
    storage: Engine


@frozen(kw_only=True)
class PutAside:
    """
    A message of the broker's that was put aside.

    :ivar id: of the job that it names.
    :ivar count: how often it was given out; 0: the job was given up after too many failures.
    :ivar state: of the job; null: there is none.
    :ivar error: why the job failed; null: it has not.
    """

    id: str
    count: int
    state: str | None
    error: str | None
