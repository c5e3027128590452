"""Runs into tickets, on real HTTP servers that follow the vendors' interfaces: once, renewed, and ended when proven."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runbook.delivery.attaching import Delivered
from runbook.delivery.desk import deliver
from runbook.delivery.memory import FILE
from runbook.delivery.tickets import parse_ticket, wire
from runbook.errors import DeliveryError
from runbook.model import Run, State
from tests.runbook.delivery import servers
from tests.runbook.delivery.servers import TOKEN, USER, Issue, Said, Vendor, served
from tests.runbook.delivery.story import CRITICAL, OK, TOKEN_IN, WARNING, Story
from tests.runbook.targets.servers_network import silent_port


class Place(NamedTuple):
    """One kind of tracker: what the site file says of it, a ticket that is there, one that is opened next."""

    settings: dict[str, Any]
    ticket: str
    opened: str


PLACES = {
    "jira-cloud": Place(
        {"tracker": "jira", "jira": "cloud", "user": USER, "project": "OPS"}, "jira:OPS-123", "jira:OPS-124"
    ),
    "jira-server": Place({"tracker": "jira", "project": "OPS"}, "jira:OPS-123", "jira:OPS-124"),
    "github": Place({"tracker": "github", "project": "sep/muses"}, "github:sep/muses#12", "github:sep/muses#14"),
    "gitlab": Place(
        {"tracker": "gitlab", "project": "sep/muses/ops"}, "gitlab:sep/muses/ops#3", "gitlab:sep/muses/ops#4"
    ),
    "servicenow": Place(
        {"tracker": "servicenow", "user": "muses.bot"}, "servicenow:INC0010023", "servicenow:INC0010024"
    ),
}


class Ground(NamedTuple):
    """A tracker with an environment beside it."""

    vendor: Any
    story: Story
    place: Place

    def deliver(self, run: Run, to: str | None = None, **how: Any) -> tuple[Delivered, ...]:
        name = parse_ticket(to) if to else None
        return deliver(self.story.site, run, self.story.language, name=name, **how)

    def into(self, run: Run, **how: Any) -> Delivered:
        (one,) = self.deliver(run, self.place.ticket, **how)
        return one

    def comments(self, ticket: str) -> list[str]:
        """What the ticket says, oldest comment first, with what is hidden in it."""
        id = ticket.rpartition("#")[2].rpartition(":")[2]
        if isinstance(self.vendor, servers.ServiceNow):
            return next(self.vendor.notes[k] for k, one in self.vendor.records.items() if one["number"] == id)
        return [
            one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)
            for one in self.vendor.issues[id].comments.values()
        ]

    def is_closed(self, ticket: str) -> bool:
        id = ticket.rpartition("#")[2].rpartition(":")[2]
        if isinstance(self.vendor, servers.ServiceNow):
            return any(one["number"] == id and one["state"] == "6" for one in self.vendor.records.values())
        return bool(self.vendor.issues[id].closed)


def vendor_of(kind: str) -> Vendor:
    match kind:
        case "github":
            return servers.GitHub()
        case "gitlab":
            return servers.GitLab()
        case "servicenow":
            return servers.ServiceNow()
    return servers.Jira(cloud=kind == "jira-cloud")


@pytest.fixture
def open_ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes a tracker of a kind with a story beside it."""
    monkeypatch.setenv(TOKEN_IN, TOKEN)
    monkeypatch.setattr(wire, "PAUSE", 0.01)
    monkeypatch.setenv("MUSES_RUNBOOK_LANG", "en")
    with ExitStack() as stack:

        def made(kind: str, **settings: Any) -> Ground:
            vendor = stack.enter_context(served(vendor_of(kind)))
            place = PLACES[kind]
            story = Story(tmp_path).with_tickets(**place.settings, url=vendor.url, **settings)
            stack.callback(story.site.history.close)
            return Ground(vendor, story, place)

        yield made


