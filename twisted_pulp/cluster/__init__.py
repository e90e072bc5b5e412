"""What processes on one catalog share beside it: who fetches what, and how many connections to a host each may have."""

from twisted_pulp.cluster._claims import Claims
from twisted_pulp.cluster._shares import Shares

__all__ = ["Claims", "Shares"]
