"""The night's runs written into their incidents' tickets, where the site has a tracker: nobody is awake to do it."""

from __future__ import annotations

import importlib
from contextlib import closing

from runbook.cli import complain
from runbook.commands.check_many import Outcome
from runbook.errors import DeliveryError, HistoryError, SettingsError
from runbook.model import Run
from runbook.settings import Settings
from runbook.site import open_site
from runbook.tongue import told


def could_deliver(settings: Settings, outcome: Outcome, language: str | None) -> bool:
    """Renew the tickets of what lasts, end those of what is over, open one where policy lets; what fails is said."""
    if outcome.run is None or settings.environments[outcome.environment].tickets is None:
        return True
    try:
        failed = _failed(settings, outcome.environment, outcome.run, language)
    except (DeliveryError, HistoryError, SettingsError) as error:
        complain(told(error.said))
        return False
    return not failed


def _failed(settings: Settings, name: str, run: Run, language: str | None) -> bool:
    desk, reports = importlib.import_module("runbook.delivery.desk"), importlib.import_module("reports")
    site = open_site(settings, name, language=language)
    with closing(site.history):
        delivered = desk.deliver(site, run, reports.speaking(site.environment), may_open=True)
    errors = [one.error for one in delivered if one.error is not None]
    for error in errors:
        complain(told(error))
    return bool(errors)
