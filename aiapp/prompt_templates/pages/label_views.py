"""The labels of a prompt template: where each points, moving one, what was moved when, and undoing it."""

from __future__ import annotations

from flask import Response, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import AppError, Conflict, InvalidInput
from aiapp.prompt_templates import approvals, events, labels, library, publishing_rules, versioning
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.pages import forms
from aiapp.prompt_templates.pages.routes import answer, blueprint, shell
from aiapp.prompt_templates.release_models import Label
from aiapp.prompt_templates.telling import tell
from aiapp.workspaces.access import Access, require

MOVES = 100


@blueprint.get("/<slug>/labels")
@require()
def labels_page(access: Access, slug: str) -> Response:
    """Where the labels point, and their history."""
    return _page(access, library.find(access, slug))


@blueprint.post("/<slug>/labels/<label>")
@require("editor")
def move_label(access: Access, slug: str, label: str) -> BaseResponse:
    """Let a label point to another version, or ask for it where it is protected."""
    template, found = library.find(access, slug), labels.find(access, label)
    message = request.form.get("message", "")
    try:
        number = forms.typed_number("version")
        target = library.version(access, template, number) if number else None
        return _done(access, template, found, target, _move_or_ask(access, template, found, target, message))
    except (InvalidInput, Conflict) as error:
        return _page(access, template, error=error, failed=label)


@blueprint.post("/<slug>/labels/<label>/undo")
@require("editor")
def undo_label(access: Access, slug: str, label: str) -> BaseResponse:
    """Let a label point to where it pointed before its last move."""
    template, found = library.find(access, slug), labels.find(access, label)
    event_id = request.form.get("event", "")
    try:
        if publishing_rules.approval_needed(access, found):
            target = labels.before(access, template, found, event_id)
            asked = _move_or_ask(access, template, found, target, "Undo")
            return _done(access, template, found, target, asked)
        return _done(access, template, found, labels.undo(access, template, found, event_id), False)
    except (InvalidInput, Conflict) as error:
        return _page(access, template, error=error, failed=label)


def _move_or_ask(
    access: Access, template: PromptTemplate, label: Label, target: PromptVersion | None, message: str
) -> bool:
    """Move a label, or ask for it; return whether it was asked."""
    if target is None or not publishing_rules.approval_needed(access, label):
        labels.move(access, template, label, target, message)
        return False
    approvals.ask(access, target, message, label=label)
    return True


def _done(
    access: Access, template: PromptTemplate, label: Label, target: PromptVersion | None, asked: bool
) -> BaseResponse:
    where = f"points to v{target.number} now" if target else "points to no version now"
    done = f"{label.name} {where}."
    if asked and target:
        done = f"You asked to move {label.name} to v{target.number}. It moves when somebody approves it."
    return htmx.go(url_for("prompt_templates.labels_page", workspace=access.workspace.slug, slug=template.slug), done)


def _page(
    access: Access, template: PromptTemplate, *, error: AppError | None = None, failed: str | None = None
) -> Response:
    frozen = [
        version for version in library.versions(access, template, texts=False) if version.status not in versioning.OPEN
    ]
    moves = [event for event in events.listed(access, template, MOVES * 5) if event.action == "label"][:MOVES]
    known = labels.of_workspace(access)
    names = {label.name for label in known}
    newest: dict[str, str] = {}
    for event in moves:
        newest.setdefault(str(event.label), event.id)
    undoable = {event_id for name, event_id in newest.items() if name in names}
    return answer(
        "prompt_templates/labels.html",
        error.status if error else 200,
        **shell(access, template, library.current(access, template), ""),
        known=known,
        points_to=labels.labelled(access, template),
        choices=[("", "No version"), *((str(one.number), _called(one)) for one in frozen)],
        asks={label.name: publishing_rules.approval_needed(access, label) for label in known},
        moves=moves,
        undoable=undoable,
        tell=tell,
        error=error,
        failed=failed,
        errors=forms.errors_of(error) if error else {},
    )


def _called(version: PromptVersion) -> str:
    words = f"v{version.number}" + (f" · {version.semver}" if version.semver else "")
    return words + (" · published" if version.status == "published" else "")
