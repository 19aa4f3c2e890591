"""The API's releases: the current text of a label, where labels point, who has to agree, what waits for an approval."""

from __future__ import annotations

from typing import Literal

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from aiapp.api.asking import asking, needs
from aiapp.api.conditional import conditional
from aiapp.api.idempotency import once
from aiapp.api.locating import creates
from aiapp.api.paging import Listed, PageQuery, in_order, newest_first
from aiapp.api.prompt_shapes import PromptVersion, show_version
from aiapp.api.release_shapes import (
    Approval,
    DecisionBody,
    Label,
    LabelBody,
    LabelChangeBody,
    LabelMove,
    LabelMoveBody,
    PublishingRule,
    RuleBody,
    State,
    TemplateLabel,
    UndoBody,
    show_approval,
    show_label,
    show_move,
    show_place,
)
from aiapp.api.shapes import GONE, Gone, Id, Slug, SlugPath
from aiapp.errors import InvalidInput
from aiapp.prompt_templates import approvals, label_requests, labels, library, publishing_rules
from aiapp.prompt_templates import release_models as rows
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.workspaces.access import Access

prompt_releases = APIBlueprint(
    "prompt_releases", __name__, abp_tags=[Tag(name="Releases")], abp_security=[{"token": []}]
)


class LabelledPath(BaseModel):
    """A label in a prompt template."""

    slug: Slug
    label: str = Field(description="the name of a label; `published` is the published version")


class LabelPath(BaseModel):
    """A label of the workspace."""

    label_id: Id


class ApprovalPath(BaseModel):
    """A request."""

    approval_id: Id


class ApprovalQuery(PageQuery):
    """Which requests."""

    state: State | None = None


@prompt_releases.get("/prompt-templates/<slug>/versions/<label>", summary="The version that a label points to")
@conditional
@needs("viewer", "read")
def labelled(path: LabelledPath) -> PromptVersion:
    """The current text, for clients that want nothing else: ask again with If-None-Match, and an unchanged one is a 304."""
    access = asking()
    template = library.find(access, path.slug)
    return show_version(labels.version_at(access, template, path.label))


@prompt_releases.get("/prompt-templates/<slug>/labels", summary="Where labels point")
@needs("viewer", "read")
def places(path: SlugPath, query: PageQuery) -> Listed[TemplateLabel]:
    """All labels of the workspace, `published` included, by name."""
    access = asking()
    template = library.find(access, path.slug)
    points_to = labels.labelled(access, template)
    found = [show_place(one.name, one.protected, points_to.get(one.name)) for one in labels.of_workspace(access)]
    rule = publishing_rules.rule_of(access)
    found.append(show_place(rows.PUBLISHED, rule != "none", library.published(access, template)))
    return in_order(found, lambda one: (one["name"],), query, lambda one: one)


@prompt_releases.put("/prompt-templates/<slug>/labels/<label>", summary="Move a label")
@needs("editor", "write")
def move(path: LabelledPath, body: LabelMoveBody) -> TemplateLabel | tuple[Approval, Literal[202]]:
    """202 with the request, where the label is protected and somebody else has to agree first."""
    access = asking()
    template, label = _movable(access, path)
    version = library.version(access, template, body.version)
    asked = label_requests.move(access, template, label, version, body.message)
    return (show_approval(asked), 202) if asked else show_place(label.name, label.protected, version)


@prompt_releases.delete("/prompt-templates/<slug>/labels/<label>", summary="Take a label off")
@needs("editor", "write")
def take_off(path: LabelledPath) -> Gone | tuple[Approval, Literal[202]]:
    """It points to no version of this prompt template then. 202 with the request, where somebody else has to agree first."""
    access = asking()
    template, label = _movable(access, path)
    asked = label_requests.move(access, template, label, None)
    return (show_approval(asked), 202) if asked else GONE


@prompt_releases.get("/prompt-templates/<slug>/labels/<label>/moves", summary="Moves of a label")
@needs("viewer", "read")
def moves(path: LabelledPath, query: PageQuery) -> Listed[LabelMove]:
    """In one prompt template, newest first. Those of `published` are its publications: see the versions."""
    access = asking()
    template, label = _movable(access, path)
    told = access.select(rows.PromptEvent).where(
        rows.PromptEvent.prompt_template_id == template.id,
        rows.PromptEvent.action == "label",
        rows.PromptEvent.label == label.name,
    )
    return newest_first(told, rows.PromptEvent, query, show_move)


