"""The commands and the exit codes; each command's code is imported when it is called.

The command line is where the rooms meet: it names commands of ``lab`` by their place and opens the door only when
asked, so that ``--help`` costs next to nothing and the engine imports none of them.
"""

from __future__ import annotations

import difflib
import gc
import importlib
import signal
import sys
import types
from enum import IntEnum
from typing import cast

import click

from runbook import __version__, asserts_are_off
from runbook.errors import (
    HistoryError,
    JournalError,
    LockError,
    PlanError,
    ReportError,
    RunbookError,
    SettingsError,
)
from runbook.tongue import _, told


class Exit(IntEnum):
    """What the process returns. The first four are the worst state (as monitoring systems read them)."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3
    USAGE = 64
    NO_REPORT = 73
    LOCKED = 75
    REFUSED = 77
    SETTINGS = 78
    INTERRUPTED = 130


#: How many more objects there must be before Python looks for circles among them. Start-up makes a hundred thousand
#: that stay: with Python's own 700 a check spends a fifth of its time on looking them through.
RARELY = (50_000, 20, 20)

_COMMANDS = {
    "check": ("runbook.commands.check", _("Judge the rows, name the causes, fix what policy allows, write the report")),
    "nightly": ("runbook.commands.nightly", _("Judge every environment, keep the reports, publish their index")),
    "run": ("runbook.commands.run", _("Run a procedure: purge, backup, and what belongs to them")),
    "schedule": ("runbook.commands.schedule", _("Render, install and watch the nightly and weekly jobs")),
    "approve": ("runbook.commands.approve", _("Approve a plan file: sign its hash")),
    "apply": ("runbook.commands.apply", _("Carry out an approved plan file, prove it, and write the report")),
    "policy": ("runbook.commands.policy", _("Tell what policy says of a row at a time, and which rule says so")),
    "list": ("runbook.commands.rows", _("List the rows of the runbook")),
    "show": ("runbook.commands.rows", _("Show one row, or a plan file")),
    "coverage": ("runbook.commands.coverage", _("Hold a written runbook against the rows: gaps, drift, what it lacks")),
    "docs": ("runbook.commands.docs", _("Write the runbook back from its rows")),
    "tune": ("runbook.commands.tune", _("Tell what other thresholds would have done, from the history or a record")),
    "report": ("runbook.commands.report", _("Write a stored run's report again, in another language or format")),
    "postmortem": ("runbook.commands.postmortem", _("Draft the post-mortem of an incident from its runs")),
    "monthly": ("runbook.commands.monthly", _("Write the monthly report from the history and the stored runs")),
    "attach": ("runbook.commands.attach", _("Write a run's report into a ticket")),
    "notify": ("runbook.commands.notify", _("Tell people what has changed of an incident")),
    "ack": ("runbook.commands.ack", _("Say that you take care of an incident")),
    "slow-queries": ("runbook.commands.slow_queries", _("Tell from a server's log which statements cost most")),
    "lint": ("runbook.commands.lint", _("Prove the site file, packs, scripts and waivers without asking any target")),
    "waive": ("runbook.commands.waive", _("Print the waiver of a breach as the last run saw it")),
    "history": ("runbook.commands.history", _("List earlier runs")),
    "audit": ("runbook.commands.audit", _("Prove that the journal of actions is complete")),
    "doctor": ("runbook.commands.doctor", _("Test every target with each identity and say what is missing")),
    "grants": ("runbook.commands.grants", _("Print the least rights that reader and operator need")),
    "init": ("runbook.commands.init", _("Write a site file to start from")),
    "lab": ("lab.cli", _("A small real SEP-MUSES on this machine, to practise on")),
    "drill": ("lab.drill.command", _("Break the lab at random, let it be mended, and score the diagnosis and the fix")),
    "demo": ("lab.demo", _("Break the lab, check, fix, prove, and leave the report")),
}


class Commands(click.Group):
    """A group that knows its commands by name and help, and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order a person needs them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name][0])
        name = cmd_name.replace("-", "_")
        return cast(click.Command, getattr(module, f"{name}_command", None) or getattr(module, name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name for one there is not."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            nearest = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            hint = " — " + _("did you mean {name!r}?").format(name=nearest[0]) if nearest else ""
            ctx.fail(_("there is no command {name!r}").format(name=args[0]) + hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands without importing any."""
        with formatter.section(_("Commands")):
            formatter.write_dl([(name, help) for name, (_module, help) in _COMMANDS.items()])


@click.command(
    cls=Commands,
    help=_("The SEP-MUSES runbook that runs itself."),
    epilog=_("Example: muses-runbook check --fix"),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="muses-runbook")
def commands() -> None:
    """The root of all commands."""


def main() -> None:
    """Run the command line and leave with one of :class:`Exit`."""
    if asserts_are_off():
        sys.exit(_fail(_("python -O removes asserts, and rows would turn green: run without -O"), Exit.USAGE))
    signal.signal(signal.SIGTERM, _as_interrupt)
    gc.set_threshold(*RARELY)
    try:
        code = commands.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = Exit.USAGE
    except (KeyboardInterrupt, click.Abort):
        code = _fail(_("Interrupted"), Exit.INTERRUPTED)
    except RunbookError as error:
        code = _fail(_words_of(error), _exit_of(error))
    gc.freeze()  # the process ends: nobody needs to know which of its objects refer to each other in circles
    sys.exit(code if isinstance(code, int) else Exit.OK)


def _exit_of(error: RunbookError) -> Exit:
    match error:
        case SettingsError():
            return Exit.SETTINGS
        case LockError():
            return Exit.LOCKED
        case PlanError():
            return Exit.REFUSED
        case ReportError() | HistoryError() | JournalError():
            return Exit.NO_REPORT
        case _:
            return Exit.UNKNOWN


def _words_of(error: RunbookError) -> str:
    if isinstance(error, SettingsError):
        hint = " — " + _("did you mean {name!r}?").format(name=error.nearest) if error.nearest else ""
        return error.place + told(error.said) + hint
    return told(error.said)


def complain(words: str) -> None:
    """Say on standard error what went wrong."""
    click.echo(f"muses-runbook: {words}", err=True)


def _fail(words: str, code: Exit) -> Exit:
    complain(words)
    return code


def _as_interrupt(number: int, frame: types.FrameType | None) -> None:
    raise KeyboardInterrupt
