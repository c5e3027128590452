"""The rows of the backups: young, restored, as usual, kept, protected, scheduled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from checks.backups import (
    check_backup_is_as_usual,
    check_backup_was_restored,
    check_backups_are_kept,
    check_backups_are_protected,
    check_newest_backup_is_young,
    check_schedule_is_installed,
)
from procedures.backup.facts import Backups, Bucket, Guarded, HostTimers, Operating, Proven, Published
from runbook import judging, policy
from runbook.errors import JournalError, NotConfigured, ProbeFailure
from runbook.model import Choice, Effect, Plan, Proof, Risk, State
from runbook.probes import Readings
from runbook.rows import NoPlan, of
from runbook.settings import PolicySettings
from runbook.targets.s3.backups import Encrypted
from runbook.text import text
from tests.checks import backing, fakes
from tests.checks.backing import (
    BROKEN,
    DAY,
    DENIED,
    HOUR,
    MB,
    UNKNOWN,
    Backup,
    bucket,
    guarded,
    left,
    lying,
    nightly,
    proven,
    published,
    standing,
    timers,
    tried,
    unreadable,
)

OF_A_PERSON = (
    check_backup_was_restored,
    check_backup_is_as_usual,
    check_backups_are_kept,
    check_backups_are_protected,
    check_schedule_is_installed,
)
SILENT = HostTimers(host="app-2", problem=text("no answer"), failure=ProbeFailure.SILENT)


@pytest.mark.parametrize("check", OF_A_PERSON)
def test_nothing_is_ever_removed_by_itself(check: Any) -> None:
    """What a person decides stays a person's: there is no remedy that would remove a backup."""
    assert of(check).treatment is None
    assert of(check).person is not None


def said(verdict: Any) -> str:
    return " | ".join(str(measure.summary) for measure in verdict.measures)


class TestYoung:
    """BACKUP-01."""

    def verdict(self, found: Backups) -> Any:
        return fakes.judged(check_newest_backup_is_young, backup=Backup(found))

    @pytest.mark.parametrize(
        ("found", "state"),
        [
            pytest.param((published(24 * HOUR), published(48 * HOUR)), State.OK, id="of today"),
            pytest.param((published(26 * HOUR),), State.WARNING, id="one night missed"),
            pytest.param((published(60 * HOUR),), State.CRITICAL, id="two nights missed"),
            pytest.param((), State.CRITICAL, id="none"),
            pytest.param((published(data=None), published(20 * HOUR)), State.CRITICAL, id="newest without data"),
            pytest.param((published(data=999), published(20 * HOUR)), State.CRITICAL, id="newest of another size"),
            pytest.param((published(lost=("g",)), published(20 * HOUR)), State.CRITICAL, id="newest without globals"),
            pytest.param((unreadable(HOUR), published(20 * HOUR)), State.CRITICAL, id="newest cannot be read"),
            pytest.param((published(verified=False), published(20 * HOUR)), State.WARNING, id="newest not verified"),
            pytest.param((published(verified=False),), State.CRITICAL, id="none verified"),
            pytest.param((published(), published(20 * HOUR, data=9)), State.OK, id="an older one is BACKUP-04's"),
        ],
    )
    def test_state(self, found: tuple[Published, ...], state: State) -> None:
        assert self.verdict(lying(*found)).state is state

    def test_what_is_not_published_is_told(self) -> None:
        found = self.verdict(nightly(unpublished=(left(HOUR), left(30 * HOUR))))
        assert found.state is State.OK
        assert "2 backups are not published" in said(found)


