"""Pages that take prompt templates out as files and bring them in: export, import; the gallery is imported."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import Conflict, InvalidInput
from aiapp.extensions import settings
from aiapp.prompt_files import actions, archives, gallery_views, plans, reading
from aiapp.prompt_files.found import Refused
from aiapp.prompt_templates import publishing_rules
from aiapp.prompt_templates.text import documents, wording
from aiapp.workspaces.access import Access, require

blueprint = Blueprint("prompt_files", __name__, url_prefix="/w/<workspace>/prompt-templates")
gallery_views.register(blueprint)


@blueprint.post("/export")
@require()
def export(access: Access) -> Response:
    """The prompt templates whose `slug` is given as a zip file, all without one; written into the audit trail."""
    wanted = actions.documents_of(access, request.form.getlist("slug")[: reading.MOST_TEMPLATES])
    actions.note_export(access, len(wanted), "page")
    return _zip(access, wanted)


@blueprint.get("/import")
@require("editor")
def import_form(access: Access) -> str:
    """The form that takes files."""
    return _page(access, [], None, {})


@blueprint.post("/import")
@require("editor")
def import_files(access: Access) -> BaseResponse:
    """Show what the files would change; with `upload` (the files once more) and the ticked ones, do it."""
    confirmed = "upload" in request.form
    publish = "publish" in request.form
    files: list[tuple[str, bytes]] = []
    try:
        files = _kept() if confirmed else _brought()
        plan = plans.plan(access, reading.read_all(files), publish=publish)
        if not confirmed or plan.digest != request.form.get("digest"):
            changed = {"file": "Something has changed meanwhile: look at it again."} if confirmed else {}
            return make_response(_page(access, files, plan, changed), 409 if confirmed else 200)
        chosen = _chosen(plan)
        count = actions.carry_out(access, chosen, request.form.get("message", ""))
    except Refused as refusal:
        return make_response(_page(access, [], None, {"file": str(refusal)}), 422)
    except (InvalidInput, Conflict) as refusal:
        told = [f"{item['field']}: {item['message']}" for item in refusal.errors] or [refusal.detail or refusal.title]
        plan = plans.plan(access, reading.read_all(files), publish=publish)
        return make_response(_page(access, files, plan, {"file": " ".join(told)}), 422)
    back = url_for("prompt_templates.index", workspace=access.workspace.slug)
    words = "prompt template is" if count == 1 else "prompt templates are"
    return htmx.go(back, f"{count} {words} imported.")


def _brought() -> list[tuple[str, bytes]]:
    """Return the files that were uploaded, those of a zip file in its place. Raises Refused."""
    files: list[tuple[str, bytes]] = []
    size = 0
    for upload in request.files.getlist("file")[: reading.MOST_FILES + 1]:
        with upload.stream:  # a large one is a temporary file
            data = upload.read()
        size += len(data)
        if data:
            files += archives.unpack(data) if archives.is_zip(data) else [(upload.filename or "file", data)]
    # They come back with the second form, in base64, which has to fit into one request too.
    most = settings().max_request_bytes * 7 // 10
    if size > most or sum(len(data) for _, data in files) > most:
        raise Refused(f"This is more than {most // 1024} KB: bring it in parts, or push it by command.")
    if not files:
        raise Refused("Choose a file first.")
    return files


def _kept() -> list[tuple[str, bytes]]:
    """Return the files that the second form brings along. Raises Refused."""
    try:
        kept = json.loads(request.form["upload"])
        return [(wording.text(name), base64.urlsafe_b64decode(data)) for name, data in kept]
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise Refused("The files did not arrive as they were. Choose them again.") from error


def _chosen(plan: plans.Plan) -> plans.Plan:
    """Return the plan with what was ticked; what cannot be done was not offered. Raises InvalidInput."""
    ticked = set(request.form.getlist("chosen"))
    steps = tuple(step for step in plan.work if step.slug in ticked)
    if not steps:
        raise InvalidInput(errors=[{"field": "Import", "message": "Tick at least one."}])
    return plans.Plan(steps, plan.publish)


def _page(access: Access, files: Sequence[tuple[str, bytes]], plan: plans.Plan | None, errors: dict[str, str]) -> str:
    ticked = set(request.form.getlist("chosen")) if "upload" in request.form else None
    return render_template(
        "prompt_files/import.html",
        plan=plan,
        errors=errors,
        upload=json.dumps([(name, base64.urlsafe_b64encode(data).decode()) for name, data in files]),
        ticked=ticked,
        must_ask=publishing_rules.approval_needed(access),
        publish="publish" in request.form,
        message=request.form.get("message", ""),
    )


def _zip(access: Access, wanted: Sequence[dict[str, Any]]) -> Response:
    answer = make_response(archives.pack((f"{one['slug']}.md", documents.write(one)) for one in wanted))
    answer.headers["Content-Type"] = "application/zip"
    name = f"prompt-templates-{access.workspace.slug}.zip"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
