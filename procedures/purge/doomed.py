"""The statements of the delete: ``staged`` is a line that came back from the archive, ``doomed`` the row it may take.

Most rows lie where they were, and nothing else between them: a stretch of the table is deleted, or, where others lie
between, the places of the lines; what the server says it deleted must be the archived lines, byte for byte. Otherwise
each row is asked for: the list of lines is then a temporary table of the same columns, filled by COPY, so that the
server itself parses what was archived.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, LiteralString

from procedures.purge.selection import Rules, joined, qualifies
from procedures.purge.tables import FOUND, Table

if TYPE_CHECKING:
    from psycopg import sql

_LIST, _PLACES = "muses_runbook_list", "muses_runbook_places"
#: The session's settings that say where a stretch of the table begins and ends.
_FIRST, _LAST = "muses_runbook.first", "muses_runbook.last"
#: What the list calls where a row was and which version: names that no table has for its own columns.
_AT, _VERSION = "muses_runbook_ctid", "muses_runbook_xmin"
#: Types whose ``=`` holds only for the very same bytes (text under a deterministic collation).
_EXACT = frozenset(
    {"smallint", "integer", "bigint", "boolean", "date", "uuid", "text", "character varying"}
    | {"timestamp without time zone", "timestamp with time zone"}
)


@dataclass(frozen=True)
class Statements:
    """What is said to the server about one table, by the rules of one run."""

    table: Table
    rules: Rules

    @cached_property
    def make_places(self) -> sql.Composed:
        """Make the list of places, empty, where the session has none; it empties itself with each transaction."""
        from psycopg import sql

        return sql.SQL("CREATE TEMP TABLE IF NOT EXISTS {} ({} tid) ON COMMIT DELETE ROWS").format(
            sql.Identifier(_PLACES), sql.Identifier(_AT)
        )

    @cached_property
    def load_places(self) -> sql.Composed:
        """Fill the list of places."""
        from psycopg import sql

        return sql.SQL("COPY {} FROM STDIN").format(sql.Identifier("pg_temp", _PLACES))

    @cached_property
    def delete_places(self) -> sql.Composed:
        """Delete what lies at the places, and give it out as lines of the archive, in the order of the places."""
        from psycopg import sql

        return self._delete_and_tell(
            using=sql.SQL("USING {} AS staged").format(sql.Identifier("pg_temp", _PLACES)),
            where=sql.SQL("doomed.ctid = {}").format(sql.Identifier("staged", _AT)),
        )

    @cached_property
    def set_stretch(self) -> sql.SQL:
        """Say from which place to which, for this transaction: the statement's own text must not differ each time."""
        from psycopg import sql

        return sql.SQL(f"SELECT set_config('{_FIRST}', %s, true), set_config('{_LAST}', %s, true)")

    @cached_property
    def delete_stretch(self) -> sql.Composed:
        """Delete all that lies in the stretch, and give it out as lines of the archive, in the order of its places."""
        from psycopg import sql

        first, last = (sql.SQL("current_setting({})::tid").format(sql.Literal(name)) for name in (_FIRST, _LAST))
        where = sql.SQL("doomed.ctid >= {} AND doomed.ctid <= {}").format(first, last)
        return self._delete_and_tell(using=sql.SQL(""), where=where)

    def _delete_and_tell(self, *, using: sql.Composable, where: sql.Composable) -> sql.Composed:
        from psycopg import sql

        return sql.SQL(
            "COPY (DELETE FROM ONLY {table} AS doomed {using} WHERE {where} AND {as_surveyed} RETURNING {columns}) "
            "TO STDOUT"
        ).format(
            table=self._name,
            using=using,
            where=where,
            as_surveyed=self._as_surveyed,
            columns=sql.SQL(", ").join(sql.Identifier("doomed", name) for name in (*FOUND, *self.table.names)),
        )

    @cached_property
    def make_list(self) -> sql.Composed:
        """Make the list, empty, where the session has none; it empties itself with each transaction."""
        from psycopg import sql

        return sql.SQL(
            "CREATE TEMP TABLE IF NOT EXISTS {list} ON COMMIT DELETE ROWS AS "
            "SELECT ctid AS {at}, xmin AS {version}, {columns} FROM ONLY {table} WITH NO DATA"
        ).format(
            list=sql.Identifier(_LIST),
            at=sql.Identifier(_AT),
            version=sql.Identifier(_VERSION),
            columns=sql.SQL(", ").join(map(sql.Identifier, self.table.names)),
            table=self._name,
        )

    @cached_property
    def drop_list(self) -> sql.Composed:
        """Drop the list of another table, if the session has one."""
        from psycopg import sql

        return sql.SQL("DROP TABLE IF EXISTS {}").format(self._list)

    @cached_property
    def clear(self) -> sql.Composed:
        """Empty the list within a transaction."""
        from psycopg import sql

        return sql.SQL("TRUNCATE {}").format(self._list)

    @cached_property
    def load(self) -> sql.Composed:
        """Fill the list."""
        from psycopg import sql

        return sql.SQL("COPY {} FROM STDIN").format(self._list)

    def delete(self, *, by_place: bool, careful: bool) -> sql.Composed:
        """Delete the rows of the list, found by their place or by their key.

        ``careful`` asks again whether they are to go, and leaves a row that another one points at: needed where time
        has passed since they were archived, or a foreign key has objected.
        """
        from psycopg import sql

        place = sql.SQL("doomed.ctid = {} AND ").format(sql.Identifier("staged", _AT)) if by_place else sql.SQL("")
        first = sql.SQL("WITH going AS MATERIALIZED ({}) ").format(self._going) if careful else sql.SQL("")
        return first + sql.SQL(
            "DELETE FROM ONLY {table} AS doomed USING {source} AS staged WHERE {place}{match}{childless}"
        ).format(
            table=self._name,
            source=sql.Identifier("going") if careful else self._list,
            place=place,
            match=self._match,
            childless=self._childless if careful else sql.SQL(""),
        )

    @cached_property
    def count(self) -> sql.Composed:
        """How many rows are just as the list has them, in their place, and still to go."""
        from psycopg import sql

        return sql.SQL(
            "SELECT count(*) AS rows FROM ONLY {table} AS doomed JOIN ({going}) AS staged "
            "ON doomed.ctid = {place} AND {match}"
        ).format(table=self._name, going=self._going, place=sql.Identifier("staged", _AT), match=self._match)

    @cached_property
    def _going(self) -> sql.Composed:
        """The lines that are still to go. What a row belongs to is looked up here, never by a scan of our table."""
        from psycopg import sql

        return sql.SQL("SELECT staged.* FROM {list} AS staged{joined} WHERE {qualifies}").format(
            list=self._list, joined=joined(self.table, self.rules), qualifies=qualifies(self.table, self.rules)
        )

    @cached_property
    def _match(self) -> sql.Composed:
        """The very version of the row that was archived: key, ``xmin``, every column bit for bit, and none new."""
        from psycopg import sql

        columns = {column.name: column.type for column in self.table.columns}
        exact = [name for name in columns if name not in self.table.loose and _is_exact(columns[name])]
        parts: list[sql.Composable] = [_pair("{} = {}", name) for name in self.table.key]
        parts.append(sql.SQL("doomed.xmin = {}").format(sql.Identifier("staged", _VERSION)))
        parts += [_pair("{} IS NOT DISTINCT FROM {}", name) for name in exact if name not in self.table.key]
        if others := [name for name in columns if name not in exact]:
            parts.append(sql.SQL("{} *= {}").format(_image("doomed", others), _image("staged", others)))
        parts.append(self._as_surveyed)
        return sql.SQL(" AND ").join(parts)

    @cached_property
    def _as_surveyed(self) -> sql.Composed:
        """The table has just the columns that were archived, and nothing that would take more with a row than the row.

        Asked once a statement: a run lasts for hours, and what is put in its way meanwhile must not cost anybody rows.
        """
        from psycopg import sql

        return sql.SQL(
            "(SELECT (SELECT count(*) FROM pg_catalog.pg_attribute"
            " WHERE attrelid = {oid} AND attnum > 0 AND NOT attisdropped) = {count}"
            " AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint"
            " WHERE confrelid = {oid} AND contype = 'f' AND confdeltype NOT IN ('a', 'r'))"
            " AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger"
            " WHERE tgrelid = {oid} AND NOT tgisinternal AND tgtype & 8 <> 0 AND tgenabled <> 'D')"
            " AND NOT EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = {oid} AND ev_type = '4'))"
        ).format(oid=sql.Literal(self.table.oid), count=sql.Literal(len(self.table.columns)))

    @cached_property
    def _childless(self) -> sql.Composed:
        """No row points at it: a child that was not archived keeps its parent."""
        from psycopg import sql

        parts = [
            sql.SQL(" AND NOT EXISTS (SELECT FROM {child} AS child WHERE {columns})").format(
                child=sql.Identifier(key.schema, key.table),
                columns=sql.SQL(" AND ").join(
                    sql.SQL("{} = {}").format(sql.Identifier("child", column), sql.Identifier("doomed", referenced))
                    for column, referenced in zip(key.columns, key.referenced, strict=True)
                ),
            )
            for key in self.table.inbound
        ]
        return sql.SQL("").join(parts)

    @property
    def _name(self) -> sql.Identifier:
        from psycopg import sql

        return sql.Identifier(self.table.schema, self.table.name)

    @property
    def _list(self) -> sql.Identifier:
        from psycopg import sql

        return sql.Identifier("pg_temp", _LIST)


def _pair(words: LiteralString, name: str) -> sql.Composed:
    from psycopg import sql

    return sql.SQL(words).format(sql.Identifier("doomed", name), sql.Identifier("staged", name))


def _image(alias: str, names: list[str]) -> sql.Composed:
    """The bytes of some columns together: ``*=`` compares images, whatever ``=`` means for a type."""
    from psycopg import sql

    return sql.SQL("ROW({})::record").format(sql.SQL(", ").join(sql.Identifier(alias, name) for name in names))


def _is_exact(type: str) -> bool:
    return re.sub(r"\(\d+\)", "", type) in _EXACT
