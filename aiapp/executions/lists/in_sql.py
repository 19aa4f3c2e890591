"""What the list asks of a database in its own words, for SQLite and for PostgreSQL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class unindexed(FunctionElement[Any]):
    """A column that SQLite shall not look up in an index of its own."""

    inherit_cache = True


@compiles(unindexed)
def _as_it_is(element: unindexed, compiler: SQLCompiler, **more: Any) -> str:
    return compiler.process(element.clauses, **more)


@compiles(unindexed, "sqlite")
def _on_sqlite(element: unindexed, compiler: SQLCompiler, **more: Any) -> str:
    return f"+{compiler.process(element.clauses, **more)}"


class milliseconds_between(FunctionElement[int]):
    """Whole milliseconds between two times, rounded half up as Execution.duration_ms is."""

    inherit_cache = True
    type = sa.BigInteger()


@compiles(milliseconds_between)
def _by_intervals(element: milliseconds_between, compiler: SQLCompiler, **more: Any) -> str:
    start, end = (compiler.process(each, **more) for each in element.clauses)
    return f"floor(extract(epoch from ({end} - {start})) * 1000 + 0.5)"


@compiles(milliseconds_between, "sqlite")
def _by_texts(element: milliseconds_between, compiler: SQLCompiler, **more: Any) -> str:
    # SQLite's own functions of time know milliseconds at the best; it is stored as 2026-03-18 10:00:00.123456
    start, end = (compiler.process(each, **more) for each in element.clauses)
    seconds = f"strftime('%s', {end}) - strftime('%s', {start})"
    micros = f"substr({end}, 21, 6) - substr({start}, 21, 6)"
    return f"((({seconds}) * 1000000 + {micros} + 500) / 1000)"


class roughly_between(milliseconds_between):
    """The same, wrong by a few milliseconds at the most."""

    inherit_cache = True


@compiles(roughly_between)
def _by_floats(element: roughly_between, compiler: SQLCompiler, **more: Any) -> str:
    start, end = (compiler.process(each, **more) for each in element.clauses)
    return f"(date_part('epoch', {end} - {start}) * 1000)"


@compiles(roughly_between, "sqlite")
def _by_days(element: roughly_between, compiler: SQLCompiler, **more: Any) -> str:
    start, end = (compiler.process(each, **more) for each in element.clauses)
    return f"((julianday({end}) - julianday({start})) * 86400000)"