class TestCauses:
    """Why BACKUP-01 is breached."""

    def findings(self, backup: Backup) -> Any:
        return fakes.diagnosed(check_newest_backup_is_young, backup=backup)

    @pytest.mark.parametrize(
        ("backup", "cause"),
        [
            pytest.param(Backup(lying(published(30 * HOUR))), "backup_did_not_begin", id="no trace of a later one"),
            pytest.param(Backup(lying()), "backup_did_not_begin", id="none ever"),
            pytest.param(
                Backup(lying(published(30 * HOUR), unpublished=(left(6 * HOUR),))),
                "last_backup_failed",
                id="broken off",
            ),
            pytest.param(
                Backup(lying(published(30 * HOUR)), attempts=(tried(6 * HOUR),)), "last_backup_failed", id="by journal"
            ),
            pytest.param(
                Backup(lying(published(30 * HOUR)), attempts=(tried(6 * HOUR, None),)),
                "last_backup_failed",
                id="killed",
            ),
            pytest.param(
                Backup(lying(published(30 * HOUR), published(verified=False))), "last_backup_failed", id="not verified"
            ),
            pytest.param(
                Backup(lying(published(30 * HOUR), leased=(backing.folder(HOUR),)), attempts=(tried(HOUR, None),)),
                "backup_is_being_made",
                id="at work",
            ),
        ],
    )
    def test_one_is_confirmed_and_the_others_ruled_out(self, backup: Backup, cause: str) -> None:
        proofs = fakes.proofs(self.findings(backup))
        assert {name for name, proof in proofs.items() if proof is Proof.CONFIRMED} == {cause}
        assert Proof.UNKNOWN not in proofs.values()

    @pytest.mark.parametrize(
        "operating",
        [
            Operating(denied=text("{where} denies", where="s3")),
            Operating(objections=(text("The bucket is open to the public: block public access first"),)),
        ],
        ids=["denied", "objections"],
    )
    def test_a_storage_that_forbids_it(self, operating: Operating) -> None:
        found = self.findings(Backup(lying(published(30 * HOUR)), operating=operating))
        assert found["storage_forbids_it"].proof is Proof.CONFIRMED

    def test_a_lease_on_a_published_backup_is_somebody_who_reads_it(self) -> None:
        newest = published(30 * HOUR)
        found = self.findings(Backup(lying(newest, leased=(newest.folder,))))
        assert found["backup_is_being_made"].proof is Proof.RULED_OUT
        assert found["backup_did_not_begin"].proof is Proof.CONFIRMED

    def test_the_timers_are_evidence(self) -> None:
        host = timers(standing(installed=False), host="app-1")
        found = self.findings(Backup(lying(published(30 * HOUR)), timers=(host, SILENT)))["backup_did_not_begin"]
        words = " | ".join(str(one.statement) for one in found.evidence)
        assert "plans the backup at 03:30" in words
        assert "app-1: muses-runbook-prod-backup.timer is not installed" in words
        assert "no answer" in words

    def test_without_hosts_or_plan_or_journal_the_bucket_decides(self) -> None:
        blind = {"timers": NotConfigured("hosts", "environments.prod.hosts"), "attempts": JournalError("broken")}
        for slots in ({}, backing.planned()):
            found = self.findings(Backup(lying(published(30 * HOUR)), slots=slots, **blind))
            assert found["backup_did_not_begin"].proof is Proof.CONFIRMED
            assert found["last_backup_failed"].proof is Proof.RULED_OUT

    def test_why_a_remedy_failed_is_told(self) -> None:
        attempts = (tried(HOUR, said=text("{program} is not there", program="pg_dump")),)
        found = self.findings(Backup(lying(published(30 * HOUR)), attempts=attempts))["last_backup_failed"]
        assert "pg_dump is not there" in str(found.summary)


