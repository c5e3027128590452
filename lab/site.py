"""The site file with which ``muses-runbook`` operates a lab: where its targets are, and limits in the lab's time.

What takes minutes in production takes seconds here, so that an incident to practise on shows while one looks.
"""

from __future__ import annotations

import json
from pathlib import Path

from lab.place import ARCHIVE_BUCKET, BACKUP_BUCKET, DATABASE, REGION, VHOST, Place
from lab.ports import LOOPBACK

Table = dict[str, object]

#: Row → the lab's limits, where they differ from the guide's.
LIMITS: dict[str, Table] = {
    "QUEUE-01": {"window": "30 s", "least_messages": 50},
    "ETL-01": {"warning": "15 s", "critical": "45 s", "window": "10 s"},
    "ETL-02": {"window": "10 s"},
    # One invented student in twenty is unknown to RENAPO in two subsystems; by chance it is one in fifteen.
    "ETL-05": {"warning": 10, "window": "15 min"},
    "QUEUE-08": {"window": "10 s"},
    # The incidents write more in a minute than the lab does in a day.
    "DB-18": {"least_checkpoints": 1000},
    "DB-05": {"warning": "10 s", "critical": "10 s"},
    "DB-01": {"idle_longer": "500 ms"},
    # The machine is no part of the lab: what else it does, and what broke on it, is no alarm.
    "HOST-01": {"warning": 97, "critical": 99},
    **{f"HOST-{n:02}": {"warning": 99, "critical": 100} for n in (6, 8)},
    **{f"HOST-{n:02}": {"warning": 100_000, "critical": 100_000} for n in (11, 15, 16)},
    "STAGE-02": {"full": 97},
    "STAGE-06": {"window": "15 min", "settle": "30 s"},
    "BACKUP-04": {"warning": 7, "critical": 14},  # the incident takes nights away that nobody can make up for
}
#: What of the lab is open by design: it holds invented data only, and nobody beside this machine reaches it.
ACCEPTED = {
    "storage test": "el servidor S3 del laboratorio acepta siempre la clave «test»; solo escucha en 127.0.0.1",
    "policy.rows.STAGE-01": "en el laboratorio la purga se practica sin pedir permiso",
}
#: Row → the time in which a fix shows here.
SETTLING = {"QUEUE-01": "30 s", "ETL-01": "60 s", "DB-01": "15 s", "STAGE-01": "10 s", "BACKUP-01": "10 s"}


def write(place: Place) -> None:
    """Write ``home/site.toml`` anew; whoever reads it meanwhile sees the old one or the new one, whole."""
    draft = place.site_file.with_suffix(".new")
    draft.write_text(toml(tables(place)))
    draft.replace(place.site_file)


def tables(place: Place) -> dict[str, Table]:
    """The site file's tables by name."""
    targets: dict[str, Table] = {
        "database": _database(place),
        "broker": _broker(place),
        "storage": _storage(place),
        "workers": _workers(place),
        "logs": _logs(place),
        "hosts": {"addresses": ["local://"]},
        # An incident puts more into a table than was ever in it, and no secondary index is there to begin with.
        "purge": {"max_percent": 100, "build_missing_indexes": True},
        "backup": {"programs": str(place.postgres)},
        # Nobody begins anything here by itself: a lab is up for an afternoon.
        "schedule": dict.fromkeys(("backup", "purge", "check", "restore_test"), ""),
        "security": {"login_roles": ["muses_owner"], "accepted": dict(ACCEPTED)},
        **{f"limits.{row}": limits for row, limits in LIMITS.items()},
        "settling": dict(SETTLING),
        "policy": {
            "low": "act",
            "medium": "act",
            "high": "ask",
            "rows": {"STAGE-01": "act", "BACKUP-01": "act"},
            "attempts": 20,
            "attempts_window": "24 h",
            "cooldown": "2 s",
            "budget": 1000,  # practice is repeated
        },
    }
    site: Table = {
        "name": "SEP-MUSES (laboratorio)",
        "timezone": "America/Mexico_City",
        "language": "es",
        "environment": "lab",
        "state": str(place.home / "state"),
    }
    return {"site": site, **{f"environments.lab.{name}": table for name, table in targets.items()}}


def _database(place: Place) -> Table:
    return {
        "host": LOOPBACK,
        "port": place.ports.postgres,
        "name": DATABASE,
        "schema": place.schema,
        "application_roles": ["muses_app"],
        "reader": _login(place, "database", "reader"),
        "operator": _login(place, "database", "operator"),
    }


def _broker(place: Place) -> Table:
    from lab.topology import DEAD_LETTERS, QUEUE

    return {
        "host": LOOPBACK,
        "port": place.ports.amqp,
        "management_url": place.management_url,
        "vhost": VHOST,
        "queues": [QUEUE],
        "dead_letter_queues": [DEAD_LETTERS],
        "reader": _login(place, "broker", "reader"),
        "operator": _login(place, "broker", "operator"),
    }


def _storage(place: Place) -> Table:
    return {
        "endpoint_url": place.storage_url,
        "region": REGION,
        "backup_bucket": BACKUP_BUCKET,
        "backup_prefix": f"{DATABASE}/",
        "archive_bucket": ARCHIVE_BUCKET,
        "reader": _keys(place, "reader"),
        "operator": _keys(place, "operator"),
    }


def _workers(place: Place) -> Table:
    from lab.services import CONSOLIDATION, PROCESSING, PROGRAMS
    from lab.topology import QUEUE

    (processing,) = (program for program in PROGRAMS if program.name == PROCESSING)
    return {
        "kind": "supervisor",
        "url": place.supervisor_url,
        "processing": PROCESSING,
        "consolidation": CONSOLIDATION,
        "queue": QUEUE,
        "max_replicas": processing.replicas,
    }


def _logs(place: Place) -> Table:
    from lab.services import PROGRAMS

    services = {program.name: [f"{place.logs}/{program.name}*.log"] for program in PROGRAMS}
    return {"window": "5 min", "database": [f"{place.logs}/postgresql*.json"], "services": services}


def _login(place: Place, target: str, identity: str) -> Table:
    user = f"muses_{identity}"
    return {"user": user, "password": _secret(place.secret_file(f"{target}-{user}"))}


def _keys(place: Place, identity: str) -> Table:
    return {
        "access_key": _secret(place.secret_file(f"storage-{identity}-access-key")),
        "secret_key": _secret(place.secret_file(f"storage-{identity}-secret-key")),
    }


def _secret(path: Path) -> Table:
    return {"file": str(path)}


def toml(tables: dict[str, Table]) -> str:
    """Tables as the site file has them."""
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key} = {_value(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )


def _value(value: object) -> str:
    """TOML's strings, numbers and lists are written as JSON writes them; its inline tables are not."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
