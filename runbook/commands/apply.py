"""``muses-runbook apply``: an approved plan file is carried out, proven and reported like any run."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import msgspec

from runbook import site_file
from runbook.commands import catalogue, check
from runbook.commands.approve import signed
from runbook.commands.monitoring import could_not_tell
from runbook.commands.options import Duration, as_json, of_language, of_signer, of_site
from runbook.errors import PlanError
from runbook.plans import approving, mandate, notice, plan_file
from runbook.plans.approving import Standing
from runbook.plans.plan_file import PlanFile
from runbook.site import Site, open_site
from runbook.text import Text, text
from runbook.tongue import _, told


@click.command(
    help=_(
        "Carry out an approved plan file. Its rows are judged anew and every step is compared with what would be "
        "planned now: what changed is refused and listed, and the rest runs or nothing does (policy.approval.changed). "
        "What was done is proven by the same checks. With --as and --reason it is approved first. Exits as check does; "
        "77 where the plan may not be applied."
    ),
    epilog=_("Example: muses-runbook apply plan.json"),
)
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@of_signer(required=False)
@of_site
@click.option(
    "--deadline", type=Duration(), metavar="TIME", help=_("End of the run, such as 15s (default: the site's)")
)
@click.option(
    "--output", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER", help=_("Where reports go")
)
@of_language
@as_json
def apply(
    file: Path,
    name: str | None,
    reason: str | None,
    key: Path | None,
    settings: Path | None,
    env: str | None,
    deadline: timedelta | None,
    output: Path | None,
    lang: str | None,
    as_json: bool,
) -> int:
    """Prove the approvals, hold the plan, run its rows under its mandate."""
    plan = plan_file.load(file)
    env = env or plan.plan.environment
    site = open_site(site_file.load(settings), env, fixing=True, deadline=deadline, language=lang)
    if (name is None) != (reason is None):
        raise click.UsageError(_("--as and --reason go together"))
    if name is not None and reason is not None:
        plan = signed(plan, file, site, name, reason, key)
    standing = _approved(plan, site)
    with mandate.applied_once(plan, site.state_folder):
        site = replace(site, mandate=mandate.Mandate(plan, standing, site.settings.policy))
        return _run(plan, file, standing, site, output, as_json)


def _approved(plan: PlanFile, site: Site) -> Standing:
    """The approvals, when they are enough. Raises PlanError that says what is missing and what does not count."""
    now = datetime.now(UTC)
    approving.prove_usable(plan, site, now)
    standing = approving.standing_of(plan, site, now)
    if not standing.is_approved:
        raise PlanError(_unapproved(standing))
    return standing


def _unapproved(standing: Standing) -> Text:
    why = "; ".join(map(told, standing.objections)) or _("nobody has signed it")
    return text(
        "The plan has {count} of {needed} approvals that count: nothing of it runs. {why}",
        count=len(standing.counting),
        needed=standing.needed,
        why=why,
    )


def _run(plan: PlanFile, file: Path, standing: Standing, site: Site, output: Path | None, as_json: bool) -> int:
    reports = importlib.import_module("reports")
    language = reports.speaking(site.environment)
    rows = catalogue.chosen_rows(tuple(row.row for row in plan.plan.rows), site.settings)
    catalogue.prove_overrides(site.settings)
    with reports.board(language, sys.stderr if as_json else sys.stdout, quiet=as_json) as board:
        run = check.driven(check.Watching(site, board, rows), None, None)
        run = msgspec.structs.replace(run, plan_file=notice.applied(plan, file, standing, run))
        folder = output or site.reports_folder / run.id
        files = check.written(reports, run, folder, check.FORMATS, language, site.docx_template)
        if as_json:
            sys.stdout.buffer.write(reports.render(run, "json", language))
        else:
            board.finished(run, files)
    unkept = check.could_not_keep(site, run, folder)
    untold = could_not_tell(site, run, language, whole=False)
    return check.exit_code(run, files is None or unkept or untold)
