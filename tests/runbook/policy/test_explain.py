"""The simulator: it asks the policy itself, of a plan that is supposed, at a time that is given."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from runbook.commands.policy import policy
from runbook.errors import SettingsError
from runbook.history import History

SITE = """
[site]
environment = "lab"
state = "{state}"
[environments.lab.policy]
low = "act"
[environments.prod.policy]
low = "act"
medium = "ask"
high = "never"
hours = "00:00-23:59"
windows = [{{ name = "noche", hours = "02:00-05:00", risks = ["medium"] }}]
freezes = [{{ name = "cierre", begins = "2026-12-15", ends = "2027-01-07" }}]
rows = {{ STAGE-01 = "ask" }}
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site.toml").write_text(SITE.format(state=tmp_path / "state"))
    return tmp_path / "site.toml"


def explained(site: Path, *arguments: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(
        policy, ["explain", *arguments, "--settings", str(site), "--json"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.output)
    return found


@pytest.mark.parametrize(
    ("arguments", "answer", "rule"),
    [
        (("DB-05", "--at", "2026-11-24 03:00"), "act", "policy.windows.noche"),
        (("DB-05", "--at", "2026-11-24 05:00"), "ask", "policy.medium"),
        (("DB-05", "--at", "2026-11-24 03:00", "--risk", "high"), "never", "policy.high"),
        (("DB-05", "--at", "2026-11-24 03:00", "--risk", "low"), "act", "policy.low"),
        (("DB-05", "--at", "2026-11-24 23:59"), "never", "policy.hours"),
        (("DB-05", "--at", "2027-01-07 03:00"), "never", "policy.freezes.cierre"),
        (("DB-05", "--at", "2026-11-24 03:00", "--touches", "9"), "never", "policy.max_touched"),
        (("STAGE-01", "--at", "2026-11-24 03:00"), "ask", "policy.rows.STAGE-01"),
        (("BACKUP-04", "--at", "2026-11-24 03:00"), "never", "remedy"),
        # The same moment, written with another zone's offset.
        (("DB-05", "--at", "2026-11-24T09:00:00+00:00"), "act", "policy.windows.noche"),
    ],
)
def test_it_answers_and_names_the_rule(site: Path, arguments: tuple[str, ...], answer: str, rule: str) -> None:
    [said] = explained(site, *arguments, "--env", "prod")
    assert (said["answer"], said["rule"]) == (answer, rule)
    assert said["reason"]


def test_another_environment_has_another_policy(site: Path) -> None:
    [said] = explained(site, "DB-05", "--at", "2026-11-24 03:00")
    assert (said["answer"], said["rule"]) == ("ask", "policy.medium")


def test_without_a_row_every_row_that_has_a_remedy_is_told(site: Path) -> None:
    said = explained(site, "--env", "prod")
    assert len(said) > 5
    assert "remedy" not in {one["rule"] for one in said}


def test_what_was_tried_before_counts(site: Path) -> None:
    history = History(site.parent / "state" / "history.sqlite", "prod")
    history.note_attempt("DB-05", "R1", ("database",))
    history.close()
    at = datetime.now(UTC) + timedelta(minutes=5)
    [soon] = explained(site, "DB-05", "--env", "prod", "--risk", "low", "--at", at.isoformat())
    [other] = explained(site, "ETL-01", "--env", "prod", "--risk", "low", "--at", at.isoformat())
    assert soon["rule"] == "policy.cooldown"
    assert other["rule"] in ("policy.low", "policy.hours")


def test_a_history_that_cannot_be_read_lets_nothing_act(site: Path) -> None:
    (site.parent / "state").mkdir()
    (site.parent / "state" / "history.sqlite").write_bytes(b"this is no database, and long enough to be seen" * 40)
    [said] = explained(site, "DB-05", "--env", "prod", "--at", "2026-11-24 03:00")
    assert (said["answer"], said["rule"]) == ("never", "history")


def test_a_policy_that_contradicts_itself_answers_never(site: Path) -> None:
    site.write_text(
        site.read_text()
        .replace('STAGE-01 = "ask"', 'STAGE-01 = "never"')
        .replace('risks = ["medium"]', 'rows = ["STAGE-01"]')
    )
    [said] = explained(site, "DB-05", "--env", "prod", "--at", "2026-11-24 03:00")
    assert (said["answer"], said["rule"]) == ("never", "policy.windows.noche")


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        (("DB-05", "--at", "tonight"), "--at"),
        (("DB-5",), None),
    ],
)
def test_what_is_wrong_is_said(site: Path, wrong: tuple[str, ...], key: str | None) -> None:
    with pytest.raises(SettingsError) as caught:
        explained(site, *wrong, "--env", "prod")
    assert caught.value.key == key


def test_a_window_for_a_row_there_is_not_is_refused(site: Path) -> None:
    site.write_text(site.read_text().replace('risks = ["medium"]', 'rows = ["DB-5"]'))
    with pytest.raises(SettingsError) as caught:
        explained(site, "DB-05", "--env", "prod")
    assert caught.value.key == "policy.windows.noche.DB-5"
