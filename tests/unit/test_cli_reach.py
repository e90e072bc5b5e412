"""Options that say how an upstream is reached: each arrives in the Remote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from twisted_pulp.cli._options import GetOptions
from twisted_pulp.cli._program import program, run_program
from twisted_pulp.cli._reach import _OPTIONS
from twisted_pulp.settings import Remote

URL = "http://example.org/a"


def remote_of(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Remote:
    """Return the Remote that `get` with *arguments* makes."""
    from twisted_pulp.cli._wishes import Wishes

    seen: list[GetOptions] = []
    monkeypatch.setattr("twisted_pulp.cli._get.get", lambda options: seen.append(options) or 0)
    result = CliRunner().invoke(program, ["get", URL, *arguments], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return Wishes.of(seen[0]).remote


def value_of(remote: Remote, field: str) -> Any:
    """Return the value of *field*, with dots into the parts of *remote*."""
    value: Any = remote
    for name in field.split("."):
        value = getattr(value, name)
    return value


BASE, PROXY = ("--base", "http://example.org/"), ("--proxy", "http://proxy.example:3128")
PIN = "sha256/" + "A" * 43 + "="
CASES: list[tuple[tuple[str, ...], str, object]] = [
    (BASE, "url", "http://example.org/"),
    (("--insecure",), "tls.verify", False),
    (("--tls-min", "1.3"), "tls.min_version", "1.3"),
    (("--tls-max", "1.2"), "tls.max_version", "1.2"),
    (("--ciphers", "ECDHE+AESGCM"), "tls.ciphers", "ECDHE+AESGCM"),
    (("--server-name", "other.example"), "tls.server_name", "other.example"),
    (("--pin", PIN), "tls.pins", (PIN,)),
    (("--key-log", "keys"), "tls.key_log", "keys"),
    (PROXY, "proxy.url", "http://proxy.example:3128"),
    ((*PROXY, "--proxy-insecure"), "proxy.tls.verify", False),
    ((*PROXY, "--no-proxy", "a.example", "--no-proxy", "10.0.0.0/8"), "proxy.no_proxy", ("a.example", "10.0.0.0/8")),
    (("--proxy-from-environment",), "proxy_from_environment", True),
    (("--auth", "digest", "--user", "joe:pw"), "auth", "digest"),
    (("--user", "joe:p:w"), "password", "p:w"),
    (("--user", "joe"), "username", "joe"),
    (("--netrc",), "netrc", True),
    (("--cookies",), "cookies", True),
    (("--resolve", "A.test=192.0.2.1", "--resolve", "a.test=::1"), "network.hosts", {"a.test": ("192.0.2.1", "::1")}),
    (("--dns-server", "192.0.2.53"), "network.dns_servers", ("192.0.2.53",)),
    (("--no-dns-cache",), "network.dns_cache", False),
    (("-4",), "network.family", "ipv4"),
    (("--ipv6",), "network.family", "ipv6"),
    (("--bind", "127.0.0.1"), "network.bind_address", "127.0.0.1"),
    (("--unix-socket", "/run/s"), "network.unix_socket", "/run/s"),
    ((*BASE, "--mirror", "http://m1/", "--mirror", "http://m2/"), "mirrors", ("http://m1/", "http://m2/")),
    ((*BASE, "--mirror-list", "http://m/list"), "mirror_list", "http://m/list"),
    (("--segments", "4"), "limits.segments", 4),
    (("--segment-size", "1M"), "limits.segment_size", 1 << 20),
    (("--rate", "500K"), "limits.bytes_per_second", 500 << 10),
    (("--host-rate", "1.5m"), "limits.host_bytes_per_second", 3 << 19),
    (("--requests", "0.5"), "limits.requests_per_second", 0.5),
    (("--host-requests", "2"), "limits.host_requests_per_second", 2),
    (("--max-size", "none"), "limits.max_size", None),
    (("--redirects", "0"), "limits.redirects", 0),
    (("--no-adaptive",), "limits.adaptive", False),
    (("--set", "limits.connections=3"), "limits.connections", 3),
    (("--set", "user_agent=me"), "user_agent", "me"),
    (("--set", "tls.platform_trust = true"), "tls.platform_trust", True),
    (("--set", "allow_weak_digests=true"), "allow_weak_digests", True),
]


@pytest.mark.parametrize(("arguments", "field", "expected"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_option(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], field: str, expected: object) -> None:
    """Each option sets its field of the Remote."""
    value = value_of(remote_of(monkeypatch, *arguments), field)
    assert expected == (dict(value) if isinstance(value, dict) else value)


def test_all_options() -> None:
    """No option is without such a test; those that name a file are tested where there is one."""
    tested = {name for arguments, _, _ in CASES for name in arguments}
    files = {"--ca-cert", "--client-cert", "--client-key", "--proxy-ca-cert"}
    assert {"--http2", *files} == {option.names[-1] for option in _OPTIONS if not tested.intersection(option.names)}


def test_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A password, or a token, is the first line of a file: it is seen in no list of processes."""
    (tmp_path / "secret").write_text("S3CR3T\nmore\n")
    remote = remote_of(monkeypatch, "--user", "joe", "--password-file", str(tmp_path / "secret"))
    assert ("joe", "S3CR3T") == (remote.username, remote.password)
    assert "S3CR3T" == remote_of(monkeypatch, "--token-file", str(tmp_path / "secret")).token


