"""The site's tracker of tickets."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from runbook.settings.words import Secret, Strict

#: Where the trackers are that everybody reaches at one address.
_AT = {"github": "https://api.github.com", "gitlab": "https://gitlab.com"}


class TicketsSettings(Strict, frozen=True, kw_only=True):
    """Where tickets are, who writes into them, and what may be done by itself.

    ``url`` is the tracker's address (GitHub's is the one of its API). ``token`` alone is sent as a bearer; with
    ``user`` both are a login, as Jira Cloud (e-mail and API token) and ServiceNow ask for. ``jira`` says which one it
    is where the address does not end in ``.atlassian.net``. ``project`` is where new tickets go: ``OPS``,
    ``owner/repository``, ``group/project``; ServiceNow needs none.

    ``open = "critical"`` lets ``attach --open`` open a ticket for an incident that is CRITICAL. ``close`` lets it close
    what it opened itself once the incident is proven fixed. ``issue_type``, ``transition`` (Jira's, to close),
    ``close_code`` (ServiceNow's) and ``fields`` (for new tickets, in the tracker's own words) are what differs from
    site to site. ``branch``: GitHub's interface takes no attachments; with a branch the files are committed there.
    """

    tracker: Literal["jira", "github", "gitlab", "servicenow"]
    url: str = ""
    project: str = ""
    user: str | None = None
    token: Secret
    cafile: Path | None = None
    proxy: str | None = None
    patience: timedelta = timedelta(seconds=20)
    attach: tuple[Literal["html", "json"], ...] = ("html", "json")
    open: Literal["critical", "never"] = "never"
    close: bool = False
    jira: Literal["cloud", "server"] | None = None
    issue_type: str = "Task"
    transition: str = ""
    close_code: str = "Solution provided"
    fields: dict[str, Any] = {}
    branch: str = ""

    def __post_init__(self) -> None:
        if not self.url and self.tracker not in _AT:
            raise ValueError(f"url is missing: the address of your {self.tracker}")
        address = urlsplit(self.address)
        if address.scheme not in ("http", "https") or not address.hostname or address.query or address.password:
            raise ValueError(
                "url is http(s)://host with a port and a path at most; who writes is said by user and token"
            )
        if self.open == "critical" and self.tracker != "servicenow" and not self.project:
            raise ValueError("open = 'critical' needs project: where new tickets go")

    @property
    def address(self) -> str:
        """Where the tracker answers, without a slash at the end."""
        return (self.url or _AT.get(self.tracker, "")).rstrip("/")

    @property
    def is_jira_cloud(self) -> bool:
        """Whether it is Atlassian's own: it takes its document format, Jira Server takes wiki markup."""
        if self.jira is not None:
            return self.jira == "cloud"
        return (urlsplit(self.address).hostname or "").endswith(".atlassian.net")
