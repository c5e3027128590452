"""Whether a policy can be read and does not contradict itself. Pure. One that does lets nothing act.

Every part is looked at, whatever row is asked about: a policy that is wrong in one place was not meant as it stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta

from runbook.policy import timetable
from runbook.settings import ApprovalSettings, PolicySettings
from runbook.text import Text, text

#: The setting that is wrong, and why.
Fault = tuple[str, Text]


def faults(settings: PolicySettings, at: datetime) -> Iterator[Fault]:
    """What cannot be read or cannot be meant, each with its setting; nothing when the policy is sound.

    ``at`` is any moment of the site's zone: whether a time can be read does not depend on it.
    """
    yield from _numbers(settings)
    yield from _times(settings, at)
    yield from _contradictions(settings)
    yield from _approval(settings.approval)


def _numbers(settings: PolicySettings) -> Iterator[Fault]:
    for name in ("attempts", "budget", "max_touched"):
        if getattr(settings, name) < 0:
            yield f"policy.{name}", text("{value} is no number of times", value=getattr(settings, name))
    if not (math.isfinite(settings.max_percent) and 0 <= settings.max_percent <= 100):
        yield "policy.max_percent", text("{value} is no share: 0 to 100", value=str(settings.max_percent))
    for name in ("attempts_window", "budget_window"):
        if getattr(settings, name) <= timedelta(0):
            yield f"policy.{name}", text("A window of no time counts nothing")
    if settings.cooldown < timedelta(0):
        yield "policy.cooldown", text("A cooldown of less than no time means nothing")


def _times(settings: PolicySettings, at: datetime) -> Iterator[Fault]:
    try:
        if settings.hours is not None:
            timetable.is_within(settings.hours, at)
    except ValueError as error:
        yield "policy.hours", text("The allowed hours cannot be read: {error}", error=error)
    for window in settings.windows:
        try:
            timetable.is_open(window, at)
        except ValueError as error:
            yield f"policy.windows.{window.name}", text("The window cannot be read: {error}", error=error)
    for freeze in settings.freezes:
        try:
            timetable.is_frozen(freeze, at)
        except ValueError as error:
            yield f"policy.freezes.{freeze.name}", text("The freeze cannot be read: {error}", error=error)


def _contradictions(settings: PolicySettings) -> Iterator[Fault]:
    for window in settings.windows:
        for row in window.rows:
            if window.allows != "never" and settings.rows.get(row) == "never":
                words = text("The window lets {row} act or ask, policy.rows.{row} never does", row=row)
                yield f"policy.windows.{window.name}", words
    for kind in ("windows", "freezes"):
        names = [part.name for part in getattr(settings, kind)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"policy.{kind}.{name}", text("The name {name} is given twice", name=name)


def _approval(given: ApprovalSettings) -> Iterator[Fault]:
    for name in ("valid_for", "plan_valid_for"):
        if getattr(given, name) <= timedelta(0):
            yield f"policy.approval.{name}", text("What is valid for no time can never be applied")
    if given.method is None:
        if given.people or given.two_persons:
            yield "policy.approval.method", text("People are named who approve, but not how they sign: ssh or hmac")
        return
    if not given.people:
        yield "policy.approval.people", text("Nobody is named who may approve")
    if given.method == "ssh" and given.signers is None:
        yield "policy.approval.signers", text("Signing with ssh needs the file of the allowed signers")
    if given.method == "hmac" and given.key is None:
        yield "policy.approval.key", text("Signing with hmac needs a key")
    yield from _two_persons(given)


def _two_persons(given: ApprovalSettings) -> Iterator[Fault]:
    if given.two_persons is None:
        return
    if given.method == "hmac":
        yield "policy.approval.two_persons", text("One key for all cannot tell two persons apart: sign with ssh")
    elif sum(level == "high" for level in given.people.values()) < 2:
        yield "policy.approval.two_persons", text("Two must approve, but fewer than two may approve a plan of any risk")
