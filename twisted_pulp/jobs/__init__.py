"""Durable work: jobs that survive whatever happens to the process, and what runs them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from twisted_pulp.catalog.items import Ended
from twisted_pulp.errors import ItemsFailed, JobError, JobNotFound, JobStateError, KeyConflict, LeaseLost, QueueFull
from twisted_pulp.jobs._broker import DeadLetter, Delivery, Depth, IBroker
from twisted_pulp.jobs._broker_local import LocalBroker
from twisted_pulp.jobs._crew import Crew
from twisted_pulp.jobs._dead_letters import DeadLetters, Parked
from twisted_pulp.jobs._downloads import DownloadKind
from twisted_pulp.jobs._draft import Draft
from twisted_pulp.jobs._fetch import FetchKind
from twisted_pulp.jobs._jobs import Jobs
from twisted_pulp.jobs._kind import IJobKind, Unfinished
from twisted_pulp.jobs._nodes import Node, Nodes
from twisted_pulp.jobs._orders import Orders
from twisted_pulp.jobs._reminders import Reminders
from twisted_pulp.jobs._retention import Retention
from twisted_pulp.jobs._scheduler import Schedule, Scheduler
from twisted_pulp.jobs._space import Space
from twisted_pulp.jobs._sync import SyncKind
from twisted_pulp.jobs._task import Task
from twisted_pulp.jobs._upkeep import CleanupKind, VerifyKind
from twisted_pulp.jobs._values import Item, ItemSpec, Job, Page, Submitted, Wanted
from twisted_pulp.jobs._watch import Watch
from twisted_pulp.jobs._worker import Worker

if TYPE_CHECKING:
    from twisted_pulp.jobs._amqp import AMQPBroker

__all__ = [
    "AMQPBroker",
    "CleanupKind",
    "Crew",
    "DeadLetter",
    "DeadLetters",
    "Delivery",
    "Depth",
    "DownloadKind",
    "Draft",
    "Ended",
    "FetchKind",
    "IBroker",
    "IJobKind",
    "Item",
    "ItemSpec",
    "ItemsFailed",
    "Job",
    "JobError",
    "JobNotFound",
    "JobStateError",
    "Jobs",
    "KeyConflict",
    "LeaseLost",
    "LocalBroker",
    "Node",
    "Nodes",
    "Orders",
    "Page",
    "Parked",
    "QueueFull",
    "Reminders",
    "Retention",
    "Schedule",
    "Scheduler",
    "Space",
    "Submitted",
    "SyncKind",
    "Task",
    "Unfinished",
    "VerifyKind",
    "Wanted",
    "Watch",
    "Worker",
]

# Few have many machines.
_LATE = {"AMQPBroker": "_amqp"}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    return value
