"""Tell twistd of `twistd pulpdownloader`."""

from twisted.application.service import ServiceMaker

pulpdownloader = ServiceMaker(
    "pulpdownloader",
    "twisted_pulp.service",
    "Download a list of files, verified and resumed.",
    "pulpdownloader",
)
