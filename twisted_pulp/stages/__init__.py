"""Declarative sync: stages that run at once, and the channels between them."""

from twisted_pulp.stages._budget import Admission, Budget
from twisted_pulp.stages._channel import Channel
from twisted_pulp.stages._declarative import Content, DeclarativeArtifact, DeclarativeContent
from twisted_pulp.stages._pipeline import Pipeline
from twisted_pulp.stages._progress import Progress, ProgressReport
from twisted_pulp.stages._stage import Stage

__all__ = [
    "Admission",
    "Budget",
    "Channel",
    "Content",
    "DeclarativeArtifact",
    "DeclarativeContent",
    "Pipeline",
    "Progress",
    "ProgressReport",
    "Stage",
]
