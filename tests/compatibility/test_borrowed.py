"""
Twisted's and treq's own tests, over ours.

Each module beside this one runs in trial, which needs a reactor of its own, in another process. What is excluded there
has its reason there.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_CLASS = re.compile(r"^  (\w+)$").fullmatch
_TEST = re.compile(r"^    (test_\w+) \.\.\.\s+\[(\w+)\]$").fullmatch

#: module, class: how many of its tests pass. One more test of Twisted's is skipped: it wants pyOpenSSL to be missing.
PASSING = {
    ("agents", "AgentTests"): 33,
    ("agents", "AgentHTTPSTests"): 10,
    ("agents", "AgentMethodInjectionTests"): 3,
    ("agents", "AgentURIInjectionTests"): 6,
    ("agents", "CookieAgentTests"): 8,
    ("agents", "ContentDecoderAgentTests"): 6,
    ("agents", "ContentDecoderAgentWithGzipTests"): 4,
    ("agents", "ProxyAgentTests"): 5,
    ("agents", "RedirectAgentTests"): 20,
    ("agents", "BrowserLikeRedirectAgentTests"): 20,
    ("agents", "HTTPConnectionPoolTests"): 11,
    ("agents", "HTTPConnectionPoolRetryTests"): 12,
    ("agents", "CookieJarTests"): 2,
    ("agents", "ReadBodyTests"): 6,
    ("agents", "FileBodyProducerTests"): 12,
    ("agents", "HostnameCachingHTTPSPolicyTests"): 3,
    ("agents", "WebClientContextFactoryTests"): 3,
    ("agents", "RequestMethodInjectionTests"): 3,
    ("agents", "RequestURIInjectionTests"): 6,
    ("agents", "RequestWriteToMethodInjectionTests"): 3,
    ("agents", "RequestWriteToURIInjectionTests"): 6,
    ("stock_agent", "AgentTests"): 33,
    ("stock_agent", "AgentHTTPSTests"): 10,
    ("stock_agent", "AgentMethodInjectionTests"): 3,
    ("stock_agent", "AgentURIInjectionTests"): 6,
    ("stock_agent", "CookieAgentTests"): 8,
    ("stock_agent", "ContentDecoderAgentTests"): 6,
    ("stock_agent", "ContentDecoderAgentWithGzipTests"): 4,
    ("stock_agent", "ProxyAgentTests"): 5,
    ("stock_agent", "RedirectAgentTests"): 20,
    ("stock_agent", "BrowserLikeRedirectAgentTests"): 20,
    ("connections", "HTTP11ClientProtocolTests"): 26,
    ("treq_integration", "HTTPAgentTests"): 22,
    ("treq_integration", "HTTPSAgentTests"): 22,
    ("treq_integration", "StockHTTPAgentTests"): 22,
    ("treq_integration", "StockHTTPSAgentTests"): 22,
}


@functools.cache
def outcomes(module: str) -> dict[str, dict[str, str]]:
    """Run *module* in trial and return what became of each test, by class."""
    with tempfile.TemporaryDirectory() as directory:
        result = subprocess.run(
            [sys.executable, "-m", "twisted.trial", "--temp-directory", f"{directory}/t", f"{__package__}.{module}"],
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": f"{_HERE / 'stand_in'}{os.pathsep}{_ROOT}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    found: dict[str, dict[str, str]] = {}
    for line in result.stdout.splitlines():
        if match := _CLASS(line):
            case = found.setdefault(match[1], {})
        elif match := _TEST(line):
            case[match[1]] = match[2]
    assert 0 == result.returncode, result.stdout[-20_000:] + result.stderr[-2_000:]
    return found


@pytest.mark.parametrize(("module", "case"), PASSING)
def test_borrowed(module: str, case: str) -> None:
    """Every test that was borrowed passes, and none has got lost."""
    found = outcomes(module)[case]
    assert PASSING[module, case] == sum(outcome == "OK" for outcome in found.values())
    assert {"OK", "SKIPPED"} >= set(found.values())


def test_all_asked_for() -> None:
    """No class of the borrowed modules is left out above."""
    modules = {module for module, _ in PASSING}
    assert set(PASSING) == {(module, case) for module in modules for case in outcomes(module)}
