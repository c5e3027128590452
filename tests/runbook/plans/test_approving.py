"""Who may approve, how often, until when, and with which key: everything that does not count, does not count."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runbook.errors import PlanError, RunbookError, SettingsError
from runbook.plans import approving, signatures
from runbook.plans.plan_file import Approval, PlanFile
from runbook.redact import masked
from runbook.settings import ApprovalSettings
from runbook.site import Site
from tests.runbook.plans import planning
from tests.runbook.plans.planning import DAY, approved, planned, rehashed, two_tanks

HOUR = timedelta(hours=1)
NOW = datetime.now(UTC)


def standing(plan: PlanFile, site: Site, at: datetime | None = None) -> approving.Standing:
    return approving.standing_of(plan, site, at or datetime.now(UTC))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return planning.site_for(tmp_path, planning.by_hmac(tmp_path))


@pytest.fixture
def plan(site: Site) -> PlanFile:
    return planned(site, two_tanks())


class TestOneKeyForAll:
    """HMAC."""

    def test_an_approval_counts_until_it_expires(self, plan: PlanFile, site: Site) -> None:
        signed = approved(plan, site)
        assert standing(signed, site).names == "ana"
        late = standing(signed, site, datetime.now(UTC) + timedelta(hours=12))
        assert not late.is_approved
        assert "expired" in str(late.objections[0])

    @pytest.mark.parametrize(
        "forged",
        [
            pytest.param({"name": "luis"}, id="another name"),
            pytest.param({"reason": "another"}, id="another reason"),
            pytest.param({"hash": "0" * 64}, id="another plan"),
            pytest.param({"at": NOW - HOUR}, id="another time"),
            pytest.param({"expires_at": NOW + 11 * HOUR}, id="another end"),
        ],
    )
    def test_every_word_of_it_is_signed(self, plan: PlanFile, site: Site, forged: dict[str, Any]) -> None:
        people = msgspec.structs.replace(site.settings.policy.approval, people={"ana": "high", "luis": "high"})
        policy = msgspec.structs.replace(site.settings.policy, approval=people)
        open_to_both = replace(site, settings=msgspec.structs.replace(site.settings, policy=policy))
        [true] = approved(plan, site).approvals
        claim = msgspec.structs.replace(true.claim, **forged)
        changed = msgspec.structs.replace(plan, approvals=(msgspec.structs.replace(true, claim=claim),))
        assert not standing(changed, open_to_both).is_approved

    def test_an_approval_of_one_plan_is_none_of_another(self, plan: PlanFile, site: Site) -> None:
        other = rehashed(plan, run="R9")
        moved = msgspec.structs.replace(other, approvals=approved(plan, site).approvals)
        assert "another plan" in str(standing(moved, site).objections[0])

    def test_another_key_signs_nothing(self, plan: PlanFile, site: Site, tmp_path: Path) -> None:
        signed = approved(plan, site)
        (tmp_path / "site.key").write_text("another-invented-key-0123456789")
        assert not standing(signed, site).is_approved

    def test_a_key_that_everybody_can_read_signs_nothing(self, plan: PlanFile, site: Site, tmp_path: Path) -> None:
        signed = approved(plan, site)
        (tmp_path / "site.key").chmod(0o644)
        assert not standing(signed, site).is_approved
        with pytest.raises(PlanError, match="Everybody can read"):
            approved(plan, site)

    @pytest.mark.parametrize("state", ["gone", "empty"])
    def test_a_key_that_is_not_there_stops_everything(
        self, plan: PlanFile, site: Site, tmp_path: Path, state: str
    ) -> None:
        signed, file = approved(plan, site), tmp_path / "site.key"
        file.unlink() if state == "gone" else file.write_text("")
        with pytest.raises(SettingsError):
            standing(signed, site)

    def test_a_short_key_is_refused(self, plan: PlanFile, site: Site, tmp_path: Path) -> None:
        (tmp_path / "site.key").write_text("short")
        with pytest.raises(PlanError, match="shorter"):
            approved(plan, site)


class TestKeysOfTheirOwn:
    """SSH, by OpenSSH's own tool."""

    @pytest.fixture
    def site(self, tmp_path: Path) -> Site:
        approval = planning.by_ssh(tmp_path, "ana", "luis", two_persons="medium")
        return planning.site_for(tmp_path, approval)

    def test_two_persons_are_needed_and_two_are_enough(self, plan: PlanFile, site: Site, tmp_path: Path) -> None:
        first = approved(plan, site, "ana", tmp_path / "ana")
        assert (standing(first, site).needed, standing(first, site).is_approved) == (2, False)
        both = approved(first, site, "luis", tmp_path / "luis")
        assert standing(both, site).names == "ana, luis"
        assert standing(both, site).is_approved

    def test_the_same_person_twice_is_one(self, plan: PlanFile, site: Site, tmp_path: Path) -> None:
        twice = approved(approved(plan, site, "ana", tmp_path / "ana"), site, "ana", tmp_path / "ana")
        assert not standing(twice, site).is_approved
        assert "approved already" in str(standing(twice, site).objections[0])

    def test_two_names_with_one_key_are_one(self, plan: PlanFile, site: Site, tmp_path: Path) -> None:
        key = (tmp_path / "ana.pub").read_text()
        (tmp_path / "signers").write_text(f"ana {key}luis {key}")
        twice = approved(approved(plan, site, "ana", tmp_path / "ana"), site, "luis", tmp_path / "ana")
        assert not standing(twice, site).is_approved

    def test_nobody_signs_for_another(self, plan: PlanFile, site: Site, tmp_path: Path) -> None:
        forged = approved(plan, site, "luis", tmp_path / "ana")
        assert standing(forged, site).counting == ()

    def test_whose_key_was_taken_away_does_not_count_any_more(self, plan: PlanFile, site: Site, tmp_path: Path) -> None:
        signed = approved(plan, site, "ana", tmp_path / "ana")
        (tmp_path / "signers").write_text(f"luis {(tmp_path / 'luis.pub').read_text()}")
        assert standing(signed, site).counting == ()

    @pytest.mark.parametrize("content", [None, "", "not a line of signers\n"], ids=["gone", "empty", "malformed"])
    def test_signers_that_cannot_be_read_let_nobody_approve(
        self, plan: PlanFile, site: Site, tmp_path: Path, content: str | None
    ) -> None:
        signed, file = approved(plan, site, "ana", tmp_path / "ana"), tmp_path / "signers"
        file.unlink() if content is None else file.write_text(content)
        assert standing(signed, site).counting == ()

    def test_signers_that_everybody_can_write_prove_nothing(self, plan: PlanFile, site: Site, tmp_path: Path) -> None:
        signed = approved(plan, site, "ana", tmp_path / "ana")
        (tmp_path / "signers").chmod(0o646)
        assert standing(signed, site).counting == ()

    def test_without_the_tool_nobody_approves(
        self, plan: PlanFile, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signed = approved(plan, site, "ana", tmp_path / "ana")
        monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
        assert "OpenSSH" in str(standing(signed, site).objections[0])

    def test_a_tool_that_does_not_answer_proves_nothing(
        self, plan: PlanFile, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signed = approved(plan, site, "ana", tmp_path / "ana")
        (tmp_path / "ssh-keygen").write_text("#!/bin/sh\nexec sleep 60\n")
        (tmp_path / "ssh-keygen").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setattr(signatures, "VERIFYING", 0.2)
        assert "did not answer" in str(standing(signed, site).objections[0])

    def test_a_signature_for_something_else_is_none(self, plan: PlanFile, site: Site, tmp_path: Path) -> None:
        [true] = approved(plan, site, "ana", tmp_path / "ana").approvals
        words = ("-Y", "sign", "-q", "-n", "git", "-f", str(tmp_path / "ana"))
        git = signatures._ssh_keygen(words, signatures._message(true.claim), 20)
        changed = msgspec.structs.replace(plan, approvals=(msgspec.structs.replace(true, signature=git),))
        assert standing(changed, site).counting == ()

    def test_an_approval_by_the_sites_old_way_is_none(self, plan: PlanFile, site: Site, tmp_path: Path) -> None:
        old = planning.site_for(tmp_path, planning.by_hmac(tmp_path))
        assert "does not take" in str(standing(approved(plan, old), site).objections[0])

    def test_signing_needs_a_key(self, plan: PlanFile, site: Site) -> None:
        with pytest.raises(PlanError, match="--key"):
            approved(plan, site)


@pytest.mark.parametrize(
    ("people", "counts"),
    [
        ({"ana": "high"}, True),
        ({"ana": "medium"}, True),
        ({"ana": "low"}, False),
        ({"luis": "high"}, False),
        ({}, False),
    ],
)
def test_who_may_approve_up_to_which_risk(plan: PlanFile, tmp_path: Path, people: Any, counts: bool) -> None:
    site = planning.site_for(tmp_path, planning.by_hmac(tmp_path, people=people))
    assert standing(approved(plan, site), site).is_approved is counts


def test_an_approval_from_the_future_does_not_count(plan: PlanFile, site: Site) -> None:
    assert not standing(approved(plan, site, at=datetime.now(UTC) + HOUR), site).is_approved


def test_the_site_shortens_what_an_approval_says_of_itself(plan: PlanFile, site: Site, tmp_path: Path) -> None:
    signed = approved(plan, site)
    stricter = planning.site_for(tmp_path, planning.by_hmac(tmp_path, valid_for=timedelta(minutes=5)))
    assert not standing(signed, stricter, datetime.now(UTC) + timedelta(minutes=6)).is_approved


@pytest.mark.parametrize("name", ["", "-ana", "ana\nluis", "*", "a" * 65, "ana,luis", "añá"], ids=range(7))
def test_a_name_is_a_name(plan: PlanFile, site: Site, name: str) -> None:
    with pytest.raises(PlanError):
        approving.claim(plan, site, name, "ticket", NOW)


@pytest.mark.parametrize(
    "reason", ["", "  ", "two\nlines", "x" * 501, "for XEXX010101HNEXXXA4", "\x1b[2J"], ids=range(6)
)
def test_a_reason_is_one_line_without_a_person(plan: PlanFile, site: Site, reason: str) -> None:
    with pytest.raises(PlanError):
        approving.claim(plan, site, "ana", reason, NOW)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"environment": "prod"}, "The plan is for test prod"),
        ({"site": "other"}, "The plan is for other test"),
        ({"rows": ()}, "no steps"),
        ({"made_at": NOW + HOUR}, "in the future"),
        ({"expires_at": NOW - HOUR}, "expired"),
        ({"made_at": NOW - 2 * DAY, "expires_at": NOW + 9 * DAY}, "expired"),
    ],
)
def test_a_plan_of_another_place_or_time_is_not_used(
    plan: PlanFile, site: Site, content: dict[str, Any], words: str
) -> None:
    with pytest.raises(PlanError, match=words):
        approving.prove_usable(rehashed(plan, **{"made_at": NOW, **content}), site, NOW)


def test_an_unsound_policy_uses_no_plan(plan: PlanFile, tmp_path: Path) -> None:
    site = planning.site_for(tmp_path, planning.by_hmac(tmp_path), hours="always")
    with pytest.raises(SettingsError, match=r"policy\.hours"):
        approving.prove_usable(plan, site, datetime.now(UTC))


def test_a_site_without_a_way_to_sign_approves_nothing(plan: PlanFile, site: Site, tmp_path: Path) -> None:
    none = planning.site_for(tmp_path, ApprovalSettings())
    with pytest.raises(RunbookError):
        approved(plan, none)
    forged = Approval(claim=approved(plan, site).approvals[0].claim, method="none", signature="")
    assert standing(msgspec.structs.replace(plan, approvals=(forged,)), none).counting == ()


def test_a_secret_key_is_masked_once_it_was_read(plan: PlanFile, site: Site) -> None:
    approved(plan, site)
    assert planning.KEY not in masked(f"the key {planning.KEY} in a message")
