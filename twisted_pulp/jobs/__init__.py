"""Durable work: jobs that survive whatever happens to the process, and what runs them."""

from twisted_pulp.catalog.items import Ended
from twisted_pulp.errors import ItemsFailed, JobError, JobNotFound, JobStateError, KeyConflict, LeaseLost, QueueFull
from twisted_pulp.jobs._broker import IBroker, LocalBroker
from twisted_pulp.jobs._downloads import DownloadKind
from twisted_pulp.jobs._draft import Draft
from twisted_pulp.jobs._jobs import Jobs
from twisted_pulp.jobs._kind import IJobKind, Unfinished
from twisted_pulp.jobs._retention import Retention
from twisted_pulp.jobs._scheduler import Schedule, Scheduler
from twisted_pulp.jobs._space import Space
from twisted_pulp.jobs._sync import SyncKind
from twisted_pulp.jobs._task import Task
from twisted_pulp.jobs._upkeep import CleanupKind, VerifyKind
from twisted_pulp.jobs._values import Item, ItemSpec, Job, Page, Submitted, Wanted
from twisted_pulp.jobs._worker import Worker

__all__ = [
    "CleanupKind",
    "DownloadKind",
    "Draft",
    "Ended",
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
    "Page",
    "QueueFull",
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
    "Worker",
]
