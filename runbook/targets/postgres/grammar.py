"""Which columns a statement looks rows up by, as PostgreSQL's own grammar reads it (the extra ``statements``).

Where the parser is not installed, or does not understand a statement, ``predicates`` reads its words. The grammar knows
more: which table of which SELECT a bare column is of, what stands under an OR, rows compared as a whole, min and max.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runbook.targets.postgres.predicates import Lookups

Node = Mapping[str, Any]
#: The tables that count, with their columns.
Known = Mapping[str, frozenset[str]]
#: (how, qualifier, column) of a use, as in ``predicates``.
Use = tuple[str, str | None, str]

_COMPARES = {"=": "equal", "<": "range", ">": "range", "<=": "range", ">=": "range"}
_TESTS = {"IS_NULL": "null", "IS_TRUE": "true", "IS_FALSE": "false"}
_ENDS = ("min", "max")
_MOST_ORDERED = 2


def lookups_by_grammar(statement: str, columns: Mapping[str, Iterable[str]]) -> dict[str, Lookups] | None:
    """As :func:`predicates.lookups`; None where the grammar is not at hand or the statement is not understood."""
    tree = _parsed(statement)
    if tree is None:
        return None
    known = {table: frozenset(names) for table, names in columns.items()}
    found: dict[str, Lookups] = {}
    for stored in tree.get("stmts", ()):
        for select in _selects(stored):
            _read(select, {}, known, found)
    return found


def _parsed(statement: str) -> Node | None:
    try:
        import postgast
        from google.protobuf.json_format import MessageToDict
    except (ImportError, OSError):
        return None
    try:
        tree: Node = MessageToDict(postgast.parse(statement), preserving_proto_field_name=True)
    except (postgast.PgQueryError, ValueError):
        return None
    return tree


def _read(
    select: Node, outer: Mapping[str, str], known: Mapping[str, frozenset[str]], into: dict[str, Lookups]
) -> None:
    """The uses of one SELECT, then of those within it, which see its tables too."""
    here = dict(_tables(select.get("from_clause", ())))
    for made in select.get("with_clause", {}).get("ctes", ()):
        here.pop(made["common_table_expr"]["ctename"], None)
    scope = {**outer, **here}
    for table in here.values():
        if table in known:
            into.setdefault(table, Lookups())
    for how, qualifier, column in _uses(select):
        for table in _asked(qualifier, column, here, scope, known):
            into.setdefault(table, Lookups()).note(how, column)
    for inner in _selects(select):
        _read(inner, scope, known, into)


def _asked(
    qualifier: str | None,
    column: str,
    here: Mapping[str, str],
    scope: Mapping[str, str],
    known: Known,
) -> list[str]:
    """The tables that a column may be of; a bare one is of the nearest SELECT that has it."""
    if qualifier is not None:
        near = [scope[qualifier]] if qualifier in scope else []
    else:
        near = [table for table in here.values() if column in known.get(table, ())] or list(scope.values())
    return [table for table in dict.fromkeys(near) if column in known.get(table, ())]


def _tables(nodes: Iterable[Node]) -> Iterator[tuple[str, str]]:
    """(name in the statement, table) of what stands behind FROM, joined or not."""
    for node in nodes:
        if table := node.get("range_var"):
            yield table.get("alias", {}).get("aliasname", table["relname"]), table["relname"]
        elif join := node.get("join_expr"):
            yield from _tables(side for side in (join.get("larg"), join.get("rarg")) if side)


def _uses(select: Node) -> Iterator[Use]:
    for source in select.get("from_clause", ()):
        yield from _joined(source)
    if where := select.get("where_clause"):
        yield from _conditions(where)
    for order in select.get("sort_clause", ())[:_MOST_ORDERED]:
        column = _column(order["sort_by"].get("node", {}))
        if column is None:
            break
        yield "order", *column
    for target in select.get("target_list", ()):
        yield from _end_of(target.get("res_target", {}).get("val", {}).get("func_call", {}))


def _joined(source: Node) -> Iterator[Use]:
    join = source.get("join_expr")
    if join is None:
        return
    if quals := join.get("quals"):
        yield from _conditions(quals)
    for name in join.get("using_clause", ()):
        yield "equal", None, name["string"]["sval"]
    for side in ("larg", "rarg"):
        yield from _joined(join.get(side, {}))


def _end_of(call: Node) -> Iterator[Use]:
    """``min(column)``: the first entry of an index, without reading a row."""
    names, given = call.get("funcname", ()), call.get("args", ())
    if len(given) == 1 and names and names[-1]["string"]["sval"] in _ENDS and (column := _column(given[0])):
        yield "order", *column


def _conditions(node: Node, alone: bool = False) -> Iterator[Use]:
    """What must be true; ``alone`` says that it is one of several ways."""
    if joined := node.get("bool_expr"):
        yield from _joined_conditions(joined, alone)
        return
    for how, *column in _compared(node):
        yield ("alone" if alone and how in ("equal", "range") else how), column[0], str(column[1])


def _joined_conditions(joined: Node, alone: bool) -> Iterator[Use]:
    if joined["boolop"] == "NOT_EXPR":
        if (column := _column(joined["args"][0])) is not None:
            yield "false", *column
        return
    for part in joined["args"]:
        yield from _conditions(part, alone or joined["boolop"] == "OR_EXPR")


def _compared(node: Node) -> Iterator[Use]:
    if (column := _column(node)) is not None:
        yield "true", *column
    test = node.get("null_test") or node.get("boolean_test") or {}
    how = _TESTS.get(test.get("nulltesttype") or test.get("booltesttype") or "")
    if how and (column := _column(test["arg"])) is not None:
        yield how, *column
    if expression := node.get("a_expr"):
        yield from _expression(expression)


def _expression(expression: Node) -> Iterator[Use]:
    sign, kind = expression["name"][-1]["string"]["sval"], expression["kind"]
    left = expression.get("lexpr", {})
    if kind == "AEXPR_BETWEEN":
        yield from (("range", *column) for column in _columns(left))
    elif kind in ("AEXPR_IN", "AEXPR_OP_ANY") and sign == "=":
        yield from (("equal", *column) for column in _columns(left))
    elif kind == "AEXPR_OP" and sign in _COMPARES:
        for side in (left, expression.get("rexpr", {})):
            yield from ((_COMPARES[sign], *column) for column in _columns(side))


def _columns(node: Node) -> Iterator[tuple[str | None, str]]:
    """One column, or those of a row that is compared as a whole."""
    for part in node.get("row_expr", {}).get("args", (node,)):
        if (column := _column(part)) is not None:
            yield column


def _column(node: Node) -> tuple[str | None, str] | None:
    fields = node.get("column_ref", {}).get("fields", ())
    names = [field["string"]["sval"] for field in fields if "string" in field]
    if not names or len(names) != len(fields):
        return None
    return (names[-2] if len(names) > 1 else None), names[-1]


def _selects(node: Any) -> Iterator[Node]:
    """The outermost SELECTs within a node; both sides of a UNION are two."""
    if isinstance(node, Mapping):
        for name, inner in node.items():
            if name == "select_stmt" or (name in ("larg", "rarg") and "op" in node and "target_list" in inner):
                yield inner
            else:
                yield from _selects(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _selects(inner)
