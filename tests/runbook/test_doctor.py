"""``doctor`` on the real lab: all is held; one right taken away is found, with the command that mends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab.place import Place
from runbook.cli import Exit
from runbook.targets.opening import KINDS

COMMAND = Path(sys.executable).with_name("muses-runbook")
OVERRIDE = "MUSES_RUNBOOK__ENVIRONMENTS__LAB__"


def examined(place: Place, **variables: str) -> tuple[int, dict[str, dict[str, Any]]]:
    done = subprocess.run(
        [COMMAND, "doctor", "--json", "--settings", place.site_file],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, {one["target"]: one for one in json.loads(done.stdout)}


def test_every_identity_of_the_lab_holds_what_it_needs(lab_place: Place) -> None:
    code, found = examined(lab_place)
    missing = [(name, right) for name, one in found.items() for right in one["rights"] if not right["held"]]
    assert (code, missing) == (Exit.OK, [])
    assert set(found) == set(KINDS)
    assert {right["identity"] for right in found["database"]["rights"]} == {"reader", "operator"}


def test_a_reader_who_cannot_see_is_told_how_to_mend_it(lab_place: Place) -> None:
    blind = {
        f"{OVERRIDE}DATABASE__READER__USER": "muses_app",
        f"{OVERRIDE}DATABASE__READER__PASSWORD__FILE": str(lab_place.secret_file("database-muses_app")),
    }
    code, found = examined(lab_place, **blind)
    assert code == Exit.CRITICAL
    mends = [right["mend"] for right in found["database"]["rights"] if not right["held"]]
    assert any("GRANT pg_monitor TO" in mend for mend in mends)


def test_a_target_that_does_not_answer_is_said(lab_place: Place) -> None:
    code, found = examined(lab_place, **{f"{OVERRIDE}STORAGE__ENDPOINT_URL": "http://127.0.0.1:1"})
    assert code == Exit.CRITICAL
    assert found["storage"]["problem"]
    assert all(found[name]["problem"] is None for name in ("database", "broker", "logs"))


def test_grants_hold_no_secret(lab_place: Place) -> None:
    done = subprocess.run(
        [COMMAND, "grants", "--settings", lab_place.site_file], capture_output=True, text=True, check=True
    )
    assert "GRANT pg_monitor" in done.stdout
    assert "set_user_tags muses_reader monitoring" in done.stdout
    for secret in lab_place.secret_file("x").parent.iterdir():
        assert secret.read_text().strip() not in done.stdout
