"""The API's comparisons: one input asked several times at once, and what differs between two outputs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from aiapp.api.asking import asking, needs
from aiapp.api.execution_shapes import Execution, show
from aiapp.api.idempotency import once
from aiapp.api.shapes import Id, Strict, Text
from aiapp.errors import InvalidInput
from aiapp.executions import actions, differing
from aiapp.executions import models as rows
from aiapp.executions.differing import MAX_CHARACTERS, MAX_ROWS
from aiapp.executions.submission import Submission
from aiapp.prompt_templates.comparing.diffing import Line
from aiapp.prompt_templates.comparing.rows import CONTEXT_LINES, Fold

execution_comparisons = APIBlueprint(
    "execution_comparisons", __name__, abp_tags=[Tag(name="Executions")], abp_security=[{"token": []}]
)


class Variant(Strict):
    """What is different of one of them; what is left out stays as the rest says, what is null is let go of."""

    version: int | None = None
    provider: Text | None = None
    credential_id: Text | None = None
    model: Text | None = None
    temperature: float | None = None


class CompareBody(Strict):
    """One input: an execution's (`execution_id`), or that of a prompt template or a text; and 2 to 6 variants of it."""

    execution_id: Id | None = Field(
        None, description="its prompt and context are asked again; 1 to 5 variants beside it"
    )
    prompt_template: Text | None = Field(None, description="a slug")
    template: Text | None = Field(None, description="a text of its own")
    system: Text | None = None
    context: dict[str, Any] = Field(default_factory=dict, description="with `execution_id`: values beside its own")
    format: Text | None = None
    variants: list[Variant] = Field(min_length=1, max_length=actions.MOST_COMPARED)


class Compared(TypedDict):
    """The executions, in the order of their variants."""

    data: list[Execution]


class PairPath(BaseModel):
    """Two executions."""

    execution_id: Id
    other_id: Id


class DiffLine(TypedDict):
    """A line; or, where `op` is fold, `hidden` equal lines far from any change, of which the numbers are the first one's."""

    op: Literal["equal", "removed", "added", "fold"]
    old_no: int | None
    new_no: int | None
    text: str
    spans: list[dict[str, Any]]
    hidden: int


class Changed(TypedDict):
    """A value that differs inside of two answers in JSON or YAML, by its path with dots."""

    field: str
    old: Any
    new: Any


class Asked(TypedDict):
    """What was asked differently, in words."""

    what: str
    old: str
    new: str


class OutputDiff(TypedDict):
    """What differs between two outputs, from the first to the second."""

    lines: Annotated[
        list[DiffLine],
        Field(description=f"at most {MAX_ROWS:,}: what changed, with {CONTEXT_LINES} equal lines before and after it"),
    ]
    left_out: Annotated[int, Field(description="how many further lines (and folds) there are")]
    cut: Annotated[bool, Field(description=f"only the first {MAX_CHARACTERS:,} characters of an output were compared")]
    added: int
    removed: int
    too_different: bool
    data: list[Changed] | None
    asked: list[Asked]


@execution_comparisons.post("/executions/compare", summary="Ask several versions or models at once")
@once()
@needs("viewer", "run")
def compare(body: CompareBody) -> tuple[Compared, Literal[202]]:
    """All of them are stored, or none."""
    access = asking()
    variants = [one.model_dump(exclude_unset=True) for one in body.variants]
    if body.execution_id is not None:
        _demand_alone(body)
        asked_for = [{**one, "more": body.context} for one in variants]
        made = actions.compare_again(access, access.get(rows.Execution, body.execution_id), asked_for)
    else:
        shared = body.model_dump(exclude={"variants", "execution_id"})
        made = actions.compare(access, [Submission(**{**shared, **one}, source="api") for one in variants])
    return {"data": [show(access, one) for one in made]}, 202


@execution_comparisons.get(
    "/executions/<id:execution_id>/diff/<id:other_id>", summary="What differs between two outputs"
)
@needs("viewer", "read")
def diff(path: PairPath) -> OutputDiff:
    """By line and word; of answers in JSON or YAML by value too."""
    access = asking()
    old, new = (access.get(rows.Execution, one) for one in (path.execution_id, path.other_id))
    found = differing.outputs_between(old, new, split=False)
    data = found.data
    return {
        "lines": [_line(row) for row in found.unified],
        "left_out": found.left_out,
        "cut": found.cut,
        "added": found.diff.added,
        "removed": found.diff.removed,
        "too_different": found.diff.too_different,
        "data": None if data is None else [{"field": one.field, "old": one.old, "new": one.new} for one in data],
        "asked": [{"what": one.what, "old": one.old, "new": one.new} for one in differing.asked_differently(old, new)],
    }


def _line(row: Line | Fold) -> DiffLine:
    if isinstance(row, Fold):
        run = row.run
        return {
            "op": "fold",
            "old_no": run.old + 1,
            "new_no": run.new + 1,
            "text": "",
            "spans": [],
            "hidden": row.hidden,
        }
    spans = [span._asdict() for span in row.spans]
    return {
        "op": row.op,
        "old_no": row.old_no,
        "new_no": row.new_no,
        "text": row.text,
        "spans": spans,
        "hidden": 0,
    }


def _demand_alone(body: CompareBody) -> None:
    given = [name for name in ("prompt_template", "template", "system", "format") if getattr(body, name) is not None]
    if given:
        message = "Give an execution, or what is to be executed."
        raise InvalidInput(errors=[{"field": name, "message": message} for name in given])
