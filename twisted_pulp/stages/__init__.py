"""Declarative sync: stages that run at once, and the channels between them."""

from twisted_pulp.stages._association import ContentAssociation, ResolveContents
from twisted_pulp.stages._budget import Admission, Budget
from twisted_pulp.stages._changeset import ChangeReport, ChangeSet
from twisted_pulp.stages._channel import Channel
from twisted_pulp.stages._contents import ContentSaver, SourceSaver
from twisted_pulp.stages._declarative import Content, DeclarativeArtifact, DeclarativeContent
from twisted_pulp.stages._downloader import ArtifactDownloader
from twisted_pulp.stages._existing import QueryExistingArtifacts, QueryExistingContents
from twisted_pulp.stages._pipeline import Pipeline
from twisted_pulp.stages._progress import Progress, ProgressReport
from twisted_pulp.stages._saver import ArtifactSaver
from twisted_pulp.stages._stage import Stage
from twisted_pulp.stages._sync import FailedUnit, Sync
from twisted_pulp.stages._version import DeclarativeVersion

__all__ = [
    "Admission",
    "ArtifactDownloader",
    "ArtifactSaver",
    "Budget",
    "ChangeReport",
    "ChangeSet",
    "Channel",
    "Content",
    "ContentAssociation",
    "ContentSaver",
    "DeclarativeArtifact",
    "DeclarativeContent",
    "DeclarativeVersion",
    "FailedUnit",
    "Pipeline",
    "Progress",
    "ProgressReport",
    "QueryExistingArtifacts",
    "QueryExistingContents",
    "ResolveContents",
    "SourceSaver",
    "Stage",
    "Sync",
]
