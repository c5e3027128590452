"""The target ``backup`` as a test tells it: what lies in the bucket, what guards it, and what the timers say."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from procedures.backup import looking
from procedures.backup.facts import (
    Attempt,
    Backups,
    Bucket,
    Guarded,
    HostTimers,
    Operating,
    Proven,
    Published,
    Unpublished,
    Wanted,
)
from procedures.backup.retention import Circumstances, Retention, decide
from runbook.settings import BackupSettings
from runbook.slots import Slot, parse_slot
from runbook.targets.hosts.timers import Standing
from runbook.targets.s3.backups import Encrypted, Manifest, Proof
from runbook.targets.s3.promised import broken, kept, unknown
from runbook.text import text
from tests.checks.fakes import Told, now

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MB = 10**6
SYSTEM = "7400000000000000001"
WORDS = text("as it is configured")
KEPT, BROKEN, UNKNOWN = kept(WORDS), broken(WORDS), unknown(WORDS)
DENIED = unknown(WORDS, denied=True)


class Backup(Told):
    """A site whose nights are planned and whose bucket is as it should be, unless told otherwise."""

    def __init__(self, found: Backups | Exception | None = None, **answers: Any) -> None:
        self.slots: dict[str, Slot] = answers.pop("slots", planned())
        self.wanted = wanted(**answers.pop("wanted", {}))
        self._rules, self._found = answers.pop("rules", BackupSettings()), found or nightly()
        plain = {
            "backups": self._found,
            "identifier": SYSTEM,
            "attempts": (),
            "operating": Operating(),
            "timers": (timers(),),
            "bucket": bucket(),
            "guarded": guarded(),
        }
        super().__init__(**{**plain, **answers})

    def today(self) -> str:
        return now().date().isoformat()

    def day_of(self, one: Published) -> str:
        return one.finished_at.date().isoformat()

    def retention(self) -> Retention:
        """Of the real rules."""
        found = self.backups()
        known, unread = looking.known(found)
        told = Circumstances(now=now(), skew=found.skew, system_identifier=self.identifier(), unread=unread)
        return decide(known, self._rules, told)

    def fingerprint(self) -> dict[str, Any]:
        return {"newest": None, "leased": []}


def planned(**slots: str) -> dict[str, Slot]:
    """The nights of the guide."""
    return {name: parse_slot(slot) for name, slot in {"backup": "03:30", "restore-test": "Sat 06:00", **slots}.items()}


def wanted(**changes: Any) -> Wanted:
    plain: dict[str, Any] = {"encryption": "sse-s3", "sealed": False, "lock_days": 0, "keep": 30 * DAY, "prefix": "p/"}
    return Wanted(**{**plain, **changes})


def folder(age: timedelta) -> str:
    return f"p/{now() - age:%Y-%m-%dT%H%M}-ab12/"


def published(age: timedelta = HOUR, **changes: Any) -> Published:
    """A verified backup that is all there; ``data`` and ``lost`` are of the bucket, the rest is the manifest's."""
    name, size = changes.pop("folder", folder(age)), changes.pop("bytes", 100 * MB)
    seen = {"data_bytes": changes.pop("data", size), "lost": changes.pop("lost", ())}
    plain: dict[str, Any] = {
        "object": f"{name}data.dump.zst",
        "version": "v1",
        "sha256": "0" * 64,
        "bytes": size,
        "started_at": now() - age - changes.pop("took", timedelta(minutes=10)),
        "finished_at": now() - age,
        "verified": True,
        "system_identifier": SYSTEM,
        "encryption": Encrypted(server="AES256"),
    }
    return Published(folder=name, written_at=now() - age, manifest=Manifest(**{**plain, **changes}), **seen)


def unreadable(age: timedelta) -> Published:
    problem = text("its manifest cannot be read: {reason}", reason="truncated")
    return Published(folder=folder(age), written_at=now() - age, problem=problem)


def nightly(nights: int = 3, **changes: Any) -> Backups:
    """One good backup each night, the last an hour ago."""
    found = tuple(published(HOUR + n * DAY) for n in range(nights))
    return Backups(**{"published": found, **changes})


def lying(*found: Published, **changes: Any) -> Backups:
    """These backups, in the order of their time."""
    return Backups(published=tuple(sorted(found, key=lambda one: one.finished_at, reverse=True)), **changes)


def left(age: timedelta, *, leased: bool = False) -> Unpublished:
    """A folder without a manifest."""
    return Unpublished(folder=folder(age), last=now() - age, bytes=MB, leased=leased)


def proven(age: timedelta, *, of: Published | None = None, **changes: Any) -> Proven:
    """A restore that went well."""
    name = of.folder if of else folder(age)
    plain: dict[str, Any] = {
        "backup": name,
        "finished_at": now() - age,
        "whole": True,
        "server_version": "17.10",
        "seconds": 90.0,
        "tables_compared": 24,
        "amcheck": "passed",
    }
    return Proven(folder=name, written_at=now() - age, proof=Proof(**{**plain, **changes}))


def tried(age: timedelta, outcome: Any = "failed", **changes: Any) -> Attempt:
    return Attempt(run="20261124T093000Z-ab12", began_at=now() - age, outcome=outcome, **changes)


def bucket(**changes: Any) -> Bucket:
    """Private, with versions, encrypting, far away and by TLS only."""
    names = ("private", "versioning", "default_encryption", "transport")
    return Bucket(**{**dict.fromkeys(names, KEPT), "tls": True, "loopback": False, **changes})


def guarded(**changes: Any) -> Guarded:
    return Guarded(**{"encryption": "AES256", "proven": True, "locked_until": None, **changes})


def standing(job: str = "backup", *, fired: timedelta | None = HOUR, **changes: Any) -> Standing:
    plain: dict[str, Any] = {
        "job": job,
        "timer": f"muses-runbook-prod-{job}.timer",
        "installed": True,
        "enabled": True,
        "active": True,
        "fired": None if fired is None else now() - fired,
        "next": now() + DAY,
        "result": "success",
    }
    return Standing(**{**plain, **changes})


def timers(*standings: Standing, host: str = "app-1", **changes: Any) -> HostTimers:
    found = standings or (standing(), standing("restore-test", fired=3 * DAY))
    return HostTimers(host=host, standings=found, **changes)
