"""How labels and approvals look in JSON, and what the bodies about them hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from aiapp.api.shapes import Id, OptionalBody, Slug, Text, Time
from aiapp.prompt_templates import approvals
from aiapp.prompt_templates import models as rows
from aiapp.prompt_templates import release_models as release_rows
from aiapp.prompt_templates.release_models import PUBLISHED
from aiapp.wire_values import iso, moment

State = Literal["open", "approved", "rejected", "withdrawn"]
Rule = Literal["none", "admin", "second_person"]


class LabelBody(BaseModel):
    """A new label of the workspace."""

    name: Text = Field(description="lower-case letters, digits, single hyphens; a letter first")
    protected: bool = Field(False, description="moving it needs an approval")


class LabelChangeBody(OptionalBody):
    """What changes of a label; what is left out stays."""

    name: Text | None = None
    protected: bool | None = None


class LabelMoveBody(BaseModel):
    """Where a label is to point."""

    version: int = Field(description="the number of a version that cannot change any more")
    message: Text = ""


class UndoBody(BaseModel):
    """Which move is undone: it has to be the last one."""

    move: Text = Field(description="its id, from the label's moves")


class DecisionBody(OptionalBody):
    """Words to the answer."""

    message: Text = ""


class RuleBody(BaseModel):
    """Who has to agree before a version is published."""

    approval: Rule


class PublishingRule(TypedDict):
    """Who has to agree before a version is published."""

    approval: Rule


class Label(TypedDict):
    """A label of the workspace."""

    id: Id
    name: str
    protected: bool
    created_at: Time


class TemplateLabel(TypedDict):
    """Where a label points in one prompt template."""

    name: str
    protected: bool
    version: Annotated[int | None, Field(description="the version's number")]
    semver: str | None


class LabelMove(TypedDict):
    """A move of a label in one prompt template."""

    id: Id
    old: Annotated[int | None, Field(description="the number of the version that it pointed to")]
    new: Annotated[int | None, Field(description="the number of the version that it points to since; null: none")]
    message: str
    by: str | None
    at: Time


class Approval(TypedDict):
    """A request to publish a version, to move a protected label to it or to take it off, and what became of it."""

    id: Id
    prompt_template: Slug
    version: Annotated[int, Field(description="the version's number")]
    label: Annotated[str, Field(description="`published`, or the label that is to be moved")]
    takes_off: Annotated[bool, Field(description="whether the label is to be taken off this version")]
    semver: str | None
    message: str
    state: State
    stale: Annotated[bool, Field(description="whether the version was changed since: then it cannot be approved")]
    requested_by: str | None
    requested_at: Time
    decided_by: str | None
    decided_at: Time | None
    decision: str


def show_label(row: release_rows.Label) -> Label:
    """Return a label of the workspace."""
    return {"id": row.id, "name": row.name, "protected": row.protected, "created_at": moment(row.created_at)}


def show_place(name: str, protected: bool, version: rows.PromptVersion | None) -> TemplateLabel:
    """Return where a label points."""
    return {
        "name": name,
        "protected": protected,
        "version": version.number if version else None,
        "semver": version.semver if version else None,
    }


def show_move(row: release_rows.PromptEvent) -> LabelMove:
    """Return a move of a label."""
    return {
        "id": row.id,
        "old": (row.before or {}).get("version"),
        "new": (row.after or {}).get("version"),
        "message": row.message,
        "by": row.user.name if row.user else None,
        "at": moment(row.at),
    }


def show_approval(row: release_rows.PromptApproval) -> Approval:
    """Return a request."""
    return {
        "id": row.id,
        "prompt_template": row.prompt_template.slug,
        "version": row.prompt_version.number,
        "label": row.label.name if row.label else PUBLISHED,
        "takes_off": row.takes_off,
        "semver": row.semver,
        "message": row.message,
        "state": row.state,  # type: ignore[typeddict-item]  # the column holds no other
        "stale": row.state == "open" and approvals.is_stale(row),
        "requested_by": row.requested_by.name if row.requested_by else None,
        "requested_at": moment(row.requested_at),
        "decided_by": row.decided_by.name if row.decided_by else None,
        "decided_at": iso(row.decided_at),
        "decision": row.decision,
    }
