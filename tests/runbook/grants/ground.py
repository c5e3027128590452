"""A lab whose rows are read by identities that hold the printed rights and nothing else, not even by PUBLIC."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import shlex
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from lab.place import DATABASE, SUPERUSER, Place
from runbook import site_file
from runbook.commands.grants import policies
from runbook.grants.asked import Asked, asks
from runbook.grants.granting import Grant, grants, needs
from runbook.grants.needs import Need
from runbook.judging import judge
from runbook.model import Reading, Verdict
from runbook.probes import Readings
from runbook.rows import Row
from runbook.settings import EnvironmentSettings
from runbook.site import Site, open_site
from runbook.targets.opening import open_target
from runbook.targets.s3.objects import open_store
from tests.procedures.archiver import Archiver
from tests.runbook.targets.servers_rabbitmq import RabbitServer
from tests.runbook.targets.servers_storage import root

LEAST, ACTING = "muses_least", "muses_acting"
#: What PUBLIC has beside, which would hide that a right is missing; the lab's database gives it nothing.
PUBLIC = "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC"
PUBLIC_AGAIN = "GRANT EXECUTE ON FUNCTION pg_control_system() TO PUBLIC"


class Judged(msgspec.Struct, frozen=True):
    """What rows said, and every reading behind it."""

    verdicts: dict[str, Verdict]
    readings: tuple[Reading, ...]


class Ground:
    """The lab, its rows read by ``muses_least``; rights are given and taken as the printed commands say."""

    def __init__(self, place: Place, home: Path, broker: Broker) -> None:
        self.place, self.broker = place, broker
        self._secret = home / "password"
        self._secret.write_text(secrets.token_hex(16))
        self._keys = home / "access-key", home / "secret-key"
        self.admin = psycopg.connect(place.conninfo(SUPERUSER), dbname=DATABASE, autocommit=True)
        self.iam, self.password = root(place, "iam"), self._secret.read_text()

    @property
    def variables(self) -> dict[str, str]:
        """The lab's site file with ``muses_least`` in the readers' places."""
        login = {"USER": LEAST, "PASSWORD__FILE": str(self._secret)}
        keys = {"ACCESS_KEY__FILE": str(self._keys[0]), "SECRET_KEY__FILE": str(self._keys[1])}
        operator = {f"DATABASE__OPERATOR__{name}": value for name, value in {**login, "USER": ACTING}.items()}
        broker = {"PORT": str(self.broker.place.ports.amqp), "MANAGEMENT_URL": self.broker.place.management_url}
        given = {
            **{f"DATABASE__READER__{name}": value for name, value in login.items()},
            **{f"BROKER__READER__{name}": value for name, value in login.items()},
            **{f"BROKER__{name}": value for name, value in broker.items()},
            **operator,
            **{f"STORAGE__READER__{name}": value for name, value in keys.items()},
        }
        return {f"MUSES_RUNBOOK__ENVIRONMENTS__LAB__{name}": value for name, value in given.items()}

    @property
    def settings(self) -> EnvironmentSettings:
        """The environment as those variables leave it."""
        return site_file.load(self.place.site_file, self.variables).environment("lab")[1]

    def rights(self, rows: Sequence[Row], system: str, identity: str = "reader") -> tuple[Grant, ...]:
        """An identity's rights at one system that are printed for these rows."""
        printed = grants(rows, self.settings, everything=False, owner=self.owner)
        return tuple(grant for grant in printed if (grant.system, grant.identity) == (system, identity))

    @property
    def owner(self) -> str:
        """Whom the tables of the lab belong to."""
        found = self.admin.execute("SELECT tableowner FROM pg_tables WHERE schemaname = %s", [self.place.schema])
        return str(found.fetchall()[0][0])

    def database(self) -> Any:
        """The target, with the identities of the settings."""
        return open_target("database", open_site(site_file.load(self.place.site_file, self.variables), "lab"))

    @contextmanager
    def session(self, database: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """A service's session that idles inside a transaction: which it is, and its fingerprint."""
        name = f"ociosa-{secrets.token_hex(4)}"
        with closing(psycopg.connect(self.place.conninfo("muses_app"), dbname=DATABASE, application_name=name)) as idle:
            idle.execute("SELECT 1")
            (found,) = (session for session in database.sessions() if session.application == name)
            yield found.identity, found.fingerprint

    def close(self) -> None:
        """Let go of the superuser's connection."""
        self.admin.close()

    def judged(self, rows: Sequence[Row]) -> Judged:
        """Judge the rows all at once over new connections."""
        site = open_site(site_file.load(self.place.site_file, self.variables), "lab")
        readings = Readings()
        with ExitStack() as opened, closing(site.history):
            targets = self._targets(rows, site, opened)
            verdicts = _all_at_once(rows, targets, readings, site.settings.limits)
        return Judged(verdicts, readings.taken())

    def _targets(self, rows: Sequence[Row], site: Site, opened: ExitStack) -> dict[str, Any]:
        names = {name for row in rows for name in row.all_targets()} - {"history"}
        targets = {name: open_target(name, site) for name in names}
        for target in targets.values():
            opened.callback(target.close)
        return {**targets, "history": site.history}

    @contextmanager
    def archived(self) -> Iterator[None]:
        """A batch lies in the archive: without one nobody needs to read there."""
        storage, kept = self.settings.storage, self.settings.archive
        assert storage is not None
        assert storage.archive_bucket is not None
        opened = open_store("storage", storage, kept, identity="operator", bucket=storage.archive_bucket)
        admin = psycopg.connect(self.place.conninfo(SUPERUSER), dbname=DATABASE, autocommit=True, row_factory=dict_row)
        with closing(opened) as store, closing(admin):
            admin.execute("SET search_path TO muses_dev, public")
            some = "uuid IN (SELECT uuid FROM tbae001_inscripcion ORDER BY uuid LIMIT 5)"
            made = Archiver(store, kept, admin, DATABASE).archive("tbae001_inscripcion", some, run=LEAST)
        try:
            yield
        finally:
            self._forget(storage.archive_bucket, made.object.key.rpartition("/")[0])

    def _forget(self, bucket: str, folder: str) -> None:
        s3 = root(self.place)
        for version in s3.list_object_versions(Bucket=bucket, Prefix=folder).get("Versions", ()):
            s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])

    @contextmanager
    def role(self) -> Iterator[None]:
        """A login that holds nothing, and a PUBLIC that holds nothing either; both as before at the end."""
        names, password = list(map(sql.Identifier, (LEAST, ACTING))), sql.Literal(self.password)
        for name in names:
            self.admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, password))
        try:
            self.execute(PUBLIC)
            yield
        finally:
            self.execute(PUBLIC_AGAIN)
            for name in names:
                self.admin.execute(sql.SQL("DROP OWNED BY {0}; DROP ROLE {0}").format(name))

    def execute(self, *statements: str) -> None:
        """Run what was printed, as the superuser."""
        for statement in statements:
            self.admin.execute(statement.encode())

    @contextmanager
    def key(self) -> Iterator[None]:
        """A user of the store without a policy."""
        self.iam.create_user(UserName=LEAST)
        made = self.iam.create_access_key(UserName=LEAST)["AccessKey"]
        for file, part in zip(self._keys, ("AccessKeyId", "SecretAccessKey"), strict=True):
            file.write_text(made[part])
        try:
            yield
        finally:
            self.allow(())
            self.iam.delete_access_key(UserName=LEAST, AccessKeyId=made["AccessKeyId"])
            self.iam.delete_user(UserName=LEAST)

    def allow(self, given: Sequence[Grant]) -> None:
        """Put the printed policies of these rights in the place of all there were."""
        for name in self.iam.list_user_policies(UserName=LEAST)["PolicyNames"]:
            self.iam.delete_user_policy(UserName=LEAST, PolicyName=name)
        for (_identity, bucket), document in policies(given, self.settings).items():
            self.iam.put_user_policy(UserName=LEAST, PolicyName=bucket, PolicyDocument=document)