@pytest.fixture(params=list(PLACES))
def ground(request: pytest.FixtureRequest, open_ground: Any) -> Ground:
    made: Ground = open_ground(request.param)
    return made


def test_a_run_is_attached_once_however_often_it_is_asked(ground: Ground) -> None:
    run = ground.story.run(10, QUEUE=CRITICAL)
    before = len(ground.comments(ground.place.ticket))
    first, changed = ground.into(run), ground.vendor.count("POST") + ground.vendor.count("PATCH")
    assert (first.comment, first.ended, first.run) == ("new", False, run.id)
    assert first.link.startswith("http")
    again = ground.into(run)
    assert again.comment == "same"
    assert ground.vendor.count("POST") + ground.vendor.count("PATCH") == changed
    said = ground.comments(ground.place.ticket)
    assert len(said) == before + 1
    assert "QUEUE-01" in said[-1]
    assert run.id in said[-1]
    assert f"incident={first.incident}" in said[-1]


def test_a_later_run_of_the_incident_renews_the_comment_and_an_earlier_one_never_does(ground: Ground) -> None:
    first, second = ground.story.run(20, QUEUE=WARNING), ground.story.run(10, QUEUE=CRITICAL, ETL=WARNING)
    before = len(ground.comments(ground.place.ticket))
    ground.into(first)
    renewed = ground.into(second)
    said = ground.comments(ground.place.ticket)[before:]
    if renewed.comment == "renewed":
        assert len(said) == 1
    else:
        assert (len(said), renewed.comment, ground.place.settings["tracker"]) == (2, "new", "servicenow")
    assert "ETL-01" in said[-1]
    if renewed.comment == "renewed":
        ground.into(first)
        assert "ETL-01" in ground.comments(ground.place.ticket)[before]


def test_a_later_run_goes_into_the_incidents_ticket_without_being_told_where(ground: Ground) -> None:
    ground.into(ground.story.run(20, QUEUE=WARNING))
    (one,) = ground.deliver(ground.story.run(10, QUEUE=CRITICAL))
    assert one.ticket == ground.place.ticket


@pytest.mark.parametrize("kind", ["jira-server", "github", "gitlab"])
def test_our_comment_is_found_behind_those_of_others_on_later_pages(open_ground: Any, kind: str) -> None:
    ground = open_ground(kind)
    issue: Issue = ground.vendor.issues[ground.place.ticket.rpartition("#")[2].rpartition(":")[2]]
    for words in ("hola", "ya lo veo", "sigo", "listo", "no"):
        issue.add({"body": words, "properties": []} if kind == "jira-server" else words)
    run = ground.story.run(10, QUEUE=CRITICAL)
    assert [ground.into(run).comment for _ in range(2)] == ["new", "same"]
    assert len(issue.comments) == 6


@pytest.mark.parametrize("kind", ["github", "gitlab"])
def test_our_ticket_is_found_behind_those_of_others_on_later_pages(open_ground: Any, kind: str) -> None:
    ground = open_ground(kind, open="critical")
    run = ground.story.run(10, QUEUE=CRITICAL)
    others = {str(number): Issue(body="otra cosa", description="otra cosa", title="x") for number in range(50, 54)}
    ground.vendor.issues = {**others, **ground.vendor.issues}
    (opened,) = ground.deliver(run, may_open=True)
    (ground.story.site.state_folder / FILE).unlink()
    (found,) = ground.deliver(run, may_open=True)
    assert (opened.opened, found.opened, found.ticket) == (True, False, opened.ticket)


def test_a_persons_ticket_is_closed_only_when_a_person_says_so(open_ground: Any) -> None:
    ground = open_ground("gitlab", close=True)
    ground.into(ground.story.run(20, QUEUE=CRITICAL))
    run = ground.story.run(10, QUEUE=OK)
    assert (ground.into(run).closed, ground.is_closed(ground.place.ticket)) == (False, False)
    assert (ground.into(run, close=True).closed, ground.is_closed(ground.place.ticket)) == (True, True)
    assert ground.into(run, close=True).closed is False


