"""A repository of RPM packages, made with its own tools."""

from __future__ import annotations

from pathlib import Path

from tests.integration.clients.running import Run
from tests.servers.programs import require

__all__ = ["publish"]

_SPEC = """\
Name: {name}
Version: 1.0
Release: 1
Summary: made for a test
License: MIT
BuildArch: noarch
{requires}
%description
Made for a test.
%install
mkdir -p %{{buildroot}}/opt
echo {name} > %{{buildroot}}/opt/{name}
%files
/opt/{name}
"""


async def publish(run: Run, root: Path) -> None:
    """Make a repository below *root* that has `whole`, which needs `part`."""
    for name, requires in (("whole", "Requires: part"), ("part", "")):
        spec = root.parent / f"{name}.spec"
        spec.write_text(_SPEC.format(name=name, requires=requires))
        options = ("--define", f"_topdir {root.parent}/rpmbuild", "--define", f"_rpmdir {root}/packages")
        ended = await run(require("rpmbuild"), "-bb", *options, spec)
        assert 0 == ended.status, ended.text
    ended = await run(require("createrepo_c"), "--no-database", root)
    assert 0 == ended.status, ended.text
