"""An object store that speaks S3, with the buckets for backups and archive.

It is ministack, in a virtual environment of its own because it pins another botocore. With ``AUTH`` it checks
signatures and enforces the users' policies, so that the reader truly cannot write. What it does not do: it takes the
key ``test`` for its owner's, always. So it listens on 127.0.0.1 only, and holds nothing but invented data.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lab.commands import CHECKOUT, Command
from lab.errors import LabError
from lab.place import ARCHIVE_BUCKET, BACKUP_BUCKET, REGION, Place
from lab.ports import LOOPBACK
from lab.supervision import await_, restart

NAME = "almacenamiento"
TITLE = "Almacenamiento S3"
VARIABLE = "MUSES_LAB_STORAGE_VENV"

_REQUIREMENTS = Path(__file__).parents[1] / "requirements-storage.txt"
_BUCKETS = (BACKUP_BUCKET, ARCHIVE_BUCKET)
_ENCRYPTED = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
_PRIVATE = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
_READING = ("s3:Get*", "s3:List*")
_WRITING = ("s3:PutObject*", "s3:DeleteObject*", "s3:AbortMultipartUpload", "s3:PutLifecycleConfiguration")
_IDENTITIES = {"reader": _READING, "operator": (*_READING, *_WRITING)}


def folder() -> Path:
    """The virtual environment of the server; it serves all labs of a checkout."""
    return Path(os.environ.get(VARIABLE) or CHECKOUT / ".venv-storage").absolute()


def installed() -> bool:
    """Whether the virtual environment holds just the versions that are asked for."""
    mark = folder() / "installed"
    return mark.exists() and mark.read_text() == _wanted()


def install() -> None:
    """Make the virtual environment, with uv where there is one; needs the network, takes some 10 s, once.

    Raises LabError with what the installer said.
    """
    folder().parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder().with_suffix(".lock")):
        if installed():
            return
        shutil.rmtree(folder(), ignore_errors=True)
        for argv in _installation(folder(), shutil.which("uv")):
            done = subprocess.run(argv, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            if done.returncode:
                raise LabError(f"no se pudo instalar el servidor de almacenamiento:\n{done.stdout[-2000:]}")
        (folder() / "installed").write_text(_wanted())


def prepare(place: Place) -> None:
    """Make the folders of its objects and of its state."""
    (place.home / "storage").mkdir(mode=0o700, exist_ok=True)


def program(place: Place) -> Command:
    """The server in the foreground; objects are on disk at once, users when it ends in order."""
    kept = place.home / "storage"
    listening = {"BIND_HOST": LOOPBACK, "GATEWAY_PORT": str(place.ports.storage), "MINISTACK_REGION": REGION}
    objects = {"S3_PERSIST": "1", "S3_DATA_DIR": str(kept / "s3")}
    users = {"PERSIST_STATE": "1", "STATE_DIR": str(kept / "state")}
    root = {"AUTH": "true", "AWS_ACCESS_KEY_ID": _root(place)[0], "AWS_SECRET_ACCESS_KEY": _root(place)[1]}
    modest = {"SERVICES": "s3,iam,sts", "LOG_LEVEL": "WARNING", "TMPDIR": str(kept)}
    argv = (str(folder() / "bin" / "python"), "-m", "ministack")
    return Command(NAME, argv, {**listening, **objects, **users, **root, **modest})


def await_ready(place: Place, deadline: float) -> None:
    """Wait until it listens."""

    def listens() -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection((LOOPBACK, place.ports.storage), timeout=1).close()
            return True
        return False

    await_(place, TITLE, listens, deadline, NAME)


def furnish(place: Place) -> None:
    """Private, encrypted buckets with versions, and the two identities with policies; what stands already stays.

    The server writes its users down only when it ends: after new ones it is started again, so that a later kill
    forgets no key.
    """
    s3, iam = _client(place, "s3"), _client(place, "iam")
    for bucket in _BUCKETS:
        with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
            s3.create_bucket(Bucket=bucket)
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [_ENCRYPTED]})
        s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=_PRIVATE)
    renewed = {identity: _renewed(place, iam, identity) for identity in _IDENTITIES}
    if any(renewed.values()):
        restart(place, NAME)
        await_ready(place, time.monotonic() + 10)


def _renewed(place: Place, iam: Any, identity: str) -> bool:
    """Give the identity its policy, and a key where it has none that the server knows; whether it got one."""
    user = f"muses_{identity}"
    with contextlib.suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_user(UserName=user)
    iam.put_user_policy(UserName=user, PolicyName="muses", PolicyDocument=json.dumps(_policy(identity)))
    known = [key["AccessKeyId"] for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]]
    if place.secret(f"storage-{identity}-access-key") in known:
        return False
    key = iam.create_access_key(UserName=user)["AccessKey"]
    place.keep_secret(f"storage-{identity}-access-key", key["AccessKeyId"])
    place.keep_secret(f"storage-{identity}-secret-key", key["SecretAccessKey"])
    return True


def _policy(identity: str) -> dict[str, object]:
    resources = [f"arn:aws:s3:::{bucket}{inside}" for bucket in _BUCKETS for inside in ("", "/*")]
    allowed = {"Effect": "Allow", "Action": _IDENTITIES[identity], "Resource": resources}
    return {"Version": "2012-10-17", "Statement": [allowed]}


def _client(place: Place, service: str) -> Any:
    import boto3

    access, secret = _root(place)
    options = {"endpoint_url": place.storage_url, "region_name": REGION}
    keys = {"aws_access_key_id": access, "aws_secret_access_key": secret}
    return boto3.client(service, **options, **keys)  # type: ignore[call-overload]  # the service is a variable here


def _root(place: Place) -> tuple[str, str]:
    return place.secret("storage-root-access-key"), place.secret("storage-root-secret-key")


def _wanted() -> str:
    return hashlib.sha256(_REQUIREMENTS.read_bytes()).hexdigest()


def _installation(into: Path, uv: str | None) -> tuple[tuple[str, ...], ...]:
    python, pinned = str(into / "bin" / "python"), ("--require-hashes", "-r", str(_REQUIREMENTS))
    if uv:
        venv = (uv, "venv", "--quiet", "--python", sys.executable, str(into))
        return venv, (uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python, *pinned)
    quiet = ("--quiet", "--disable-pip-version-check")
    return (sys.executable, "-m", "venv", str(into)), (python, "-m", "pip", "install", *quiet, *pinned)


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time; the lock ends with the process that holds it."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
