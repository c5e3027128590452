"""The servers of a running lab: who may do what, what is heard of them, what outlives a kill."""

from __future__ import annotations

import base64
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import Any

import boto3
import pika
import psycopg
import pytest
from botocore.exceptions import ClientError
from pika.exceptions import ChannelClosedByBroker

from lab import orphans, supervision
from lab.errors import LabError
from lab.place import ARCHIVE_BUCKET, BACKUP_BUCKET, SUPERUSER, Place
from lab.servers import postgres, storage
from lab.topology import QUEUE
from runbook import site_file

SYSTEM_POSTGRES = Path("/usr/lib/postgresql/15/bin")


def until[T](found: Callable[[], T], seconds: float = 20) -> T:
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return value


@pytest.mark.skipif(not shutil.which("ss"), reason="ss (iproute2) is not installed")
def test_nothing_listens_beyond_this_machine(lab_place: Place) -> None:
    listening = subprocess.run(["ss", "-ltunpH"], capture_output=True, text=True, check=True).stdout
    ours = {pid for pid in orphans.of(lab_place)}
    addresses = [
        line.split()[4] for line in listening.splitlines() if ours & {int(pid) for pid in re.findall(r"pid=(\d+)", line)}
    ]
    assert {address.rpartition(":")[0] for address in addresses} == {"127.0.0.1"}
    assert {int(address.rpartition(":")[2]) for address in addresses} <= set(astuple(lab_place.ports))
    assert len(addresses) == 5, addresses
