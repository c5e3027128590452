"""``muses-runbook grants``: the least rights that the rows need, ready for whoever administers each system."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from runbook import site_file
from runbook.commands import catalogue
from runbook.commands.options import as_json, of_language, of_site
from runbook.grants.granting import Grant, grants
from runbook.settings import EnvironmentSettings
from runbook.targets.s3.rights import bucket_of, policy
from runbook.tongue import _

SYSTEMS = {
    "postgresql": "PostgreSQL",
    "rabbitmq": "RabbitMQ",
    "s3": "S3",
    "workers": _("Process manager"),
    "logs": _("Logs"),
    "hosts": _("Hosts"),
    "prometheus": "Prometheus",
}
IDENTITIES = {"reader": _("reader"), "operator": _("operator")}


@click.command(
    name="grants",
    help=_("Print the least rights that reader and operator need, for all rows or for those named"),
    epilog=_("Example: muses-runbook grants QUEUE-01 DB-01 > grants.txt"),
)
@click.argument("rows", nargs=-1, metavar="[ROW]...")
@click.option("--owner", metavar="ROLE", default="muses_owner", show_default=True, help=_("Whom the tables belong to"))
@of_site
@of_language
@as_json
def grants_command(
    rows: tuple[str, ...], owner: str, settings: Path | None, env: str | None, lang: str | None, as_json: bool
) -> None:
    """Connects to nothing and holds no password. Without rows it is for the procedures, too."""
    _name, environment = site_file.load(settings).environment(env)
    found = grants(catalogue.chosen_rows(rows, environment), environment, everything=not rows, owner=owner)
    if as_json:
        click.echo(json.dumps([_plain(grant, environment) for grant in found], ensure_ascii=False, indent=2))
        return
    for part in _parts(found, environment):
        click.echo(part)


def policies(found: Sequence[Grant], settings: EnvironmentSettings) -> dict[tuple[str, str], str]:
    """(identity, bucket) → the policy of all S3 actions that were found for it."""
    actions: dict[tuple[str, str], list[str]] = {}
    sealed = {"backup": settings.backup.kms_key_id, "archive": settings.archive.kms_key_id}
    keys: dict[str, set[str]] = {}
    for grant in found:
        bucket = bucket_of(settings.storage, grant.need.of) if grant.system == "s3" else None
        if bucket is not None:
            actions.setdefault((grant.identity, bucket), []).append(grant.need.right)
            keys.setdefault(bucket, set()).update(filter(None, [sealed[grant.need.of]]))
    return {
        (identity, bucket): policy(allowed, bucket, keys=[_key(key) for key in sorted(keys[bucket])])
        for (identity, bucket), allowed in actions.items()
    }


def _parts(found: Sequence[Grant], settings: EnvironmentSettings) -> Iterator[str]:
    written = policies(found, settings)
    for (system, identity), group in groupby(found, key=lambda grant: (grant.system, grant.identity)):
        mark = "--" if system == "postgresql" else "#"
        yield f"{mark} {SYSTEMS[system]}, {IDENTITIES[identity]}"
        if system == "s3":
            for (who, bucket), words in written.items():
                if who == identity:
                    yield f"# {bucket}\n{words}"
            continue
        for grant in group:
            yield f"{mark} {_for(grant)}\n{grant.give}"


def _for(grant: Grant) -> str:
    """The rows that need it, the first few by name."""
    more = len(grant.rows) - 6
    return ", ".join(grant.rows[:6]) + (f" … (+{more})" if more > 0 else "")


def _plain(grant: Grant, settings: EnvironmentSettings) -> dict[str, Any]:
    of = bucket_of(settings.storage, grant.need.of) if grant.system == "s3" else grant.need.of
    return {
        "system": grant.system,
        "identity": grant.identity,
        "right": grant.need.right,
        "of": of or None,
        "give": grant.give or None,
        "take": grant.take or None,
        "rows": list(grant.rows),
    }


def _key(id: str) -> str:
    return id if id.startswith("arn:") else f"arn:aws:kms:*:*:key/{id}"
