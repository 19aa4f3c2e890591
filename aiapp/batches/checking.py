"""Whether every row of a table can be run, before any is: the columns put to the variables, each row's prompt filled."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from aiapp.errors import InvalidInput
from aiapp.executions.submission import Prepared
from aiapp.prompt_templates.contexts import of_type
from aiapp.prompt_templates.text import including
from aiapp.prompt_templates.text.rendering import estimate_tokens

MOST_PROBLEMS = 100
# A thread of the server is held for as long.
MOST_SECONDS = 30.0
TOO_LONG = (
    f"Filling all prompts takes longer than {MOST_SECONDS:.0f} seconds: this row and those after it were not looked at. "
    "Bring the table in parts, or shorten the prompt."
)
Sources = Mapping[str, Mapping[str, str]]
Rows = Iterable[tuple[int, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something cannot be run: a row (None: all of them), its column where one is known, the variable or field."""

    row: int | None
    column: str | None
    field: str
    message: str


@dataclass(slots=True)
class Checked:
    """What looking at all rows has found: the first problems, which rows have one, the (estimated) tokens of all prompts.

    `complete` is False where that took too long: then the first problem is the row from which on nothing was looked at.
    `left_out` is how many rows of the table are none of the batch.
    """

    problems: list[Problem] = field(default_factory=list)
    wrong: list[int] = field(default_factory=list)
    tokens: int = 0
    complete: bool = True
    left_out: int = 0

    @property
    def ready(self) -> bool:
        """Whether every row can be run."""
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        """Return it as a batch keeps it."""
        kept = asdict(self)
        kept["wrong_rows"] = len(kept.pop("wrong"))
        return kept


def variables(prepared: Prepared) -> list[dict[str, Any]]:
    """Return what is declared of each variable that the prompt takes, those of what it includes among them."""
    texts = (prepared.system, prepared.body, *(message["content"] for message in prepared.messages))
    return including.expand(texts, prepared.library).specs(prepared.variables)


def mapped_by_name(specs: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the mapping of each variable to the column of its name, but for capitals, spaces and signs."""
    known: dict[str, str] = {}
    for column in columns:
        known.setdefault(_plain(column), column)
    found = {spec["name"]: known.get(_plain(spec["name"])) for spec in specs}
    exact = {name: name for name in found if name in columns}
    return {name: {"column": column} for name, column in {**found, **exact}.items() if column is not None}


def values(specs: Mapping[str, Mapping[str, Any]], mapping: Sources, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's context: each variable's value, of its type where a text is one; what is empty is left out."""
    found = {}
    for name, source in mapping.items():
        value = row.get(source["column"]) if "column" in source else source["value"]
        if value is not None and value != "":
            found[name] = of_type(value, specs[name]) if isinstance(value, str) and name in specs else value
    return found


def check(
    prepared: Prepared, mapping: Sources, columns: Sequence[str], rows: Rows, *, seconds: float = MOST_SECONDS
) -> Checked:
    """Fill the prompt of every row, for so many seconds, and return what was found; a mistake of the mapping is told once."""
    specs = {spec["name"]: spec for spec in variables(prepared)}
    checked = Checked(_of_mapping(specs, mapping, columns))
    if checked.problems:
        return checked
    tokens_of = lru_cache(maxsize=16)(estimate_tokens)  # a long part without variables is the same in all rows
    end = time.monotonic() + seconds
    for number, row in rows:
        if time.monotonic() > end:
            checked.complete = False
            checked.problems.insert(0, Problem(number, None, "", TOO_LONG))
            break
        try:
            made = prepared.columns(values(specs, mapping, row))
        except InvalidInput as error:
            checked.wrong.append(number)
            room = max(0, MOST_PROBLEMS - len(checked.problems))
            checked.problems += [_problem(number, mapping, item) for item in error.errors[:room]]
        else:
            texts = (made["system"], made["body"], *(message["content"] for message in made["messages"]))
            checked.tokens += sum(map(tokens_of, texts))
    return checked


def _of_mapping(specs: Mapping[str, Mapping[str, Any]], mapping: Sources, columns: Sequence[str]) -> list[Problem]:
    found = []
    for name, source in mapping.items():
        if name not in specs:
            found.append(Problem(None, None, name[:100], f"No variable is called {name[:100]}."))
        elif "column" in source and source["column"] not in columns:
            found.append(Problem(None, source["column"][:100], name, "There is no such column."))
    for name, spec in specs.items():
        if name not in mapping and spec.get("required", True) and spec.get("default") in (None, ""):
            found.append(
                Problem(None, None, name, "Choose a column for this variable, or give one value for all rows.")
            )
    return found[:MOST_PROBLEMS]


def _problem(number: int, mapping: Sources, item: Mapping[str, str]) -> Problem:
    name = item["field"].removeprefix("context.")
    return Problem(number, mapping.get(name, {}).get("column"), name, item["message"])


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()
