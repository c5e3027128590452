"""A real S3 server of the tests' own: the lab's, started alone, with users whose policies it enforces."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from lab.place import Place
from lab.servers import storage
from tests.runbook.targets.servers_rabbitmq import until


@contextmanager
def storage_server(home: Path) -> Iterator[Place]:
    """The place of a running server without buckets; its root's keys are among its secrets."""
    storage.install()  # does nothing where it is installed
    place = Place.new(home)
    storage.prepare(place)
    command = storage.program(place)
    with (place.logs / "storage.log").open("wb") as log:
        environment = {**os.environ, **command.environment}
        process = subprocess.Popen(command.argv, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        until(lambda: _listens(place), patience=20)
        yield place
    finally:
        process.terminate()
        process.wait(20)


def root(place: Place, service: str = "s3") -> Any:
    """A client of the server's owner."""
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=place.storage_url,
        region_name="us-east-1",
        aws_access_key_id=place.secret("storage-root-access-key"),
        aws_secret_access_key=place.secret("storage-root-secret-key"),
    )


def user(place: Place, name: str, *actions: str) -> tuple[Path, Path]:
    """A user who may do these actions on everything; the files of its access key and its secret key."""
    iam = root(place, "iam")
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="tests", PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    access, secret = place.home / f"{name}-access", place.home / f"{name}-secret"
    access.write_text(made["AccessKeyId"])
    secret.write_text(made["SecretAccessKey"])
    return access, secret


def _listens(place: Place) -> bool:
    try:
        socket.create_connection(("127.0.0.1", place.ports.storage), timeout=1).close()
    except OSError:
        return False
    return True