class TestRemedy:
    """The backup as the one step, where it may be made."""

    def plan(self, backup: Backup) -> Plan:
        row, targets = of(check_newest_backup_is_young), {"backup": backup}
        found = judging.diagnose(row, targets, Readings(), {})
        self.proofs = tuple(finding.proof for finding in found)
        plan = judging.plan(row, found, targets, Readings(), timedelta(minutes=1))
        assert isinstance(plan, Plan)
        return plan

    def test_one_step_that_adds_a_backup(self) -> None:
        plan = self.plan(Backup(lying(published(30 * HOUR))))
        (step,) = plan.steps
        assert (step.target, step.operation, step.arguments) == ("backup", "backup", {})
        assert (step.risk, step.effect, step.touches) == (Risk.LOW, Effect.CHANGE, 1)
        assert step.fingerprint == {"newest": None, "leased": []}
        assert "no older backup is touched" in str(step.what)

    @pytest.mark.parametrize(
        ("backup", "words"),
        [
            (Backup(lying(published(30 * HOUR), leased=(backing.folder(HOUR),))), "being made just now"),
            (Backup(lying(), operating=Operating(denied=text("denied"))), "does not let the operator in"),
        ],
        ids=["at work", "the storage forbids it"],
    )
    def test_a_reason_to_do_nothing(self, backup: Backup, words: str) -> None:
        plan = self.plan(backup)
        assert plan.steps == ()
        assert words in str(plan.reason)

    def test_no_plan_is_an_exception_of_its_own(self) -> None:
        treatment = of(check_newest_backup_is_young).treatment
        assert treatment is not None
        backup = Backup(lying(published(30 * HOUR), leased=(backing.folder(HOUR),)))
        findings = fakes.diagnosed(check_newest_backup_is_young, backup=backup)
        with pytest.raises(NoPlan):
            list(treatment.remedy(findings=findings, backup=backup))

    @pytest.mark.parametrize(
        ("settings", "choice"),
        [
            ({}, Choice.ASK),
            ({"low": "act"}, Choice.ACT),
            ({"low": "act", "rows": {"BACKUP-01": "never"}}, Choice.LEAVE),
            ({"rows": {"BACKUP-01": "act"}}, Choice.ACT),
        ],
    )
    def test_policy_decides(self, settings: dict[str, Any], choice: Choice) -> None:
        plan = self.plan(Backup(lying(published(30 * HOUR))))
        now = policy.Circumstances(
            row="BACKUP-01",
            fixing=True,
            local_time=fakes.now(),
            proofs=self.proofs,
            attempts=(),
            spent=(),
            effects=tuple(step.effect for step in plan.steps),
            settings=PolicySettings(**settings),
        )
        assert policy.decide(plan, now).choice is choice


class TestRestored:
    """BACKUP-02."""

    def verdict(self, *proofs: Proven, found: Backups | None = None) -> Any:
        newest_first = tuple(sorted(proofs, key=lambda one: one.written_at, reverse=True))
        lie = found or nightly(20)
        lie = Backups(published=lie.published, proofs=newest_first)
        return fakes.judged(check_backup_was_restored, backup=Backup(lie))

    @pytest.mark.parametrize(
        ("proofs", "state"),
        [
            pytest.param((proven(7 * DAY),), State.OK, id="a week ago"),
            pytest.param((proven(9 * DAY),), State.WARNING, id="one missed"),
            pytest.param((proven(32 * DAY),), State.CRITICAL, id="a month ago"),
            pytest.param((), State.CRITICAL, id="never"),
            pytest.param((proven(HOUR, whole=False),), State.CRITICAL, id="never whole"),
            pytest.param((proven(HOUR, whole=False), proven(2 * DAY)), State.OK, id="a sample after a whole one"),
            pytest.param((proven(HOUR, problem="no disk"), proven(2 * DAY)), State.CRITICAL, id="the newest failed"),
            pytest.param((proven(HOUR), proven(2 * DAY, problem="no disk")), State.OK, id="an older one failed"),
            pytest.param((proven(HOUR, amcheck="failed"),), State.CRITICAL, id="a damaged index"),
        ],
    )
    def test_state(self, proofs: tuple[Proven, ...], state: State) -> None:
        assert self.verdict(*proofs).state is state

    def test_the_age_is_the_backups_not_the_tests(self) -> None:
        old = published(12 * DAY)
        assert self.verdict(proven(HOUR, of=old), found=lying(published(), old)).state is State.WARNING

    def test_what_differed_is_named(self) -> None:
        differing = {f"muses_dev.t{n}": (10, n) for n in range(7)}
        words = said(self.verdict(proven(HOUR, differing=differing)))
        assert "muses_dev.t0 (0 ≠ 10)" in words
        assert "muses_dev.t5" not in words

    @pytest.mark.parametrize("found", [lying(published(7 * DAY)), lying()], ids=["young", "none"])
    def test_nothing_was_due_yet(self, found: Backups) -> None:
        assert self.verdict(found=found).state is State.SKIPPED

    def test_a_first_test_that_failed_is_critical_however_young(self) -> None:
        assert self.verdict(proven(HOUR, problem="x"), found=lying(published(2 * HOUR))).state is State.CRITICAL

    def test_a_proof_that_cannot_be_read_is_told(self) -> None:
        lost = Proven(folder="p/x/", written_at=fakes.now(), problem=text("the proof {key} cannot be read", key="k"))
        assert self.verdict(lost, proven(DAY)).state is State.WARNING


