"""The database's sessions: does it answer, who waits for whom, and whose transactions stay open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from checks import _overload, _sessions, _transactions
from checks._beyond import beyond, first, last
from checks._found import ruled_out, told
from checks._lock_tree import name, summary
from runbook.errors import ProbeError, ProbeFailure
from runbook.limits import Limits, Threshold
from runbook.model import Finding, Risk, State, Step
from runbook.rows import Findings, NoPlan, diagnoses, remedies, row
from runbook.text import text

if TYPE_CHECKING:
    from runbook.targets.postgres.database import Database

LIMITS = Threshold(warning=timedelta(minutes=5), critical=timedelta(minutes=30))
#: It was reached, or nobody was there to be reached: that is an answer about the database, not about our sight.
DOWN = frozenset({ProbeFailure.REFUSED, ProbeFailure.SILENT, ProbeFailure.LIMIT})
ASK_FIRST = text(
    "Ask whose it is. Then cancel the statement, SELECT pg_cancel_backend(PID); only where that does not help end the "
    "session, SELECT pg_terminate_backend(PID): all that it did in its transaction is undone"
)


@row(
    "DB-02",
    source="check_postgres connection, check_pgactivity connection; a una persona le estorba más de 1 s",
    es="La base de datos responde",
    threshold=Threshold(warning=timedelta(seconds=1), critical=timedelta(seconds=4)),
    person=text(
        "See whether it runs: systemctl status postgresql, pg_lsclusters, the end of its log; whether the disk is full "
        "(df -h); start it with systemctl start postgresql, never with kill -9 before it"
    ),
)
def check_database_answers(database: Database, limits: Limits) -> None:
    """The database answers.

    Everything else of SEP-MUSES waits for it: what does not answer loses no data, but every service stands still.
    """
    try:
        server = database.server()
    except ProbeError as error:
        if error.kind not in DOWN:
            raise
        limits.hold(State.CRITICAL, of="server", summary=error.said)
        return
    words = text(
        "PostgreSQL {version} answers in {took}; it has run since {started}",
        version=server.version_name,
        took=server.took,
        started=server.started_at,
    )
    limits.judge(server.took, of="server", summary=words)


@row(
    "DB-03",
    source="Práctica de PostgreSQL (log_lock_waits); límites del equipo: 60 s y 120 s por la sesión raíz",
    es="Ninguna sesión espera mucho un candado",
    threshold=Threshold(warning=timedelta(seconds=60), critical=timedelta(seconds=120)),
)
def check_nobody_waits_long_for_a_lock(database: Database, limits: Limits) -> None:
    """No session waits long for a lock.

    Behind one forgotten transaction all services queue up, until the connections run out.
    """
    longest = database.server().longest_wait
    roots = database.blockers() if beyond(limits, longest) else ()
    for root in roots:
        limits.judge(root.longest_wait, of=root.prepared or name(root.session), summary=summary(root))
    if not roots:
        limits.hold(State.OK, of="*", summary=text("Nobody waits long for a lock"))


@diagnoses(check_nobody_waits_long_for_a_lock, es="Una sesión retiene lo que otras esperan")
def somebody_holds_the_lock(database: Database, limits: Limits) -> Finding:
    """A session holds what others wait for."""
    found = _overload.blocking(database.blockers(), first(limits))
    return found or ruled_out(text("Nobody waits long for a lock"))


@remedies(check_nobody_waits_long_for_a_lock, risk=Risk.MEDIUM, settles=timedelta(seconds=10))
def end_the_root_blocker(findings: Findings) -> Iterator[Step]:
    """End the root blocker where it is a client that does nothing inside its transaction."""
    ending = [root for root in told(findings, "somebody_holds_the_lock", "roots") if root["may_be_ended"]]
    if not ending:
        raise NoPlan(text("What blocks is at work or not a client's session: a person decides whether to end it"))
    yield _sessions.end(ending[0])


@row(
    "DB-04",
    source="check_pgactivity longest_query y check_postgres txn_time; límites del equipo: 5 min y 30 min",
    es="Ninguna transacción queda abierta mucho tiempo",
    threshold=LIMITS,
    person=ASK_FIRST,
)
def check_no_transaction_is_long(database: Database, limits: Limits) -> None:
    """No transaction stays open for long.

    While it lasts no row that it might still see is cleaned away, in any table: all queries grow slower.
    """
    if beyond(limits, database.server().oldest_transaction):
        _transactions.judge_work(database.sessions(), limits)
    limits.hold(State.OK, of="*", summary=text("No other transaction is open for long"))


@row(
    "DB-05",
    source="check_pgactivity oldest_idlexact y check_postgres txn_idle; límites del equipo: 5 min y 30 min",
    es="Ninguna sesión queda inactiva dentro de una transacción",
    threshold=LIMITS,
    # What the policy lets a plan touch unless the site says otherwise.
    settings={"most_ended": 8},
)
def check_no_session_idles_in_a_transaction(database: Database, limits: Limits) -> None:
    """No session idles inside a transaction.

    It holds its locks, its connection and every dead row, and does nothing for it.
    """
    if beyond(limits, database.server().longest_idle):
        _transactions.judge_idleness(database.sessions(), limits)
    limits.hold(State.OK, of="*", summary=text("No other session is idle inside a transaction for long"))


@diagnoses(check_no_session_idles_in_a_transaction, es="Una aplicación dejó su transacción abierta y se fue")
def transaction_is_forgotten(database: Database, limits: Limits) -> Finding:
    """An application left its transaction open and went away."""
    most = int(limits.number("most_ended"))
    return _transactions.forgotten(database.sessions(), longer=last(limits), most=most)


@remedies(check_no_session_idles_in_a_transaction, risk=Risk.MEDIUM, settles=timedelta(seconds=10))
def end_forgotten_transactions(findings: Findings) -> Iterator[Step]:
    """End what has been idle beyond the critical limit; what is younger may still be somebody's work."""
    return _transactions.steps(findings, "transaction_is_forgotten")


@row(
    "DB-06",
    source="check_postgres prepared_txns y check_pgactivity oldest_2pc; límites como los de toda transacción",
    es="Ninguna transacción preparada queda sin terminar",
    threshold=LIMITS,
    person=text(
        "Ask the transaction manager what it decided; then, in its database and as its owner or a superuser: "
        "COMMIT PREPARED 'GID' or ROLLBACK PREPARED 'GID'. Where nobody uses them: max_prepared_transactions = 0"
    ),
)
def check_no_prepared_transaction_is_left(database: Database, limits: Limits) -> None:
    """No prepared transaction is left unfinished.

    It has no session that anybody could end: it keeps its locks and every dead row, even over a restart.
    """
    for prepared in database.server().prepared:
        words = text(
            "{gid} of {role} in {database} was prepared {age} ago",
            gid=prepared.gid,
            role=prepared.role,
            database=prepared.database,
            age=prepared.age,
        )
        limits.judge(prepared.age, of=prepared.gid, summary=words)
    limits.hold(State.OK, of="*", summary=text("No other transaction is prepared"))