def test_an_incident_has_as_many_tickets_as_people_name(open_ground: Any, tmp_path: Path) -> None:
    ground = open_ground("github")
    run, folder = ground.story.run(30, QUEUE=CRITICAL), f"file:{tmp_path / 'ticket'}"
    ground.into(run)
    ground.deliver(run, folder)
    later = ground.deliver(ground.story.run(20, QUEUE=OK))
    assert [(one.ticket, one.ended) for one in later] == [(ground.place.ticket, True), (folder, True)]


def test_a_ticket_that_was_taken_away_keeps_none_of_the_others_and_is_asked_once(
    open_ground: Any, tmp_path: Path
) -> None:
    ground = open_ground("github")
    run, folder = ground.story.run(30, QUEUE=CRITICAL), f"file:{tmp_path / 'ticket'}"
    ground.into(run)
    ground.deliver(run, folder)
    del ground.vendor.issues["12"]
    gone, there = ground.deliver(ground.story.run(20, QUEUE=OK))
    assert (gone.comment, "404" in str(gone.error)) == ("failed", True)
    assert (there.ticket, there.ended) == (folder, True)
    assert ground.deliver(ground.story.run(10, QUEUE=OK)) == ()


def test_the_end_is_written_once_it_is_proven_and_a_persons_ticket_stays_open(ground: Ground) -> None:
    ground.into(ground.story.run(20, QUEUE=CRITICAL))
    (over,) = ground.deliver(ground.story.run(10, QUEUE=OK))
    assert (over.ended, over.closed, ground.is_closed(ground.place.ticket)) == (True, False, False)
    said = ground.comments(ground.place.ticket)
    assert "Corregido y comprobado" in said[-1] or "Fixed and proven" in said[-1]
    assert ground.deliver(ground.story.run(5, QUEUE=OK)) == ()
    assert ground.comments(ground.place.ticket) == said


def test_an_end_that_came_meanwhile_is_written_by_whichever_run_comes_next(ground: Ground) -> None:
    ground.into(ground.story.run(30, QUEUE=CRITICAL))
    ground.story.run(20, QUEUE=OK)
    (over,) = ground.deliver(ground.story.run(10, QUEUE=OK))
    assert (over.ticket, over.ended) == (ground.place.ticket, True)


@pytest.mark.parametrize("kind", list(PLACES))
def test_where_policy_says_so_a_ticket_is_opened_kept_and_closed(open_ground: Any, kind: str) -> None:
    ground = open_ground(kind, open="critical", close=True)
    assert ground.deliver(ground.story.run(50, QUEUE=WARNING), may_open=True) == ()
    run = ground.story.run(40, QUEUE=CRITICAL)
    assert ground.deliver(run) == ()
    (opened,) = ground.deliver(run, may_open=True)
    assert (opened.opened, opened.ticket) == (True, ground.place.opened)
    (ground.story.site.state_folder / FILE).unlink()
    (found,) = ground.deliver(ground.story.run(30, QUEUE=CRITICAL, ETL=WARNING), may_open=True)
    assert (found.opened, found.ticket) == (False, ground.place.opened)
    (over,) = ground.deliver(ground.story.run(20, QUEUE=OK, ETL=OK), may_open=True)
    assert (over.ended, over.closed, ground.is_closed(ground.place.opened)) == (True, True, True)


