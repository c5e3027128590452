"""The runbook's own acting runs: did each come to its end, and what did those do that were killed?"""

from __future__ import annotations

from checks import _killed
from checks._killed import ActingRuns
from runbook.limits import Limits
from runbook.model import Finding
from runbook.rows import diagnoses, row
from runbook.text import text


@row(
    "RUN-01",
    source="práctica común: lo que una corrida empezó y no terminó se sabe antes de actuar otra vez",
    es="Cada corrida que actúa llegó a su fin",
    person=_killed.FOR_A_PERSON,
)
def check_acting_runs_came_to_their_end(runs: ActingRuns, limits: Limits) -> None:
    """Every run that acts came to its end.

    What a killed run began may be done or not: acting on a guess would do it twice.
    """
    if runs.acted():
        _killed.judge(runs.killed(), limits)
    else:
        limits.skip(text("No run has acted on this machine yet: there is no journal"))


@diagnoses(check_acting_runs_came_to_their_end, es="La corrida fue terminada desde fuera (kill, apagado, memoria)")
def run_was_killed(runs: ActingRuns) -> Finding:
    """The run was ended from outside (a kill, a power cut, no memory)."""
    return _killed.explained(runs.killed())
