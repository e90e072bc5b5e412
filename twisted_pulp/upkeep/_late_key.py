"""The key of a data directory, read or made when a secret first asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from attrs import define

from twisted_pulp.catalog import Key

__all__ = ["LateKey"]


@define(eq=False, slots=False)
class LateKey:
    """
    A `Key` as the catalog asks for one. Most upstreams have no secrets, and to import what seals them takes time.

    :ivar path: of its file.
    """

    path: str

    @cached_property
    def _key(self) -> Key:
        return Key.open(self.path)

    def seal(self, secrets: Mapping[str, object]) -> bytes:
        """Return *secrets*, plain data, sealed."""
        return self._key.seal(secrets)

    def unseal(self, sealed: bytes) -> dict[str, object]:
        """Return what was sealed."""
        return self._key.unseal(sealed)
