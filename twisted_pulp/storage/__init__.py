"""Bytes at rest, known by their digests."""

__all__: list[str] = []