class TestAsUsual:
    """BACKUP-03."""

    def verdict(self, *found: Published) -> Any:
        return fakes.judged(check_backup_is_as_usual, backup=Backup(lying(*found)))

    def before(self, count: int = 5, **changes: Any) -> list[Published]:
        return [published((n + 1) * DAY + HOUR, **changes) for n in range(count)]

    @pytest.mark.parametrize(
        ("bytes", "state"),
        [(50 * MB, State.OK), (49 * MB, State.WARNING), (300 * MB, State.OK), (301 * MB, State.WARNING)],
    )
    def test_size(self, bytes: int, state: State) -> None:
        assert self.verdict(published(bytes=bytes), *self.before()).state is state

    @pytest.mark.parametrize(
        ("took", "usual", "state"),
        [
            pytest.param(31, 10, State.WARNING, id="thrice as long"),
            pytest.param(29, 10, State.OK, id="nearly"),
            pytest.param(4, 1, State.OK, id="short all the same"),
        ],
    )
    def test_duration(self, took: int, usual: int, state: State) -> None:
        earlier = self.before(took=timedelta(minutes=usual))
        assert self.verdict(published(took=timedelta(minutes=took)), *earlier).state is state

    def test_only_the_last_fortnight_counts(self) -> None:
        older = [published((n + 20) * DAY, bytes=900 * MB) for n in range(40)]
        assert self.verdict(published(), *self.before(14), *older).state is State.OK

    def test_bad_ones_and_those_of_another_system_do_not_count(self) -> None:
        others = [*self.before(3, verified=False, bytes=900 * MB), *self.before(9, system_identifier="x")]
        assert self.verdict(published(), *others).state is State.SKIPPED

    def test_a_manifest_without_times_has_a_size_all_the_same(self) -> None:
        found = self.verdict(published(started_at=None), *self.before(started_at=None))
        assert found.state is State.OK
        assert "do not say how long" in said(found)


class TestKept:
    """BACKUP-04."""

    def verdict(self, found: Backups, **answers: Any) -> Any:
        settings = answers.pop("settings", {})
        return fakes.judged(check_backups_are_kept, backup=Backup(found, **answers), settings=settings)

    def nights(self, *ages: int, **changes: Any) -> Backups:
        return lying(*(published(age * DAY + timedelta(minutes=1)) for age in ages), **changes)

    def test_thirty_nights(self) -> None:
        found = self.verdict(self.nights(*range(31)))
        assert found.state is State.OK, said(found)

    @pytest.mark.parametrize(
        ("missing", "state"),
        [(1, State.WARNING), (3, State.WARNING), (4, State.CRITICAL)],
        ids=["one", "three", "four"],
    )
    def test_missing_nights_are_counted_and_listed(self, missing: int, state: State) -> None:
        found = self.verdict(self.nights(0, *range(missing + 1, 30)))
        assert found.state is state
        gone = (fakes.now() - DAY - timedelta(minutes=1)).date().isoformat()
        assert gone in said(found)

    def test_before_the_first_backup_nothing_is_missing(self) -> None:
        assert self.verdict(self.nights(0, 1)).state is State.OK

    def test_of_a_night_that_has_two_a_bad_one_is_told_and_does_not_make_it_missing(self) -> None:
        bad = published(2 * DAY + timedelta(minutes=30), data=None)
        found = self.verdict(lying(*self.nights(0, 1, 2).published, bad))
        assert found.state is State.WARNING
        assert "is missing" in said(found)
        assert "Every day since" in said(found)

    @pytest.mark.parametrize(
        ("piece", "state"),
        [(left(23 * HOUR), State.OK), (left(25 * HOUR), State.WARNING), (left(25 * HOUR, leased=True), State.OK)],
        ids=["young", "left behind", "leased"],
    )
    def test_data_without_a_manifest(self, piece: Any, state: State) -> None:
        assert self.verdict(self.nights(0, 1, unpublished=(piece,))).state is state

    @pytest.mark.parametrize(
        ("oldest", "state"), [(31, State.OK), (33, State.WARNING)], ids=["within its grace", "past it"]
    )
    def test_an_expired_one_that_stays(self, oldest: int, state: State) -> None:
        found = self.verdict(self.nights(*range(oldest + 1)))
        assert found.state is state, said(found)

    def test_a_reason_keeps_it(self) -> None:
        """Of those past their time the newest stays by the rules, and that is all there is."""
        assert self.verdict(self.nights(*range(30), 45)).state is State.OK

    def test_frozen_retention_says_why(self) -> None:
        stranger = published(2 * DAY + HOUR, system_identifier="9")
        found = self.verdict(lying(*self.nights(0, 1).published, stranger))
        assert found.state is State.WARNING
        assert "of another database system" in said(found)

    def test_who_the_database_is_must_be_known(self) -> None:
        found = self.verdict(self.nights(0, 1), identifier=fakes.failing(ProbeFailure.SILENT))
        assert found.state is State.UNKNOWN
        missing = self.verdict(self.nights(0, 5), identifier=fakes.failing(ProbeFailure.SILENT))
        assert missing.state is State.CRITICAL, "what is worse than blind is still said"

    def test_a_site_without_a_database_has_no_retention(self) -> None:
        absent = NotConfigured("database", "environments.prod.database")
        found = self.verdict(self.nights(0, 1), identifier=absent)
        assert found.state is State.OK
        assert "is not configured" in said(found)

    @pytest.mark.parametrize(("since", "state"), [(31 * DAY, State.OK), (33 * DAY, State.WARNING)])
    def test_more_than_a_check_reads(self, since: timedelta, state: State) -> None:
        many = self.nights(0, 1, unread=300, unread_since=fakes.now() - since)
        assert self.verdict(many).state is state

    def test_none_at_all(self) -> None:
        assert self.verdict(lying()).state is State.CRITICAL


