"""``muses-runbook approve``: a person signs the hash of a plan file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from runbook import site_file
from runbook.cli import Exit
from runbook.commands import plan_pages
from runbook.commands.options import of_language, of_signer, of_site
from runbook.plans import approving, plan_file, signatures
from runbook.plans.plan_file import PlanFile
from runbook.site import Site, open_site
from runbook.tongue import _


@click.command(
    help=_(
        "Approve a plan file: sign its hash with your name and reason, as policy.approval of the site file says. "
        "Changes nothing but the file. Look at the plan first: muses-runbook show FILE."
    ),
    epilog=_(
        "Example: muses-runbook approve plan.json --as ana --reason 'queue grows, ticket 4711' --key ~/.ssh/id_ed25519"
    ),
)
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@of_signer(required=True)
@of_site
@of_language
def approve(
    file: Path, name: str, reason: str, key: Path | None, settings: Path | None, env: str | None, lang: str | None
) -> int:
    """Sign, prove the signature as it will be proven later, write it into the file."""
    plan = plan_file.load(file)
    site = open_site(site_file.load(settings), env or plan.plan.environment, language=lang)
    approved = signed(plan, file, site, name, reason, key)
    for line in plan_pages.standing(approved, file, site, datetime.now(UTC)):
        click.echo(line)
    return Exit.OK


def signed(plan: PlanFile, file: Path, site: Site, name: str, reason: str, key: Path | None) -> PlanFile:
    """The plan with one more approval, which is in the file now. Raises PlanError where it does not count."""
    now = datetime.now(UTC)
    approving.prove_usable(plan, site, now)
    claim = approving.claim(plan, site, name, reason, now)
    approving.prove_may(claim, plan, site)
    approved = approving.approve(plan, site, signatures.sign(claim, site.settings.policy.approval, key))
    plan_file.save(approved, file)
    return approved
