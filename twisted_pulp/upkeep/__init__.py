"""Upkeep of what is kept: the data directory, verification and repair, cleanup."""

from twisted_pulp.upkeep._cleanup import Cleaned, Cleanup
from twisted_pulp.upkeep._directory import DataDirectory
from twisted_pulp.upkeep._lock import WriterLock
from twisted_pulp.upkeep._paces import KeptPaces
from twisted_pulp.upkeep._repair import Repair
from twisted_pulp.upkeep._verification import Damage, Unrepairable, Verification, Verified

__all__ = [
    "Cleaned",
    "Cleanup",
    "Damage",
    "DataDirectory",
    "KeptPaces",
    "Repair",
    "Unrepairable",
    "Verification",
    "Verified",
    "WriterLock",
]
