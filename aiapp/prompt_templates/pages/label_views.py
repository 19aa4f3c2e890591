"""The labels of a prompt template: where each points, moving one, what was moved when, and undoing it."""

from __future__ import annotations

from flask import Response, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import AppError, Conflict, InvalidInput
from aiapp.prompt_templates import events, label_requests, labels, library, publishing_rules, versioning
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.pages import forms
from aiapp.prompt_templates.pages.routes import answer, blueprint, shell
from aiapp.prompt_templates.release_models import Label, PromptApproval
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
    try:
        number = forms.typed_number("version")
        target = library.version(access, template, number) if number else None
        return _done(
            access,
            template,
            found,
            label_requests.move(access, template, found, target, request.form.get("message", "")),
        )
    except (InvalidInput, Conflict) as error:
        return _page(access, template, error=error, failed=label)


@blueprint.post("/<slug>/labels/<label>/undo")
@require("editor")
def undo_label(access: Access, slug: str, label: str) -> BaseResponse:
    """Let a label point to where it pointed before its last move, or ask for it where it is protected."""
    template, found = library.find(access, slug), labels.find(access, label)
    try:
        return _done(
            access, template, found, label_requests.undo(access, template, found, request.form.get("event", ""))
        )
    except (InvalidInput, Conflict) as error:
        return _page(access, template, error=error, failed=label)


def _done(access: Access, template: PromptTemplate, label: Label, asked: PromptApproval | None) -> BaseResponse:
    if asked:
        wish = f"take {label.name} off" if asked.takes_off else f"move {label.name} to v{asked.prompt_version.number}"
        done = f"You asked to {wish}. It happens once somebody approves it."
    else:
        target = labels.labelled(access, template).get(label.name)
        done = f"{label.name} points to {f'v{target.number}' if target else 'no version'} now."
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