class Broker:
    """A RabbitMQ with an administrator, who does what the printed commands of ``rabbitmqctl`` say."""

    def __init__(self, home: Path) -> None:
        self._server = RabbitServer(home)
        self.place, self._password = self._server.place, secrets.token_hex(16)
        self._make_administrator()

    def start(self, password: str) -> None:
        """With a user ``muses_least`` who holds nothing."""
        self._server.start()
        self._ask("PUT", f"users/{LEAST}", {"password": password, "tags": ""})

    def kill(self) -> None:
        """End it at once, where it was started."""
        self._server.kill()

    def run(self, printed: str) -> None:
        """Do what the commands say, by the management API."""
        for line in printed.splitlines():
            match shlex.split(line, comments=True):
                case []:
                    pass
                case ["rabbitmqctl", "set_user_tags", user, *tags]:
                    self._ask("PUT", f"users/{user}", {"password_hash": self._hash(user), "tags": ",".join(tags)})
                case ["rabbitmqctl", "set_permissions", "-p", vhost, user, configure, write, read]:
                    body = {"configure": configure, "write": write, "read": read}
                    self._ask("PUT", f"permissions/{vhost}/{user}", body)
                case ["rabbitmqctl", "clear_permissions", "-p", vhost, user]:
                    self._ask("DELETE", f"permissions/{vhost}/{user}")
                case other:
                    raise AssertionError(f"nobody knows how to run {other}")

    def _hash(self, user: str) -> str:
        return str(self._ask("GET", f"users/{user}")["password_hash"])

    def _ask(self, method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
        asked = urllib.request.Request(
            f"{self.place.management_url}/api/{path}", method=method, data=json.dumps(body).encode() if body else None
        )
        word = base64.b64encode(f"administrador:{self._password}".encode()).decode()
        asked.add_header("Authorization", f"Basic {word}")
        asked.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(asked, timeout=10) as answer:
            said = answer.read()
        return json.loads(said) if said else None

    def _make_administrator(self) -> None:
        file = self.place.home / "rabbitmq" / "definitions.json"
        definitions = json.loads(file.read_text())
        salt = secrets.token_bytes(4)
        hashed = base64.b64encode(salt + hashlib.sha256(salt + self._password.encode()).digest()).decode()
        user = {"name": "administrador", "password_hash": hashed, "tags": ["administrator"]}
        definitions["users"].append({**user, "hashing_algorithm": "rabbit_password_hashing_sha256"})
        file.write_text(json.dumps(definitions))


def asked_by(reading: str, row: Row) -> tuple[Asked, ...]:
    """The probe behind a reading of a row (``database.sessions()``), as it was found in the row's code."""
    target, _, request = reading.partition("(")[0].rpartition(".")
    kinds = {"database": ("database", "scripts")}.get(target.split()[0], (target.split()[0],))
    return tuple(one for one in asks(row).check if one.target in kinds and one.name == request)


def used(reading: str, row: Row) -> frozenset[Need]:
    """What that probe cannot do without, by its declaration."""
    return needs(asked_by(reading, row))


def _all_at_once(
    rows: Sequence[Row], targets: Mapping[str, Any], readings: Readings, limits: Mapping[str, Any]
) -> dict[str, Verdict]:
    verdicts: dict[str, Verdict] = {}

    def find_out(row: Row) -> None:
        verdicts[row.id] = judge(row, targets, readings, limits.get(row.id, {}))

    threads = [threading.Thread(target=find_out, args=(row,)) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return verdicts
