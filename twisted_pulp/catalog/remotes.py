"""Remotes: how upstreams are reached, under names; what is secret is sealed, and comes back only to reach them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen
from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from twisted_pulp.catalog import _tables
from twisted_pulp.catalog._key import Key
from twisted_pulp.catalog._secrets import joined, parted
from twisted_pulp.errors import KeyRefused, NameTaken, NotInCatalog
from twisted_pulp.settings import Remote

__all__ = ["RemoteRow", "create", "delete_remote", "get", "list_remotes", "reach", "update_remote"]
