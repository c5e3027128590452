"""``muses-runbook doctor``: can we see, may we act, and what mends it where not."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from runbook import site_file
from runbook.cli import Exit
from runbook.commands.options import as_json, of_language, of_site
from runbook.errors import NotConfigured, RunbookError
from runbook.probes import Readings, reading_through
from runbook.redact import masked_words
from runbook.site import Site, open_site
from runbook.targets.opening import KINDS, open_target
from runbook.targets.rights import Right
from runbook.text import Text, verbatim
from runbook.tongue import _, told

IDENTITIES = {"reader": _("reader"), "operator": _("operator")}


@dataclass(frozen=True)
class Examined:
    """One target: the rights of its identities, or why it could not be asked."""

    target: str
    rights: tuple[Right, ...] = ()
    problem: Text | None = None
    configured: bool = True

    @property
    def sound(self) -> bool:
        """Whether nothing is missing."""
        return self.problem is None and all(right.held for right in self.rights)


@click.command(
    help=_("Test every target with each identity and say what is missing"), epilog=_("Example: muses-runbook doctor")
)
@of_site
@of_language
@as_json
def doctor(settings: Path | None, env: str | None, lang: str | None, as_json: bool) -> int:
    """Ask all targets at once; changes nothing."""
    site = open_site(site_file.load(settings), env)
    with ThreadPoolExecutor(len(KINDS)) as targets:
        examined = list(targets.map(lambda name: examine(name, site), KINDS))
    click.echo(json.dumps([_plain(e) for e in examined], ensure_ascii=False, indent=2) if as_json else _page(examined))
    return Exit.OK if all(e.sound or not e.configured for e in examined) else Exit.CRITICAL


def examine(name: str, site: Site) -> Examined:
    """What the identities of one target may do, within the run's deadline."""
    target = open_target(name, site)
    ends_at = time.monotonic() + site.settings.deadline.total_seconds()
    try:
        with reading_through(Readings(ends_at=ends_at)):
            return Examined(name, target.rights())
    except NotConfigured as absent:
        return Examined(name, problem=absent.said, configured=False)
    except RunbookError as error:
        return Examined(name, problem=masked_words(error.said))
    finally:
        target.close()


def _page(examined: list[Examined]) -> str:
    return "\n".join(line for one in examined for line in _lines(one))


def _lines(one: Examined) -> Iterator[str]:
    mark = "–" if not one.configured else "✓" if one.sound else "✗"
    yield f"{mark} {one.target}" + (f"  {told(one.problem)}" if one.problem else "")
    for right in one.rights:
        yield f"    {'✓' if right.held else '✗'} {IDENTITIES[right.identity]}: {_said(right)}"
        if not right.held and right.mend:
            yield "\n".join(f"        {line}" for line in right.mend.splitlines())


def _said(right: Right) -> str:
    return told(verbatim(right.what) if isinstance(right.what, str) else right.what)


def _plain(one: Examined) -> dict[str, object]:
    rights = [{"identity": r.identity, "what": _said(r), "held": r.held, "mend": r.mend} for r in one.rights]
    problem = told(one.problem) if one.problem else None
    return {"target": one.target, "configured": one.configured, "problem": problem, "rights": rights}
