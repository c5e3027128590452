"""What the words of a report mean, for whoever reads one for the first time."""

from __future__ import annotations

from reports.language import Language
from reports.words import STANDINGS, Standing
from runbook.text import text

OF_THE_REPORT = (
    (
        text("Row"),
        text("One line of the runbook: something that must be true, with its probable causes and its remedy."),
    ),
    (
        text("Threshold"),
        text("The value from which a row is a warning or critical; the site file may set another one."),
    ),
    (STANDINGS[Standing.CRITICAL], text("Beyond the critical threshold: somebody has to act now.")),
    (STANDINGS[Standing.WARNING], text("Beyond the warning threshold: somebody has to act soon.")),
    (STANDINGS[Standing.UNKNOWN], text("It could not be read. This is neither in order nor broken: nobody knows.")),
    (STANDINGS[Standing.WAIVED], text("Broken, and known: somebody answers for it until a day.")),
    (STANDINGS[Standing.FIXED], text("It was broken, a remedy ran, and the same check passed again on new readings.")),
    (
        STANDINGS[Standing.SKIPPED],
        text("It was not checked, for the reason beside it, such as a target that is not set up."),
    ),
    (text("Probable cause"), text("Why a row may be broken; evidence confirms it, rules it out, or leaves it open.")),
    (text("Plan"), text("The steps that a remedy would do, each with its risk and with what undoes it.")),
    (text("Policy"), text("What the site allows a machine to do by itself, and what needs a person's approval.")),
    (text("Proof"), text("The second judgement after a remedy. That a step reports success proves nothing.")),
    (text("Reading"), text("One answer of a target, such as the database, at one moment.")),
)
OF_THE_SYSTEM = (
    ("TBAE*", text("Exchange tables: records as they came in, until they are consolidated.")),
    ("TBMU*", text("Core tables: the consolidated records.")),
    ("CTMU*", text("Catalogues that records are checked against.")),
    ("ETL", text("The batch that moves records from the exchange tables to the core.")),
    ("Worker", text("A replica of the initial processing: it takes messages from the queue.")),
    ("SIGED", text("The ministry's system that hears of each consolidated record.")),
    ("RENAPO", text("The population register that a record's CURP is checked against.")),
    ("WAL", text("The log that PostgreSQL writes before it changes its tables.")),
)


def glossary(language: Language) -> tuple[tuple[str, str], ...]:
    """Terms and meanings: the report's own, then the system's."""
    ours = ((language.say(term), language.say(meaning)) for term, meaning in OF_THE_REPORT)
    theirs = ((term, language.say(meaning)) for term, meaning in OF_THE_SYSTEM)
    return (*ours, *theirs)