def test_remote(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A remote is named; options go before what it says, and beside it where there can be several."""
    (tmp_path / "s.toml").write_text(
        '[remotes.one]\nurl = "http://one/"\nheaders = {"X-A" = "1"}\n[remotes.one.timeouts]\nidle = 5\nconnect = 5\n'
    )
    remote = remote_of(
        monkeypatch, "--config", str(tmp_path / "s.toml"), "--remote", "one", "--timeout", "7", "--header", "X-B:2"
    )
    assert ("http://one/", 7.0, 5.0) == (remote.url, remote.timeouts.idle, remote.timeouts.connect)
    assert {"X-A": "1", "X-B": "2"} == dict(remote.headers)


def test_own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without --config the user's own settings have the remote."""
    (tmp_path / "pulpdownloader").mkdir()
    (tmp_path / "pulpdownloader/settings.toml").write_text('[remotes.one]\nurl = "http://one/"\n')
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert "http://one/" == remote_of(monkeypatch, "--remote", "one").url


def test_config_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings that are named are read, even when no remote is."""
    (tmp_path / "s.toml").write_text("")
    assert Remote() == remote_of(monkeypatch, "--config", str(tmp_path / "s.toml"))


def test_relative(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative URL is below that of the remote."""
    from twisted_pulp.cli._wishes import Wishes

    wishes = Wishes.of(GetOptions(("pool/a.bin", URL), fields={"url": "http://h/d"}))
    assert ["http://h/d/pool/a.bin", URL] == [each.url for each in wishes.downloads]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-4", "-6"], "-4 and -6 exclude each other"),
        (["--rate", "fast"], "--rate: 'fast' is no size"),
        (["--rate", "1X"], "is no size"),
        (["--segments", "two"], "is no number"),
        (["--segments", "0"], "limits.segments is 0"),
        (["--resolve", "a.example"], "--resolve needs HOST=ADDRESS"),
        (["--set", "limits.connections"], "--set needs FIELD=VALUE"),
        (["--set", "limits.connection=3"], "limits.connection is '***'"),
        (["--set", "limits=3", "--set", "limits.segments=3"], "left out where there is limits"),
        (["--set", "tls.min_version=1.4"], "tls.min_version is"),
        (["--no-proxy", "a"], "proxy.url is None, but it must be given"),
        (["--user", "joe:pw", "--password-file", "x"], "either with --user or with --password-file"),
        (["--token-file", "/no/such/file"], "/no/such/file: No such file"),
        (["--mirror", "http://m/"], "mirrors is"),
        (["--auth", "ntlm"], "auth is 'ntlm', but it must be one of basic, digest"),
        (["--remote", "one", "--config", "/no/such/file"], "/no/such/file: No such file"),
        (["--ca-cert", "/no/such/file"], "tls.ca_cert is"),
    ],
)
def test_refused(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What makes no sense is said, by option or field, and ends with status 2."""
    assert 2 == run_program(["get", URL, *arguments])
    assert words in capsys.readouterr().err


def test_bad_settings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All mistakes in the settings are said, by line and field, before anything is asked for."""
    path = tmp_path / "s.toml"
    path.write_text("[remotes.one]\nurl = 3\n\n[remotes.two.timeouts]\nconnect = 0\n")
    assert 2 == run_program(["get", URL, "--config", str(path), "--remote", "one"])
    err = capsys.readouterr().err
    assert f"{path}: line 2: remotes.one.url is 3, but it must be" in err
    assert f"{path}: line 5: remotes.two.timeouts.connect is 0.0, but it must be" in err
    path.write_text('[remotes.one]\nurl = "http://one/"\n')
    assert 2 == run_program(["get", URL, "--config", str(path), "--remote", "three"])
    assert "no remote is called 'three'; there are: one" in capsys.readouterr().err
    path.write_bytes(b"\xff")
    assert 2 == run_program(["get", URL, "--config", str(path), "--remote", "three"])
    assert "not UTF-8" in capsys.readouterr().err