@pytest.mark.parametrize("kind", ["jira-cloud", "jira-server", "servicenow"])
def test_files_are_attached_each_once_and_replaced_when_they_differ(open_ground: Any, kind: str) -> None:
    ground = open_ground(kind)
    run = ground.story.run(10, QUEUE=CRITICAL)
    names = set(ground.into(run).files)
    assert names == {f"{run.id}.html", f"{run.id}.json"}

    def there() -> dict[str, bytes]:
        if kind == "servicenow":
            files = [(name, content) for name, content, _on in ground.vendor.attached.values()]
        else:
            files = list(ground.vendor.issues["OPS-123"].files.values())
        assert len({name for name, _ in files}) == len(files)
        return dict(files)

    html = there()[f"{run.id}.html"]
    assert b"<html" in html
    english = deliver(ground.story.site, run, type(ground.story.language)("en"), name=parse_ticket(ground.place.ticket))
    assert english[0].comment in ("renewed", "new")
    assert there()[f"{run.id}.html"] != html
    assert set(there()) == names


def test_gitlab_links_what_was_uploaded(open_ground: Any) -> None:
    ground = open_ground("gitlab")
    run = ground.story.run(10, QUEUE=CRITICAL)
    ground.into(run)
    assert [name for name, _content in ground.vendor.uploads] == [f"{run.id}.html", f"{run.id}.json"]
    assert f"[{run.id}.html](/uploads/66db/{run.id}.html)" in ground.comments(ground.place.ticket)[-1]


def test_github_takes_the_whole_report_in_the_comment_or_files_on_a_branch(open_ground: Any) -> None:
    ground = open_ground("github")
    run = ground.story.run(10, QUEUE=CRITICAL, **{f"ROW{n}": WARNING for n in range(300)})
    ground.into(run)
    (said,) = ground.comments(ground.place.ticket)
    assert f"<details><summary>{run.id}.md</summary>" in said
    assert len(said) < 65_536
    branch = open_ground("github", branch="informes")
    branch.into(run)
    assert set(branch.vendor.branch) == {f"muses-runbook/{run.id}.html", f"muses-runbook/{run.id}.json"}
    assert (
        f"[{run.id}.html](https://github.example.invalid/muses-runbook/{run.id}.html)"
        in branch.comments(branch.place.ticket)[0]
    )


def test_a_wrong_token_is_said_with_the_setting_and_never_shown(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN_IN, "wrong-token-5521")
    with pytest.raises(DeliveryError, match=r"environments\.test\.tickets\.token") as error:
        ground.into(ground.story.run(10, QUEUE=CRITICAL))
    assert "wrong-token-5521" not in str(error.value)
    assert servers.basic(ground.place.settings.get("user") or "", "wrong-token-5521")[6:] not in str(error.value)


def test_a_ticket_there_is_not_is_said(ground: Ground) -> None:
    missing = ground.place.ticket[:-1] + "99"
    with pytest.raises(DeliveryError, match=r"404|INC00100299"):
        ground.deliver(ground.story.run(10, QUEUE=CRITICAL), missing)


def test_a_busy_server_is_asked_again_where_that_does_no_harm(open_ground: Any) -> None:
    ground = open_ground("gitlab")
    ground.vendor.failing = [Said(503), Said(429, None, {"Retry-After": "0"})]
    assert ground.into(ground.story.run(10, QUEUE=CRITICAL)).comment == "new"


def test_a_redirect_is_not_followed(open_ground: Any) -> None:
    ground = open_ground("gitlab")
    ground.vendor.failing = [Said(302, None, {"Location": "http://127.0.0.1:9/elsewhere"})]
    with pytest.raises(DeliveryError, match="302"):
        ground.into(ground.story.run(10, QUEUE=CRITICAL))


def test_a_server_that_is_not_there_is_said_with_its_address(open_ground: Any) -> None:
    ground = open_ground("github")
    run = ground.story.run(10, QUEUE=CRITICAL)
    gone = ground.story.with_tickets(tracker="github", url="http://127.0.0.1:1")
    with pytest.raises(DeliveryError, match=r"127\.0\.0\.1:1.*environments\.test\.tickets\.url"):
        deliver(gone.site, run, gone.language, name=parse_ticket(ground.place.ticket))