@prompt_releases.post("/prompt-templates/<slug>/labels/<label>/undo", summary="Undo the last move of a label")
@once()
@needs("editor", "write")
def undo(path: LabelledPath, body: UndoBody) -> TemplateLabel | tuple[Approval, Literal[202]]:
    """409 `overtaken` where another move came after it. 202 with the request, where somebody else has to agree first."""
    access = asking()
    template, label = _movable(access, path)
    asked = label_requests.undo(access, template, label, body.move)
    if asked:
        return show_approval(asked), 202
    return show_place(label.name, label.protected, labels.labelled(access, template).get(label.name))


@prompt_releases.get("/labels", summary="Labels of the workspace")
@needs("viewer", "read")
def index(query: PageQuery) -> Listed[Label]:
    """By name; `published` is always there and not among them."""
    return in_order(labels.of_workspace(asking()), lambda one: (one.name,), query, show_label)


@prompt_releases.post("/labels", summary="Make a label")
@creates("prompt_releases.read", id="label_id")
@once()
@needs("admin", "admin")
def create(body: LabelBody) -> tuple[Label, Literal[201]]:
    """A taken name is 409 `label_taken`."""
    return show_label(labels.create(asking(), body.name, body.protected)), 201


@prompt_releases.get("/labels/<id:label_id>", summary="One label")
@needs("viewer", "read")
def read(path: LabelPath) -> Label:
    """Its name, and whether it is protected."""
    return show_label(asking().get(rows.Label, path.label_id))


@prompt_releases.patch("/labels/<id:label_id>", summary="Change a label")
@needs("admin", "admin")
def change(path: LabelPath, body: LabelChangeBody) -> Label:
    """Programs that ask for the old name get 404."""
    access = asking()
    label = access.get(rows.Label, path.label_id)
    return show_label(labels.change(access, label, name=body.name, protected=body.protected))


@prompt_releases.delete("/labels/<id:label_id>", summary="Delete a label")
@needs("admin", "admin")
def delete(path: LabelPath) -> Gone:
    """Wherever it points; the versions stay."""
    access = asking()
    labels.delete(access, access.get(rows.Label, path.label_id))
    return GONE


@prompt_releases.get("/publishing-rule", summary="Who has to agree before a version is published")
@needs("viewer", "read")
def rule() -> PublishingRule:
    """Nobody, an admin, or a second person."""
    return {"approval": publishing_rules.rule_of(asking())}  # type: ignore[typeddict-item]  # the column holds no other


@prompt_releases.put("/publishing-rule", summary="Change who has to agree")
@needs("admin", "admin")
def set_rule(body: RuleBody) -> PublishingRule:
    """Requests that are open stay open."""
    publishing_rules.set_rule(asking(), body.approval)
    return {"approval": body.approval}


@prompt_releases.get("/approvals", summary="Requests to publish")
@needs("viewer", "read")
def requests(query: ApprovalQuery) -> Listed[Approval]:
    """Newest first."""
    asked = asking().select(rows.PromptApproval)
    if query.state is not None:
        asked = asked.where(rows.PromptApproval.state == query.state)
    return newest_first(asked, rows.PromptApproval, query, show_approval)


@prompt_releases.get("/approvals/<id:approval_id>", summary="One request")
@needs("viewer", "read")
def request_(path: ApprovalPath) -> Approval:
    """What was asked for, and what became of it."""
    return show_approval(_approval(path))


@prompt_releases.post("/approvals/<id:approval_id>/approve", summary="Approve a request")
@needs("editor", "write")
def approve(path: ApprovalPath, body: DecisionBody) -> Approval:
    """Publishes the version, or moves the label. A version that was changed since is 409 `stale`."""
    approval = _approval(path)
    approvals.approve(asking(), approval, body.message)
    return show_approval(approval)


@prompt_releases.post("/approvals/<id:approval_id>/reject", summary="Reject a request")
@needs("editor", "write")
def reject(path: ApprovalPath, body: DecisionBody) -> Approval:
    """The message says why."""
    return show_approval(approvals.reject(asking(), _approval(path), body.message))


@prompt_releases.post("/approvals/<id:approval_id>/withdraw", summary="Take one's own request back")
@needs("editor", "write")
def withdraw(path: ApprovalPath) -> Approval:
    """Only who asked can."""
    return show_approval(approvals.withdraw(asking(), _approval(path)))


def _movable(access: Access, path: LabelledPath) -> tuple[PromptTemplate, rows.Label]:
    template = library.find(access, path.slug)
    if path.label == rows.PUBLISHED:
        message = "Publish a version, or roll back to one: that moves this label."
        raise InvalidInput(errors=[{"field": "label", "message": message}])
    return template, labels.find(access, path.label)


def _approval(path: ApprovalPath) -> rows.PromptApproval:
    return asking().get(rows.PromptApproval, path.approval_id)
