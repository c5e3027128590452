"""Where one lab lives: its folder, its ports, its secrets. The one thing that all parts of the lab share.

Nothing is at a fixed place, so that several labs run side by side; everything chosen is kept in ``place.json``, so
that any process of a lab finds the others by the lab's folder alone.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from urllib.parse import quote

from lab import installed
from lab.errors import LabError
from lab.ports import LOOPBACK, Ports, free_ports

DATABASE = "sep_muses"
SCHEMA = "muses_dev"
SUPERUSER = "superuser"
VHOST = "muses"
BROKER_USERS = ("muses_app", "muses_reader", "muses_operator")
REGION = "us-east-1"
BACKUP_BUCKET, ARCHIVE_BUCKET = "muses-respaldos", "muses-archivo"

_LONGEST_SOCKET_FOLDER = 80  # bytes; the kernel takes 107 for a socket's whole path, and supervisor adds up to 24


@dataclass(frozen=True)
class Place:
    """One lab. ``mark`` is in the environment of all its processes, so that none can be lost.

    ``sockets`` is ``home/run``, or a private folder under the temporary one where that path is too long for a socket.
    ``postgres`` holds the server's programs; the data are of that version. ``rabbitmq`` is the root of the tree that
    RabbitMQ was installed or unpacked into.
    """

    home: Path
    schema: str
    ports: Ports
    sockets: Path
    mark: str
    postgres: Path
    rabbitmq: Path

    @classmethod
    def new(
        cls,
        home: Path,
        *,
        schema: str = SCHEMA,
        postgres: Path | None = None,
        rabbitmq: Path | None = None,
    ) -> Place:
        """Found a lab in ``home``: free ports, new secrets, ``place.json``; starts nothing.

        Raises LabError where no PostgreSQL or RabbitMQ is found, or a lab is there already.
        """
        home = home.absolute()
        if (home / "place.json").exists():
            raise LabError(f"en {home} ya hay un laboratorio")
        place = cls(
            home=home,
            schema=schema,
            ports=free_ports(),
            sockets=home / "run",
            mark=secrets.token_hex(16),
            postgres=postgres or installed.postgres_programs(),
            rabbitmq=rabbitmq or installed.rabbitmq_root(),
        )
        return place._settled()

    @classmethod
    def load(cls, home: Path) -> Place:
        """The lab in ``home``. Raises LabError where there is none."""
        home = home.absolute()
        try:
            kept = json.loads((home / "place.json").read_bytes())
        except FileNotFoundError:
            raise LabError(f"en {home} no hay laboratorio; créelo con «lab up --at {home}»") from None
        except ValueError as error:
            raise LabError(f"{home / 'place.json'} está dañado ({error}); borre {home} y repita «lab up»") from None
        return cls(
            home=home,
            schema=kept["schema"],
            ports=Ports(**kept["ports"]),
            **{name: Path(kept[name]) for name in ("sockets", "postgres", "rabbitmq")},
            mark=kept["mark"],
        )

    def refreshed(self) -> Place:
        """The same lab with ports that are free now and programs that exist now; only while nothing of it runs.

        Raises LabError where no PostgreSQL is found.
        """
        return replace(
            self,
            ports=free_ports(self.ports),
            postgres=self.postgres if installed.has_postgres(self.postgres) else installed.postgres_programs(),
            rabbitmq=installed.rabbitmq_root(self.rabbitmq),
        )._settled()

    def conninfo(self, role: str) -> str:
        """A connection string for psycopg; ``"superuser"`` is the cluster's own, by socket."""
        user, host = ("postgres", str(self.sockets)) if role == SUPERUSER else (role, LOOPBACK)
        words = {
            "host": host,
            "port": str(self.ports.postgres),
            "dbname": DATABASE,
            "user": user,
            "password": self.secret(f"database-{role}"),
            "connect_timeout": "5",
        }
        return " ".join(f"{key}={_quoted(value)}" for key, value in words.items())

    def amqp_url(self, user: str) -> str:
        """The broker as ``user``, for pika.URLParameters."""
        return f"amqp://{user}:{self.broker_password(user)}@{LOOPBACK}:{self.ports.amqp}/{quote(VHOST, safe='')}"

    @property
    def management_url(self) -> str:
        """RabbitMQ's management API."""
        return f"http://{LOOPBACK}:{self.ports.management}"

    def broker_password(self, user: str) -> str:
        """The password of a user of the broker."""
        return self.secret(f"broker-{user}")

    @property
    def storage_url(self) -> str:
        """The S3 endpoint."""
        return f"http://{LOOPBACK}:{self.ports.storage}"

    def s3_options(self, identity: str) -> dict[str, str]:
        """Keyword arguments for ``boto3.client("s3", …)`` as ``"reader"`` or ``"operator"``."""
        return {
            "endpoint_url": self.storage_url,
            "region_name": REGION,
            "aws_access_key_id": self.secret(f"storage-{identity}-access-key"),
            "aws_secret_access_key": self.secret(f"storage-{identity}-secret-key"),
        }

    @property
    def supervisor_socket(self) -> Path:
        """Where the process manager listens."""
        return self.sockets / "supervisor.sock"

    @property
    def supervisor_url(self) -> str:
        """The process manager, as supervisor writes it."""
        return f"unix://{self.supervisor_socket}"

    @property
    def logs(self) -> Path:
        """The folder of all logs."""
        return self.home / "logs"

    @property
    def site_file(self) -> Path:
        """The settings with which ``muses-runbook`` operates this lab."""
        return self.home / "site.toml"

    def secret_file(self, name: str) -> Path:
        """Where the secret of that name is kept."""
        return self.home / "secrets" / name

    def secret(self, name: str) -> str:
        """The secret of that name, invented (and kept, readable by its owner only) when first asked for."""
        path = self.secret_file(name)
        if not path.exists():
            draft = self._drafted_secret(name, secrets.token_hex(16))
            with suppress(FileExistsError):  # another process was first: its secret is the secret
                os.link(draft, path)
            draft.unlink()
        return path.read_text()

    def keep_secret(self, name: str, value: str) -> None:
        """Keep a secret that a server invented, in place of what was there."""
        self._drafted_secret(name, value).replace(self.secret_file(name))

    def _drafted_secret(self, name: str, value: str) -> Path:
        """A file beside the secret's, so that the secret appears whole or not at all."""
        folder = self.secret_file(name).parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / f".{name}.{secrets.token_hex(4)}"
        draft.touch(mode=0o600)
        draft.write_text(value)
        return draft

    def _settled(self) -> Place:
        for folder in (self.home, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        place = replace(self, sockets=_socket_folder(self.home, self.sockets))
        place._keep()
        return place

    def _keep(self) -> None:
        kept = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "home"}
        draft = self.home / "place.json.new"
        draft.write_text(json.dumps({**kept, "ports": asdict(self.ports)}, default=str, indent=2))
        draft.replace(self.home / "place.json")


def _socket_folder(home: Path, last: Path) -> Path:
    """A private folder with a short path; a temporary one is never taken over, for it may be another's by now."""
    inside = home / "run"
    if len(os.fsencode(inside)) > _LONGEST_SOCKET_FOLDER:
        if last != inside:
            shutil.rmtree(last, ignore_errors=True)
        return Path(tempfile.mkdtemp(prefix="muses-lab-", dir="/tmp"))
    inside.mkdir(mode=0o700, exist_ok=True)
    return inside


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", r"\\").replace("'", r"\'") + "'"
