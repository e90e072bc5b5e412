"""Serve artifacts to clients over HTTP."""

from __future__ import annotations

__all__: list[str] = []
