"""The limit, and what people do: PostgreSQL's own programs, ``zstd`` and ``aws`` in shell pipes. Nothing is proven."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from benchmarks.backup.processes import Looking, Measured
from benchmarks.purge.ground import Ground
from lab.place import BACKUP_BUCKET, DATABASE, REGION
from lab.ports import LOOPBACK

_FOLDER = f"s3://{BACKUP_BUCKET}/pipes"
#: Up to so large an object is downloaded with one request: the lab's store is three times as slow with ranges.
_WHOLE = "64GB"


class Pipes:
    """Runs pipes. ``zstd`` is the system's; ``aws`` is installed from PyPI, in an environment of its own."""

    def __init__(self, ground: Ground) -> None:
        if shutil.which("zstd") is None:
            raise SystemExit("the limit needs zstd: apt-get install zstd")
        self._ground = ground
        self._aws = installed(ground.place.home / "aws", "awscli") / "aws"
        self._dump = str(ground.place.postgres / "pg_dump")
        self._whole = ground.place.home / "aws.conf"
        self._whole.write_text(f"[default]\ns3 =\n  multipart_threshold = {_WHOLE}\n")

    def limit(self) -> Measured:
        """The least that a compressed dump in the bucket, downloaded and hashed once, can take."""
        outcome = Measured("limit: pg_dump -Fc -Z0 | zstd -3 -T0 | aws s3 cp -, then aws s3 cp … - | sha256sum")
        target = f"{_FOLDER}/limit"
        with outcome.timed("uploaded"):
            self._run(outcome, [self._dump, "-Fc", "-Z0"], ["zstd", "-3", "-T0", "-q"], self._copied("-", target))
        with outcome.timed("downloaded and hashed"):
            at_once = {**self._environment(), "AWS_CONFIG_FILE": str(self._whole)}
            run(outcome, at_once, self._copied(target, "-"), ["sha256sum"])
        return outcome

    def people(self) -> Measured:
        """What most scripts do; nothing is read back."""
        outcome = Measured("what people do: pg_dump -Fc | aws s3 cp -")
        with outcome.timed("uploaded"):
            self._run(outcome, [self._dump, "-Fc"], self._copied("-", f"{_FOLDER}/people"))
        return outcome

    def file_first(self) -> Measured:
        """A dump with gzip to a file, its checksum, then the upload: how pg_back works, by its documentation."""
        outcome = Measured("dump to a file, sha256, then upload (as pg_back is documented to work)")
        file = self._ground.place.home / "people.dump"
        try:
            with outcome.timed("dumped"):
                self._run(outcome, [self._dump, "-Fc", "-f", str(file)])
            with outcome.timed("hashed"):
                self._run(outcome, ["sha256sum", str(file)])
            with outcome.timed("uploaded"):
                self._run(outcome, self._copied(str(file), f"{_FOLDER}/file"))
        finally:
            file.unlink(missing_ok=True)
        return outcome

    def _copied(self, source: str, target: str) -> list[str]:
        return [str(self._aws), "s3", "cp", "--only-show-errors", source, target]

    def _run(self, outcome: Measured, *commands: Sequence[str]) -> None:
        run(outcome, self._environment(), *commands)

    def _environment(self) -> dict[str, str]:
        place = self._ground.place
        server = {"PGHOST": LOOPBACK, "PGPORT": str(place.ports.postgres), "PGDATABASE": DATABASE}
        role = {"PGUSER": "muses_operator", "PGPASSWORD": place.secret("database-muses_operator")}
        return {**os.environ, **storage(self._ground), **server, **role}


def storage(ground: Ground) -> dict[str, str]:
    """The variables by which AWS's own programs find the object store, and none of the person's settings."""
    place = ground.place
    return {
        "AWS_ENDPOINT_URL": place.storage_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": place.secret("storage-operator-access-key"),
        "AWS_SECRET_ACCESS_KEY": place.secret("storage-operator-secret-key"),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def run(outcome: Measured, environment: dict[str, str], *commands: Sequence[str]) -> None:
    """A pipe of programs to its end, what they took added to ``outcome``. Raises SystemExit where one failed."""
    with _started(environment, commands) as processes:
        names = [Path(command[0]).name for command in commands]
        looking = Looking({process.pid: name for process, name in zip(processes, names, strict=True)})
        codes = [process.wait() for process in processes]
        looking.close()
    for name, seconds in looking.seconds.items():
        outcome.processor[name] = outcome.processor.get(name, 0.0) + seconds
    for name, peak in looking.peaks.items():
        outcome.peaks[name] = max(outcome.peaks.get(name, 0), peak)
    if any(codes):
        raise SystemExit(f"{outcome.name}: the programs ended with {codes}")


@contextlib.contextmanager
def _started(environment: dict[str, str], commands: Sequence[Sequence[str]]) -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    before: IO[bytes] | int = subprocess.DEVNULL
    try:
        for number, command in enumerate(commands, 1):
            after = subprocess.PIPE if number < len(commands) else subprocess.DEVNULL
            processes.append(subprocess.Popen(command, stdin=before, stdout=after, env=environment))
            if not isinstance(before, int):
                before.close()  # it is the program's now: who writes to it hears when that one ends
            before = processes[-1].stdout or subprocess.DEVNULL
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def installed(folder: Path, *packages: str) -> Path:
    """The programs of packages from PyPI, in an environment of their own."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *packages]
    done = subprocess.run(pip, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{packages} cannot be installed:\n{done.stderr[-2000:]}")
    return folder / "bin"