class TestProtected:
    """BACKUP-05."""

    def verdict(
        self, found: Backups | None = None, guards: Bucket | None = None, seen: Guarded | None = None, **w: Any
    ) -> Any:
        answers = {"bucket": guards or bucket(), "guarded": seen or guarded(), "wanted": w}
        return fakes.judged(check_backups_are_protected, backup=Backup(found or nightly(), **answers))

    @pytest.mark.parametrize(
        ("changes", "state"),
        [
            ({}, State.OK),
            ({"private": BROKEN}, State.CRITICAL),
            ({"versioning": BROKEN}, State.WARNING),
            ({"default_encryption": BROKEN}, State.WARNING),
            ({"transport": BROKEN}, State.WARNING),
            ({"tls": False}, State.CRITICAL),
            ({"tls": False, "transport": BROKEN, "loopback": True}, State.OK),
            (dict.fromkeys(("private", "versioning", "default_encryption", "transport"), UNKNOWN), State.OK),
            ({"versioning": DENIED}, State.UNKNOWN),
            ({"default_encryption": DENIED}, State.UNKNOWN),
            ({"transport": DENIED}, State.UNKNOWN),
        ],
        ids=[
            *("all", "public", "no versions", "no default", "no policy", "http", "here", "a server that does not tell"),
            *("may not ask for versions", "may not ask for the default", "may not ask for the policy"),
        ],
    )
    def test_bucket(self, changes: dict[str, Any], state: State) -> None:
        assert self.verdict(guards=bucket(**changes)).state is state

    def test_what_is_not_told_is_no_green_tick(self) -> None:
        found = self.verdict(guards=bucket(private=UNKNOWN))
        assert [m.state for m in found.measures if m.object == "private"] == [State.SKIPPED]

    @pytest.mark.parametrize(
        ("wanted", "encrypted", "seen", "state"),
        [
            pytest.param({}, {"server": "AES256"}, {}, State.OK, id="as asked"),
            pytest.param(
                {}, {"server": "AES256"}, {"encryption": None, "proven": False}, State.CRITICAL, id="said then, not now"
            ),
            pytest.param({}, {}, {}, State.WARNING, id="made without proof"),
            pytest.param({"sealed": True}, {"server": "AES256"}, {}, State.WARNING, id="not sealed"),
            pytest.param(
                {"encryption": "none", "sealed": True},
                {"client": "age"},
                {"encryption": None, "proven": False},
                State.OK,
                id="age alone",
            ),
            pytest.param(
                {"sealed": True},
                {"server": "AES256", "client": "age"},
                {"encryption": None, "proven": False},
                State.WARNING,
                id="age, and the server does not do its part",
            ),
            pytest.param(
                {"encryption": "none"},
                {},
                {"encryption": None, "proven": False},
                State.CRITICAL,
                id="practice, for real",
            ),
            pytest.param({"encryption": "none"}, {}, {"proven": False}, State.OK, id="the bucket does it unasked"),
        ],
    )
    def test_encryption(
        self, wanted: dict[str, Any], encrypted: dict[str, Any], seen: dict[str, Any], state: State
    ) -> None:
        found = lying(published(encryption=Encrypted(**encrypted)))
        assert self.verdict(found, seen=guarded(**seen), **wanted).state is state

    @pytest.mark.parametrize(
        ("until", "state"),
        [(None, State.WARNING), (29 * DAY, State.OK), (20 * DAY, State.WARNING)],
        ids=["not locked", "locked", "not as long"],
    )
    def test_lock(self, until: timedelta | None, state: State) -> None:
        seen = guarded(locked_until=None if until is None else fakes.now() + until)
        assert self.verdict(seen=seen, lock_days=30).state is state
        assert self.verdict(seen=seen).state is State.OK

    def test_an_empty_bucket_is_judged_all_the_same(self) -> None:
        assert self.verdict(lying(), bucket(private=BROKEN)).state is State.CRITICAL


