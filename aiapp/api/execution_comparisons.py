"""The API's comparisons: one input asked several times at once, and what differs between two outputs."""

from __future__ import annotations

from typing import Any, Literal

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
from aiapp.executions.submission import Submission
from aiapp.prompt_templates.comparing.diffing import diff_lines

execution_comparisons = APIBlueprint(
    "execution_comparisons", __name__, abp_tags=[Tag(name="Executions")], abp_security=[{"token": []}]
)


class Variant(Strict):
    """What is different of one of them; what is left out stays as the rest says."""

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
    """A line; `op` is equal, removed or added."""

    op: str
    old_no: int | None
    new_no: int | None
    text: str
    spans: list[dict[str, Any]]


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

    lines: list[DiffLine]
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
    variants = [one.model_dump(exclude_none=True) for one in body.variants]
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
    found = diff_lines(*(differing.comparable(one) for one in (old, new)))
    data = differing.data_between(old, new)
    return {
        "lines": [
            {
                "op": line.op,
                "old_no": line.old_no,
                "new_no": line.new_no,
                "text": line.text,
                "spans": [span._asdict() for span in line.spans],
            }
            for line in found.lines
        ],
        "added": found.added,
        "removed": found.removed,
        "too_different": found.too_different,
        "data": None if data is None else [{"field": one.field, "old": one.old, "new": one.new} for one in data],
        "asked": [{"what": one.what, "old": one.old, "new": one.new} for one in differing.asked_differently(old, new)],
    }


def _demand_alone(body: CompareBody) -> None:
    given = [name for name in ("prompt_template", "template", "system", "format") if getattr(body, name) is not None]
    if given:
        message = "Give an execution, or what is to be executed."
        raise InvalidInput(errors=[{"field": name, "message": message} for name in given])
