"""Whether a text contains another one, whatever its capitals: asked of both databases in time that grows with its length.

LIKE goes back at each letter that fits: in a text of one letter it takes the product of both lengths.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


def contains(column: Any, text: str) -> sa.ColumnElement[bool]:
    """Return the condition; the letters that capitals are known of are the database's (in SQLite those of ASCII)."""
    return _position(sa.func.lower(column), sa.func.lower(text)) > 0


class _position(FunctionElement[int]):
    """Where a text begins to contain another one, 0 where it does not."""

    inherit_cache = True
    type = sa.Integer()


@compiles(_position)
def _by_strpos(element: _position, compiler: SQLCompiler, **more: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **more)})"


@compiles(_position, "sqlite")
def _by_instr(element: _position, compiler: SQLCompiler, **more: Any) -> str:
    return f"instr({compiler.process(element.clauses, **more)})"