class TestScheduled:
    """BACKUP-06."""

    def verdict(self, *hosts: HostTimers, settings: Any = None, **answers: Any) -> Any:
        backup = Backup(timers=hosts, **answers)
        return fakes.judged(check_schedule_is_installed, backup=backup, settings=settings)

    @pytest.mark.parametrize(
        ("changes", "state"),
        [
            ({}, State.OK),
            ({"fired": 27 * HOUR}, State.WARNING),
            ({"fired": 51 * HOUR}, State.CRITICAL),
            ({"fired": None}, State.OK),
            ({"active": False}, State.WARNING),
            ({"enabled": False}, State.WARNING),
            ({"stale": True}, State.WARNING),
            ({"result": "exit-code", "exit_code": 2}, State.WARNING),
            ({"result": "exit-code", "running": True}, State.OK),
            ({"installed": False}, State.WARNING),
        ],
        ids=["fired", "late", "later", "new", "stopped", "until reboot", "changed", "failed", "at it again", "absent"],
    )
    def test_state(self, changes: dict[str, Any], state: State) -> None:
        assert self.verdict(timers(standing(**changes), standing("restore-test"))).state is state

    def test_a_weekly_job_has_its_own_time(self) -> None:
        for days, state in ((7, State.OK), (9, State.WARNING), (16, State.CRITICAL)):
            assert self.verdict(timers(standing(), standing("restore-test", fired=days * DAY))).state is state

    def test_one_host_has_it_and_the_others_need_not(self) -> None:
        elsewhere = timers(standing(installed=False), standing("restore-test", installed=False), host="app-2")
        assert self.verdict(elsewhere, timers()).state is State.OK
        assert self.verdict(SILENT, timers()).state is State.OK

    def test_a_silent_host_may_have_it(self) -> None:
        elsewhere = timers(standing(installed=False), standing("restore-test", installed=False))
        assert self.verdict(elsewhere, SILENT).state is State.UNKNOWN
        assert self.verdict(SILENT).state is State.UNKNOWN
        only = timers(standing(), standing("restore-test", installed=False))
        assert self.verdict(only, SILENT).state is State.UNKNOWN

    def test_what_is_not_planned_is_not_asked_for(self) -> None:
        assert (
            self.verdict(timers(standing(), standing("restore-test", installed=False)), slots={}).state is State.SKIPPED
        )
        only = {"backup": backing.planned()["backup"]}
        assert self.verdict(timers(standing()), slots=only).state is State.OK

    def test_something_else_may_begin_the_jobs(self) -> None:
        assert self.verdict(settings={"systemd": 0}).state is State.SKIPPED

    def test_without_hosts_it_is_not_configured(self) -> None:
        absent = NotConfigured("hosts", "environments.prod.hosts")
        with pytest.raises(NotConfigured):
            fakes.judged(check_schedule_is_installed, backup=Backup(timers=absent))
