"""The documents of the API: what is asked and answered, as values."""

from twisted_pulp.documents._cluster import Cluster, Engine, Node, PutAside
from twisted_pulp.documents._distributions import Distribution, DistributionChange, NewDistribution
from twisted_pulp.documents._downloads import Digests, NewDownload, NewDownloads
from twisted_pulp.documents._jobs import Item, Job, Priority
from twisted_pulp.documents._page import Page
from twisted_pulp.documents._problem import Fault, Problem
from twisted_pulp.documents._reading import InvalidDocument, read_document
from twisted_pulp.documents._remotes import NewRemote, Remote, RemoteChange
from twisted_pulp.documents._repositories import NewRepository, Repository, RepositoryChange, Unit, Version
from twisted_pulp.documents._service import Health, Readiness, Status, Storage
from twisted_pulp.documents._tokens import NewToken, Token, TokenSecret
from twisted_pulp.documents._work import NewCleanup, NewSchedule, NewSync, NewVerification, Schedule

__all__ = [
    "Cluster",
    "Digests",
    "Distribution",
    "DistributionChange",
    "Engine",
    "Fault",
    "Health",
    "InvalidDocument",
    "Item",
    "Job",
    "NewCleanup",
    "NewDistribution",
    "NewDownload",
    "NewDownloads",
    "NewRemote",
    "NewRepository",
    "NewSchedule",
    "NewSync",
    "NewToken",
    "NewVerification",
    "Node",
    "Page",
    "Priority",
    "Problem",
    "PutAside",
    "Readiness",
    "Remote",
    "RemoteChange",
    "Repository",
    "RepositoryChange",
    "Schedule",
    "Status",
    "Storage",
    "Token",
    "TokenSecret",
    "Unit",
    "Version",
    "read_document",
]