def test_a_server_that_never_answers_costs_its_patience_and_is_said(open_ground: Any) -> None:
    ground = open_ground("github")
    run = ground.story.run(10, QUEUE=CRITICAL)
    with silent_port() as port:
        silent = ground.story.with_tickets(
            tracker="github", url=f"http://127.0.0.1:{port}", patience=timedelta(seconds=0.05)
        )
        with pytest.raises(DeliveryError, match="gave no answer in time"):
            deliver(silent.site, run, silent.language, name=parse_ticket(ground.place.ticket))


def test_what_a_failed_post_may_have_left_is_found_and_not_doubled(open_ground: Any) -> None:
    ground = open_ground("github")
    run = ground.story.run(10, QUEUE=CRITICAL)
    issue: Issue = ground.vendor.issues["12"]
    ground.into(run)
    left = dict(issue.comments)
    (ground.story.site.state_folder / FILE).unlink()
    assert ground.into(run).comment == "same"
    assert issue.comments == left


def test_a_mark_in_somebodys_quotation_is_not_ours(open_ground: Any) -> None:
    ground = open_ground("github")
    run = ground.story.run(10, QUEUE=CRITICAL)
    ground.into(run)
    issue: Issue = ground.vendor.issues["12"]
    (ours,) = issue.comments.values()
    issue.comments = {"7": "> " + ours.replace("\n", "\n> "), "8": "hola", "9": "ya lo veo"}
    assert ground.into(run).comment == "new"
    assert issue.comments["7"].startswith("> ")


def test_jira_without_a_way_to_done_says_which_ways_there_are(open_ground: Any) -> None:
    ground = open_ground("jira-server", transition="Cerrar")
    ground.into(ground.story.run(20, QUEUE=CRITICAL))
    run = ground.story.run(10, QUEUE=OK)
    with pytest.raises(DeliveryError, match=r"Atender, Resolver.*tickets\.transition"):
        ground.into(run, close=True)
    named = ground.story.with_tickets(**ground.place.settings, url=ground.vendor.url, transition="Descartar")
    (over,) = deliver(named.site, run, named.language, name=parse_ticket(ground.place.ticket), close=True)
    assert (over.closed, ground.vendor.moved) == (True, ["41"])


def test_a_folder_holds_the_comment_beside_the_reports(tmp_path: Path) -> None:
    story = Story(tmp_path / "state")
    name = parse_ticket(f"file:{tmp_path / 'ticket'}")
    first, second = story.run(20, QUEUE=WARNING), story.run(10, QUEUE=CRITICAL, ETL=WARNING)
    for run, comment in ((first, "new"), (second, "renewed"), (second, "same"), (first, "new"), (first, "same")):
        assert deliver(story.site, run, story.language, name=name)[0].comment == comment
    texts = {file.name: file.read_text() for file in (tmp_path / "ticket").glob("*.md")}
    assert len(texts) == 2
    assert any("ETL-01" in words for words in texts.values())
    assert len(list((tmp_path / "ticket").glob("*.html"))) == 2
    deliver(story.site, story.run(5, QUEUE=OK, ETL=OK), story.language, name=name)
    assert len(list((tmp_path / "ticket").glob("*-end.md"))) == 1
    story.site.history.close()


def test_a_breach_that_somebody_accepts_is_over_and_nothing_is_closed(open_ground: Any) -> None:
    import sqlite3

    ground = open_ground("github", open="critical", close=True)
    run = ground.story.run(20, QUEUE=CRITICAL)
    ground.deliver(run, may_open=True)
    ground.story.run(10, QUEUE=State.CRITICAL)
    with sqlite3.connect(ground.story.site.state_folder / "history.sqlite") as file:
        file.execute("UPDATE verdict SET waived = 1 WHERE at > ?", [run.ended_at.timestamp()])
    file.close()
    (over,) = ground.deliver(run)
    assert (over.ended, over.closed, ground.is_closed(ground.place.opened)) == (True, False, False)
