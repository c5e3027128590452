"""The servers of a running lab: who may do what, what is heard of them, what outlives a kill."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import astuple
from typing import Any

import boto3
import pika
import psycopg
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from pika.exceptions import ChannelClosedByBroker

from lab import orphans, supervision
from lab.place import ARCHIVE_BUCKET, BACKUP_BUCKET, Place
from lab.servers import storage
from lab.topology import QUEUE
from runbook import site_file


def until(found: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return value


def session(place: Place, role: str) -> psycopg.Connection[tuple[Any, ...]]:
    options = f"-c search_path={place.schema},public"
    return psycopg.connect(place.conninfo(role), autocommit=True, options=options)


def s3(place: Place, identity: str, **other: str) -> Any:
    return boto3.client("s3", **(place.s3_options(identity) | other))  # type: ignore[call-overload]


def managed(place: Place, user: str, path: str, method: str = "GET") -> Any:
    credentials = base64.b64encode(f"{user}:{place.broker_password(user)}".encode()).decode()
    headers = {"Authorization": f"Basic {credentials}"}
    request = urllib.request.Request(f"{place.management_url}/api/{path}", headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read() or b"null")


@pytest.mark.skipif(not shutil.which("ss"), reason="ss (iproute2) is not installed")
def test_nothing_listens_beyond_this_machine(lab_place: Place) -> None:
    def addresses() -> set[tuple[str, str]]:
        listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
        ours = set(orphans.of(lab_place))
        found = (
            line.split()[3].rpartition(":")
            for line in listening.splitlines()
            if ours & {int(pid) for pid in re.findall(r"pid=(\d+)", line)}
        )
        return {(host, port) for host, _colon, port in found}

    wanted = {("127.0.0.1", str(port)) for port in astuple(lab_place.ports)}
    # once a minute RabbitMQ's look after epmd opens a port of loopback for a moment
    assert {host for host, _port in addresses()} == {"127.0.0.1"}
    until(lambda: addresses() == wanted)


def test_the_databases_reader_sees_everybody_and_changes_nothing(lab_place: Place) -> None:
    with session(lab_place, "muses_app") as app, session(lab_place, "muses_reader") as reader:
        app.execute("SELECT 'seen by the reader'")
        pid = app.info.backend_pid
        seen = reader.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
        assert seen == ("SELECT 'seen by the reader'",)
        assert reader.execute("SELECT count(*) > 0 FROM pg_stat_statements").fetchone() == (True,)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            reader.execute("DELETE FROM tbae010_error")
        reader.execute("SET default_transaction_read_only = off")
        for forbidden in ("DELETE FROM tbae010_error", f"SELECT pg_terminate_backend({pid})", "CREATE TABLE x ()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(forbidden)


def test_the_databases_operator_can_mend_but_is_no_superuser(lab_place: Place) -> None:
    with session(lab_place, "muses_app") as app, session(lab_place, "muses_operator") as operator:
        operator.execute("CREATE INDEX CONCURRENTLY lab_test ON tbae010_error (id_motivo_error)")
        operator.execute("DROP INDEX lab_test")
        operator.execute("ANALYZE tbae010_error")
        assert operator.execute("SELECT pg_terminate_backend(%s, 5000)", [app.info.backend_pid]).fetchone() == (True,)
        own = operator.execute("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user").fetchone()
        assert own == (False, False)
        with pytest.raises(psycopg.OperationalError):
            app.execute("SELECT 1")


def test_the_services_role_has_a_limit_and_the_database_the_sites_zone(lab_place: Place) -> None:
    with session(lab_place, "muses_reader") as reader:
        assert reader.execute("SELECT rolconnlimit FROM pg_roles WHERE rolname = 'muses_app'").fetchone() == (20,)
        assert reader.execute("SHOW timezone").fetchone() == ("America/Mexico_City",)
        assert reader.execute("SHOW max_connections").fetchone() == ("60",)


def test_a_slow_statement_is_in_the_databases_json_log(lab_place: Place) -> None:
    with session(lab_place, "muses_reader") as reader:
        reader.execute("SELECT pg_sleep(0.21), 'slow on purpose'")

    def logged() -> list[dict[str, Any]]:
        lines = [line for log in lab_place.logs.glob("postgresql*.json") for line in log.read_text().splitlines()]
        return [json.loads(line) for line in lines if "slow on purpose" in line]

    entry = until(logged)[0]
    assert entry["user"] == "muses_reader"
    assert entry["timestamp"].endswith(" UTC")
    assert entry["message"].startswith("duration: ")


def test_the_brokers_reader_sees_queues_and_touches_none(lab_place: Place) -> None:
    with pika.BlockingConnection(pika.URLParameters(lab_place.amqp_url("muses_reader"))) as connection:
        assert connection.channel().queue_declare(QUEUE, passive=True).method.consumer_count >= 1
        with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
            connection.channel().basic_get(QUEUE)
        with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
            connection.channel().queue_purge(QUEUE)
        with pytest.raises(ChannelClosedByBroker, match="ACCESS_REFUSED"):
            connection.channel().queue_declare("otra")
    with pytest.raises(urllib.error.HTTPError, match=r"401|403") as refused:
        managed(lab_place, "muses_reader", f"queues/muses/{QUEUE}/contents", "DELETE")
    refused.value.close()


def test_the_management_api_samples_each_second(lab_place: Place) -> None:
    def samples() -> list[Any]:
        queue = managed(lab_place, "muses_reader", f"queues/muses/{QUEUE}?lengths_age=10&lengths_incr=1")
        found = queue.get("messages_details", {}).get("samples", [])
        return list(found) if len(found) > 8 else []

    seconds = {sample["timestamp"] // 1000 for sample in until(samples)}
    assert len(seconds) > 8


def test_the_storages_reader_reads_and_the_operator_writes(lab_place: Place) -> None:
    reader, operator = s3(lab_place, "reader"), s3(lab_place, "operator")
    for bucket in (BACKUP_BUCKET, ARCHIVE_BUCKET):
        assert reader.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    put = operator.put_object(Bucket=ARCHIVE_BUCKET, Key="prueba/uno", Body=b"contenido")
    assert reader.get_object(Bucket=ARCHIVE_BUCKET, Key="prueba/uno")["Body"].read() == b"contenido"
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.put_object(Bucket=ARCHIVE_BUCKET, Key="prueba/dos", Body=b"")
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.delete_object(Bucket=ARCHIVE_BUCKET, Key="prueba/uno")
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        s3(lab_place, "reader", aws_secret_access_key="falsa").list_objects_v2(Bucket=ARCHIVE_BUCKET)
    operator.delete_object(Bucket=ARCHIVE_BUCKET, Key="prueba/uno", VersionId=put["VersionId"])


def test_a_killed_storage_comes_back_with_its_objects_and_its_keys(lab_place: Place) -> None:
    s3(lab_place, "operator").put_object(Bucket=ARCHIVE_BUCKET, Key="prueba/tres", Body=b"queda")
    (server,) = (process for process in supervision.processes(lab_place) if process.group == storage.NAME)
    os.kill(server.pid, signal.SIGKILL)
    until(lambda: server.pid not in orphans.of(lab_place))

    def read() -> bytes:
        with suppress(BotoCoreError):
            found = s3(lab_place, "reader").get_object(Bucket=ARCHIVE_BUCKET, Key="prueba/tres")
            return bytes(found["Body"].read())
        return b""

    assert until(read) == b"queda"


def test_the_site_file_is_one_that_the_runbook_takes(lab_place: Place) -> None:
    name, environment = site_file.load(lab_place.site_file, {}).environment()
    assert name == "lab"
    assert environment.database is not None
    assert environment.database.reader.password is not None
    assert environment.database.reader.password.reveal() == lab_place.secret("database-muses_reader")
    assert environment.workers is not None
    assert environment.workers.url == lab_place.supervisor_url
