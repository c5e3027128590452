"""What may act by itself, when, how often and how much; and who may approve the rest.

Times are kept as they are written and read when policy decides (``runbook.policy.timetable``): a slip of the pen there
lets nothing act, but the check itself still runs.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec

from runbook.settings.words import Secret, Strict

Permission = Literal["act", "ask", "never"]
Level = Literal["low", "medium", "high"]


class Window(Strict, frozen=True, kw_only=True):
    """A maintenance window: in it, the permission of its rows and risks is ``allows`` instead of the risk's own.

    Either ``hours`` (``"22:00-06:00"``, on the ``days`` on which they begin: ``"mon"`` … ``"sun"``) or once, from
    ``begins`` to ``ends`` (``"2026-11-28 22:00"``), in the site's zone. No ``rows``: all; no ``risks``: all. The
    word of ``policy.rows`` counts before it.
    """

    name: str
    hours: str | None = None
    days: tuple[str, ...] = ()
    begins: str | None = None
    ends: str | None = None
    rows: tuple[str, ...] = ()
    risks: tuple[Level, ...] = ()
    allows: Permission = "act"


class Freeze(Strict, frozen=True, kw_only=True):
    """A time in which its rows and risks are left alone, or need approval (``allows = "ask"``), whatever else is said.

    ``begins`` and ``ends`` are days (``"2026-12-15"``, the last one included) or moments (``"2026-12-15 18:00"``).
    """

    name: str
    begins: str
    ends: str
    rows: tuple[str, ...] = ()
    risks: tuple[Level, ...] = ()
    allows: Literal["ask", "never"] = "never"


class ApprovalSettings(Strict, frozen=True, kw_only=True):
    """Who may approve a plan file and how it is signed; without ``method`` no plan file can be approved.

    ``ssh``: each person signs with a key of their own, proven by ``signers`` (OpenSSH's ``allowed_signers``).
    ``hmac``: one ``key`` for all, which proves that whoever signed could read it and nothing about who it was.
    ``people`` names who may approve, and up to which risk. From the risk ``two_persons`` on, two must (ssh only).
    An approval counts for ``valid_for``, a plan for ``plan_valid_for``. ``changed`` says what happens when some of the
    plan may no longer run: ``nothing`` of it runs, or the ``rest``.
    """

    method: Literal["ssh", "hmac"] | None = None
    signers: Path | None = None
    key: Secret | None = None
    people: dict[str, Level] = {}
    two_persons: Level | None = None
    valid_for: timedelta = timedelta(hours=12)
    plan_valid_for: timedelta = timedelta(hours=24)
    changed: Literal["nothing", "rest"] = "nothing"


class PolicySettings(Strict, frozen=True, kw_only=True):
    """May a remedy act by itself? By risk, by row, and within guards. What is not said is ``ask``.

    A row's remedy is tried at most ``attempts`` times in ``attempts_window``, ``cooldown`` apart; all rows together at
    most ``budget`` times in ``budget_window``. A plan touches at most ``max_touched`` objects and ``max_percent`` of
    their kind. Nothing acts outside ``hours``.
    """

    low: Permission = "ask"
    medium: Permission = "ask"
    high: Permission = "ask"
    rows: dict[str, Permission] = {}
    attempts: int = 3
    attempts_window: timedelta = timedelta(hours=24)
    cooldown: timedelta = timedelta(minutes=10)
    budget: int = 20
    budget_window: timedelta = timedelta(hours=24)
    max_touched: int = 8
    max_percent: float = 100.0
    hours: str | None = None
    windows: tuple[Window, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    approval: ApprovalSettings = msgspec.field(default_factory=ApprovalSettings)
