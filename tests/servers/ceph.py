"""The real Ceph RGW: object storage as S3 speaks it, with its own monitor and a disk that is memory."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import define, field

from tests.servers.nginx import free_port
from tests.servers.programs import require, search_path

__all__ = ["Ceph"]

_TICK = 0.05
_PATIENCE = 60.0
#: Of the only user.
ACCESS, SECRET = "tester", "s3cr3t-of-the-tester"
# One copy of everything, nobody is asked who he is but by S3, and the monitors decide at once.
_CONF = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{monitor[0]},v1:127.0.0.1:{monitor[1]}]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd objectstore = memstore
memstore device bytes = 2147483648
mon allow pool size one = true
mon pg warn min per osd = 0
mon max pg per osd = 500
mon tick interval = 1
paxos propose interval = 0.05
paxos min wait = 0.02
run dir = {prefix}
admin socket =
log file = {prefix}/$name.log
pid file = {prefix}/$name.pid
setuser match path = {prefix}
[mon.a]
mon data = {prefix}/mon
[osd.0]
osd data = {prefix}/osd
[client.rgw]
ms mon client mode = crc
rgw data = {prefix}/rgw
rgw frontends = beast endpoint=127.0.0.1:{port} tcp_nodelay=1
"""


@define(eq=False)
class Ceph:
    """
    One cluster of a monitor, a disk and a gateway.

    :ivar prefix: its own short directory, for data, settings and logs.
    :ivar port: of the gateway, on 127.0.0.1.
    """

    prefix: Path
    port: int = field(init=False, default=0)
    _processes: dict[str, subprocess.Popen[bytes]] = field(init=False, factory=dict)
    _buckets: int = field(init=False, default=0)

    @classmethod
    def made(cls) -> Ceph:
        """Make the directory of one; without the programs the test skips, or fails when ``CI=true``."""
        for program in ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin"):
            require(program)
        return cls(Path(tempfile.mkdtemp(prefix="ceph-", dir="/tmp")))

    @property
    def endpoint(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    def url(self, bucket: str, endpoint: str | None = None, **options: object) -> str:
        """Give the URL of a *bucket*, as a setting has it."""
        given = {
            "endpoint": endpoint or self.endpoint,
            "access_key_id": ACCESS,
            "secret_access_key": SECRET,
            "allow_http": "true",
            **options,
        }
        return f"s3://{bucket}?{'&'.join(f'{name}={value}' for name, value in given.items())}"

    def bucket(self) -> str:
        """Make a bucket, and give its name."""
        self._buckets += 1
        name = f"bucket-{self._buckets}"
        with urllib.request.urlopen(urllib.request.Request(self.signed(name, "PUT"), method="PUT"), timeout=30):
            return name

    def uploads(self, bucket: str) -> int:
        """Count the multipart uploads of *bucket* that were begun, and neither finished nor aborted."""
        said = self._run("radosgw-admin", "-n", "client.rgw", "bucket", "list", "--bucket", bucket)
        return said.count(b"_multipart_") + said.count(b".meta")

    def signed(self, bucket: str, method: str = "GET", path: str = "") -> str:
        """Sign a URL."""
        from obstore import sign
        from obstore.store import S3Store

        options: Any = {"endpoint": self.endpoint, "access_key_id": ACCESS, "secret_access_key": SECRET}
        store = S3Store(bucket, config=options, client_options={"allow_http": True})
        wanted: Any = method
        return str(sign(store, wanted, path, timedelta(minutes=5)))

    def start(self) -> None:
        """
        Start it and wait until it answers.

        :raises RuntimeError: with its logs, when it does not.
        """
        try:
            self._start()
        except (subprocess.SubprocessError, OSError, TimeoutError) as error:
            self.stop()
            raise RuntimeError(f"Ceph does not start: {error}\n{self.log()}") from error

    def _start(self) -> None:
        monitor, self.port, disk = (free_port(), free_port()), free_port(), str(uuid.uuid4())
        fsid = str(uuid.uuid4())
        for name in ("mon", "osd", "rgw"):
            (self.prefix / name).mkdir(exist_ok=True)
        conf = _CONF.format(fsid=fsid, monitor=monitor, prefix=self.prefix, port=self.port)
        (self.prefix / "ceph.conf").write_text(conf)
        place = f"[v2:127.0.0.1:{monitor[0]},v1:127.0.0.1:{monitor[1]}]"
        self._run("monmaptool", "--create", "--fsid", fsid, "--addv", "a", place, "map")
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", "map")
        self._launch("ceph-mon", "-i", "a", "-f")
        self._run("ceph", "osd", "new", disk)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._launch("ceph-osd", "-i", "0", "-f")
        self._launch("radosgw", "-n", "client.rgw", "-f")
        user = "user", "create", "--uid", "tester", "--display-name", "tester"
        keys = "--access-key", ACCESS, "--secret-key", SECRET
        self._run("radosgw-admin", "-n", "client.rgw", *user, *keys)
        self._await()

    def _await(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self._processes["radosgw"].poll() is None:
            try:
                with urllib.request.urlopen(self.endpoint, timeout=5):
                    return
            except urllib.error.HTTPError:
                return
            except OSError:
                time.sleep(_TICK)
        raise TimeoutError("the gateway does not answer")

    def pause(self) -> None:
        """Let the gateway do nothing: connections are taken by the kernel, and nobody answers."""
        self._processes["radosgw"].send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._processes["radosgw"].send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Stop all, and wait for their ends."""
        processes, self._processes = self._processes, {}
        for process in reversed(processes.values()):
            process.send_signal(signal.SIGCONT)
            process.kill()  # nothing of it is kept
        for process in processes.values():
            process.wait()

    def remove(self) -> None:
        """Remove its directory."""
        shutil.rmtree(self.prefix, ignore_errors=True)

    def log(self) -> str:
        """Give what it has logged last."""
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(self.prefix.glob("*.log")))

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": search_path(), "CEPH_CONF": str(self.prefix / "ceph.conf")}

    def _command(self, program: str, arguments: Sequence[str]) -> list[str]:
        conf = () if program == "monmaptool" else ("-c", str(self.prefix / "ceph.conf"))
        return [require(program), *conf, *arguments]

    def _run(self, program: str, *arguments: str) -> bytes:
        done = subprocess.run(
            self._command(program, arguments),
            env=self._environment(),
            cwd=self.prefix,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
        if done.returncode:
            raise OSError(f"{program} {' '.join(arguments)}: {done.stderr.decode(errors='replace')[-2000:]}")
        return done.stdout

    def _launch(self, program: str, *arguments: str) -> None:
        with (self.prefix / f"{program}.out.log").open("ab") as log:
            self._processes[program] = subprocess.Popen(
                self._command(program, arguments),
                env=self._environment(),
                cwd=self.prefix,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
