"""Which key the secrets of a catalog are sealed with; of the key itself it tells nothing."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select
from sqlalchemy import insert as insert_into
from sqlalchemy import update as update_of
from sqlalchemy.exc import IntegrityError

from twisted_pulp.catalog._cluster_tables import seal
from twisted_pulp.catalog._job_tables import item
from twisted_pulp.catalog._tables import remote

__all__ = ["agreed", "renewed", "sealed"]

_ONLY = 1


def agreed(connection: Connection, marks: Sequence[str]) -> bool:
    """
    Return whether what is sealed is sealed with a key of ours; the first that asks says which one it is.

    :param marks: of our keys: the first seals.
    """
    known = connection.scalar(select(seal.c.mark))
    if known is None:
        try:
            with connection.begin_nested():
                connection.execute(insert_into(seal).values(id=_ONLY, mark=marks[0]))
        except IntegrityError:  # somebody else was quicker
            known = connection.scalar(select(seal.c.mark))
        else:
            return True
    if known not in marks:
        return False
    # With a new key before the old one that is the one from now on: the old one may go when all nodes have it.
    if known != marks[0]:
        connection.execute(update_of(seal).values(mark=marks[0]))
    return True


def renewed(connection: Connection, marks: Sequence[str]) -> bool:
    """
    Take another key than the one that was agreed upon, unless something is sealed; return whether that was done.

    :param marks: of our keys: the first seals.
    """
    if sealed(connection):
        return False
    connection.execute(update_of(seal).values(mark=marks[0]))
    return True


def sealed(connection: Connection) -> bool:
    """Return whether something is sealed that is to be kept."""
    secrets = (
        select(remote.c.id).where(remote.c.secrets.is_not(None)),
        select(item.c.number).where(item.c.secret.is_not(None)),
    )
    return any(connection.execute(each.limit(1)).first() is not None for each in secrets)
