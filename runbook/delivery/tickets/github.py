"""GitHub's issues, by its REST interface (version 2022-11-28).

Recorded contract: ``/repos/{owner}/{repo}/issues``, its ``/comments``, ``/issues/comments/{id}``, and ``/contents``.
The interface takes no attachments: the whole report is folded into the comment, or its files are committed to a branch.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any
from urllib.parse import quote

from runbook.delivery.tickets.tracker import STATE, Mark, Note, hidden, mark_at_start
from runbook.delivery.tickets.wire import Refused, Wire
from runbook.incidents import Incident
from runbook.settings.tickets import TicketsSettings

_HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
#: Above a megabyte the interface names a file only so.
_WITHOUT_CONTENT = {"Accept": "application/vnd.github.object+json"}
_PAGE = 100


class GitHub:
    """Issues of one or more repositories: a ticket is ``owner/repo#12``."""

    flavour = "github"
    rewrites = True

    def __init__(self, settings: TicketsSettings, setting: str) -> None:
        self._settings, self._wire = settings, Wire(settings, setting, _HEADERS)
        self.formats: tuple[str, ...] = settings.attach if settings.branch else ("markdown",)

    def notes(self, ticket: str) -> Iterator[Note]:
        """The comments that begin with a mark of ours."""
        for one in self._pages(f"{_issue(ticket)}/comments", {}):
            if mark := mark_at_start(one.get("body") or ""):
                yield Note(str(one["id"]), mark)

    def write(self, ticket: str, words: str, mark: Mark) -> None:
        """Add a comment."""
        self._wire.ask("POST", f"{_issue(ticket)}/comments", body=_body(words, mark))

    def rewrite(self, ticket: str, note: Note, words: str, mark: Mark) -> None:
        """Put other words in the place of a comment's."""
        path = f"{_repository(ticket)}/issues/comments/{note.id}"
        self._wire.ask("PATCH", path, body=_body(words, mark))

    def attach(self, ticket: str, files: Mapping[str, bytes]) -> str:
        """The report folded up, or links to its files on the branch."""
        if not self._settings.branch:
            return "\n".join(_folded(name, content.decode()) for name, content in files.items())
        return " · ".join(f"[{name}]({self._committed(ticket, name, content)})" for name, content in files.items())

    def find(self, incident: Incident) -> str | None:
        """The issue whose text begins with the incident's mark: it was touched after the incident began."""
        project = self._settings.project
        since = f"{incident.began.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        for one in self._pages(f"/repos/{quote(project)}/issues", {"state": "all", "since": since}):
            mark = mark_at_start(one.get("body") or "")
            if mark and mark.incident == incident.id:
                return f"{project}#{one['number']}"
        return None

    def open(self, incident: Incident, title: str, words: str) -> str:
        """Open an issue."""
        project = self._settings.project
        body = {**self._settings.fields, "title": title, **_body(words, Mark(incident.id, "", STATE, ""))}
        made = self._wire.ask("POST", f"/repos/{quote(project)}/issues", body=body)
        return f"{project}#{made.json['number']}"

    def close(self, ticket: str, words: str) -> bool:
        """Close the issue as completed."""
        if self._wire.ask("GET", _issue(ticket)).json["state"] == "closed":
            return False
        self._wire.ask("PATCH", _issue(ticket), body={"state": "closed", "state_reason": "completed"})
        return True

    def link(self, ticket: str) -> str:
        """Its page."""
        return str(self._wire.ask("GET", _issue(ticket)).json["html_url"])

    def _pages(self, path: str, query: dict[str, str | int]) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            found = self._wire.ask("GET", path, query={**query, "per_page": _PAGE, "page": page})
            yield from found.json
            if 'rel="next"' not in found.headers.get("link", ""):
                return
            page += 1

    def _committed(self, ticket: str, name: str, content: bytes) -> str:
        path = f"{_repository(ticket)}/contents/muses-runbook/{quote(name)}"
        there = self._there(path)
        if there is not None and there["sha"] == _blob(content):
            return str(there["html_url"])
        body = {"message": f"muses-runbook: {name}", "branch": self._settings.branch}
        body["content"] = base64.b64encode(content).decode()
        made = self._wire.ask("PUT", path, body=body | ({"sha": there["sha"]} if there else {}))
        return str(made.json["content"]["html_url"])

    def _there(self, path: str) -> dict[str, Any] | None:
        try:
            query = {"ref": self._settings.branch}
            found: dict[str, Any] = self._wire.ask("GET", path, query=query, headers=_WITHOUT_CONTENT).json
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return found


def _blob(content: bytes) -> str:
    """The name that git gives a content."""
    import hashlib

    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _body(words: str, mark: Mark) -> dict[str, str]:
    return {"body": f"{hidden(mark)}\n{words}"}


def _folded(name: str, content: str) -> str:
    return f"<details><summary>{name}</summary>\n\n{content}\n</details>"


def _repository(ticket: str) -> str:
    return f"/repos/{quote(ticket.partition('#')[0])}"


def _issue(ticket: str) -> str:
    return f"{_repository(ticket)}/issues/{ticket.partition('#')[2]}"
