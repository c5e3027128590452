"""GitLab's issues, by its REST interface (version 4).

Recorded contract: ``/api/v4/projects/{id}/issues``, its ``/notes``, and ``/projects/{id}/uploads``, whose answer holds
the Markdown that links to the file. A file that was uploaded cannot be found again: it hangs on the comment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any
from urllib.parse import quote

from runbook.delivery.tickets.tracker import STATE, Mark, Note, hidden, mark_at_start
from runbook.delivery.tickets.wire import Wire
from runbook.incidents import Incident
from runbook.settings.tickets import TicketsSettings

_PAGE = 100


class GitLab:
    """Issues of one or more projects: a ticket is ``group/project#3``."""

    flavour = "gitlab"
    rewrites = True

    def __init__(self, settings: TicketsSettings, setting: str) -> None:
        self._settings, self._wire = settings, Wire(settings, setting, {})
        self.formats: tuple[str, ...] = settings.attach

    def notes(self, ticket: str) -> Iterator[Note]:
        """The comments that begin with a mark of ours."""
        for one in self._pages(f"{_issue(ticket)}/notes", {"sort": "asc", "order_by": "created_at"}):
            if mark := mark_at_start(one["body"]):
                yield Note(str(one["id"]), mark)

    def write(self, ticket: str, words: str, mark: Mark) -> None:
        """Add a comment."""
        self._wire.ask("POST", f"{_issue(ticket)}/notes", body={"body": _body(words, mark)})

    def rewrite(self, ticket: str, note: Note, words: str, mark: Mark) -> None:
        """Put other words in the place of a comment's."""
        self._wire.ask("PUT", f"{_issue(ticket)}/notes/{note.id}", body={"body": _body(words, mark)})

    def attach(self, ticket: str, files: Mapping[str, bytes]) -> str:
        """Upload the files; GitLab's own links to them."""
        path = f"{_project(ticket)}/uploads"
        return " · ".join(self._wire.upload(path, name, content).json["markdown"] for name, content in files.items())

    def find(self, incident: Incident) -> str | None:
        """The issue whose text begins with the incident's mark."""
        project = self._settings.project
        since = f"{incident.began.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        for one in self._pages(f"{_project(project)}/issues", {"scope": "all", "created_after": since}):
            mark = mark_at_start(one.get("description") or "")
            if mark and mark.incident == incident.id:
                return f"{project}#{one['iid']}"
        return None

    def open(self, incident: Incident, title: str, words: str) -> str:
        """Open an issue."""
        project, mark = self._settings.project, Mark(incident.id, "", STATE, "")
        body = {**self._settings.fields, "title": title, "description": _body(words, mark)}
        made = self._wire.ask("POST", f"{_project(project)}/issues", body=body)
        return f"{project}#{made.json['iid']}"

    def close(self, ticket: str, words: str) -> bool:
        """Close the issue."""
        if self._wire.ask("GET", _issue(ticket)).json["state"] == "closed":
            return False
        self._wire.ask("PUT", _issue(ticket), body={"state_event": "close"})
        return True

    def link(self, ticket: str) -> str:
        """Its page."""
        return str(self._wire.ask("GET", _issue(ticket)).json["web_url"])

    def _pages(self, path: str, query: dict[str, str | int]) -> Iterator[dict[str, Any]]:
        page = "1"
        while page:
            found = self._wire.ask("GET", path, query={**query, "per_page": _PAGE, "page": page})
            yield from found.json
            page = found.headers.get("x-next-page", "")


def _body(words: str, mark: Mark) -> str:
    return f"{hidden(mark)}\n{words}"


def _project(ticket: str) -> str:
    return f"/api/v4/projects/{quote(ticket.partition('#')[0], safe='')}"


def _issue(ticket: str) -> str:
    return f"{_project(ticket)}/issues/{ticket.partition('#')[2]}"
