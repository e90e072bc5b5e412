"""Schedules: work again and again."""

from __future__ import annotations

from twisted_pulp.api._route import Route

__all__ = ["ROUTES"]

ROUTES: tuple[Route, ...] = ()
