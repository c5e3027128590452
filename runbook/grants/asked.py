"""What a row asks of its targets, read from its own code: the probes of its check, causes and remedy, the operations.

Nothing is declared twice: a probe says what it needs, and the row's functions are followed to the probes they name.
It is told rather too much than too little: where a branch would not be taken, what it asks is needed all the same.
"""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from runbook.probes import ProbeSpec
from runbook.rows import Row
from runbook.targets.base import Target
from runbook.targets.opening import KINDS

Function = Callable[..., Any]
#: The targets by name, and that of the team's scripts, which is the database asked in another way.
_KINDS = {**KINDS, "scripts": ("runbook.targets.scripts.scripts", "Scripts")}
#: A method that is called: the name it is called on (None where that is no plain name) and its own.
Called = tuple[str | None, str]


class Asked(msgspec.Struct, frozen=True, order=True):
    """One probe or operation: the kind of target, its name, and the rights it cannot do without, in words."""

    target: str
    name: str
    needs: str = ""


class Asks(msgspec.Struct, frozen=True):
    """What a row asks, sorted: ``check`` to judge, ``probes`` in all, ``operations`` to mend."""

    check: tuple[Asked, ...]
    probes: tuple[Asked, ...]
    operations: tuple[Asked, ...]


def asks(row: Row) -> Asks:
    """What a row asks of its targets. Reads source code only."""
    remedy = row.treatment.remedy if row.treatment else None
    causes = tuple(cause.diagnosis for cause in row.causes)
    return _asks(row.check, row.targets, causes, remedy, row.all_targets())


@functools.cache
def _asks(
    check: Function,
    targets: tuple[str, ...],
    causes: tuple[Function, ...],
    remedy: Function | None,
    all: tuple[str, ...],
) -> Asks:
    treatment = [remedy] if remedy else []
    everything = _Followed(all, [check, *causes, *treatment])
    return Asks(_Followed(targets, [check]).probes(), everything.probes(), _Followed(all, treatment).operations())


class _Followed:
    """Functions, and what they lead to: other functions of the same rooms, targets, attributes, names of operations."""

    def __init__(self, targets: tuple[str, ...], functions: list[Function]) -> None:
        self._classes: dict[type[Target], str] = {}
        self._called: set[Called] = set()
        self._named: set[str] = set()
        self._seen: set[Function] = set()
        rooms = {function.__module__.partition(".")[0] for function in functions}
        self._rooms = rooms | {"runbook", "procedures"}
        for name in targets:
            if name in _KINDS:
                self._meet(_class_of(name), name)
        for function in functions:
            self._follow(function)
        self._settle()

    def probes(self) -> tuple[Asked, ...]:
        """The probes whose names are called."""
        return tuple(sorted({_asked(kind, found) for kind, found in self._members() if hasattr(found, "__probe__")}))

    def operations(self) -> tuple[Asked, ...]:
        """The operations that steps name."""
        found = {
            Asked(kind.kind, name, getattr(getattr(kind, name), "__needs__", ""))
            for kind in self._classes
            for name in self._named
            if hasattr(getattr(kind, name, None), "__effect__")
        }
        return tuple(sorted(found))

    def _settle(self) -> None:
        """Follow the targets' own methods too, until nothing new comes."""
        known = (0, 0)
        while known != (known := (len(self._seen), len(self._classes))):
            for _kind, member in list(self._members()):
                if not hasattr(member, "__probe__"):
                    self._follow(member)

    def _members(self) -> Iterator[tuple[type[Target], Function]]:
        for receiver, attribute in list(self._called):
            for kind, name in list(self._classes.items()):
                if receiver in _KINDS and name in _KINDS and receiver != name:
                    continue
                member = inspect.getattr_static(kind, attribute, None)
                member = member.fget if isinstance(member, property) else member
                if isinstance(member, types.FunctionType):
                    yield kind, member

    def _meet(self, kind: type[Target], name: str) -> None:
        if kind not in self._classes:
            self._classes[kind] = name
            self._follow(kind.__init__)

    def _follow(self, function: Function) -> None:
        function = inspect.unwrap(function)
        if function in self._seen:
            return
        self._seen.add(function)
        for node in _nodes(function):
            self._look(node, function)

    def _look(self, node: ast.AST, function: Function) -> None:
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=attribute)):
                self._called.add((value.id if isinstance(value, ast.Name) else None, attribute))
            case ast.Attribute(value=ast.Name(id=receiver), attr=attribute):
                if receiver in _KINDS:  # a probe may be handed on, to be called elsewhere
                    self._called.add((receiver, attribute))
                self._refer(getattr(function.__globals__.get(receiver), attribute, None))
            case ast.Name(id=name):
                self._refer(function.__globals__.get(name))
            case ast.keyword(arg="operation", value=ast.Constant(value=str(name))):
                self._named.add(name)

    def _refer(self, found: object) -> None:
        if isinstance(found, types.FunctionType) and found.__module__.partition(".")[0] in self._rooms:
            self._follow(found)
        elif isinstance(found, type) and issubclass(found, Target):
            self._meet(found, found.kind)


def _asked(kind: type[Target], member: Function) -> Asked:
    spec: ProbeSpec = member.__probe__  # type: ignore[attr-defined]
    return Asked(kind.kind, spec.name, spec.needs)


@functools.cache
def _class_of(name: str) -> type[Target]:
    module, kind = _KINDS[name]
    found: type[Target] = getattr(importlib.import_module(module), kind)
    return found


@functools.cache
def _nodes(function: Function) -> tuple[ast.AST, ...]:
    """The code of a function; raises OSError where there is no source."""
    return tuple(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))))
