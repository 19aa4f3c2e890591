"""Pages that move several credentials at once: export, import, and what is done to all that were ticked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response, make_response, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.credentials import actions, import_preview, keeping, transfer
from aiapp.credentials.routes import blueprint
from aiapp.errors import InvalidInput
from aiapp.workspaces.access import Access, require


@blueprint.get("/export")
@require()
def export(access: Access) -> Response:
    """The credentials of a scope as a file, without their keys."""
    document = transfer.export(access, request.args.get("scope", keeping.WORKSPACE))
    answer = make_response(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    answer.headers["Content-Type"] = "application/json"
    answer.headers["Content-Disposition"] = f'attachment; filename="credentials-{access.workspace.slug}.json"'
    return answer


@blueprint.get("/import")
@require()
def import_file(access: Access) -> str:
    """The form that takes a file."""
    scope = request.args.get("scope", keeping.WORKSPACE)
    keeping.demand(access, keeping.owner_of(access, scope))
    return render_template("credentials/import.html", scope=scope, found=[], errors={})


@blueprint.post("/import")
@require()
def import_all(access: Access) -> BaseResponse:
    """Show what a file holds and ask for each key; with `document` (the file once more) and the keys, store all of it."""
    scope = request.form.get("scope", keeping.WORKSPACE)
    keeping.demand(access, keeping.owner_of(access, scope))
    found: list[dict[str, Any]] = []
    try:
        if "document" not in request.form:
            file = request.files.get("file")
            found = transfer.read(file.read() if file else b"")
            return _asking(access, found, scope, {})
        found = transfer.read(request.form["document"])
        chosen = [
            {**one, "api_key": request.form.get(f"credentials.{place}.api_key", "")}
            for place, one in enumerate(found)
            if request.form.get(f"credentials.{place}.chosen")
        ]
        if not chosen:
            raise InvalidInput(errors=[{"field": "file", "message": "Choose at least one."}])
        made = transfer.import_all(access, chosen, scope)
    except InvalidInput as refusal:
        places = [place for place in range(len(found)) if request.form.get(f"credentials.{place}.chosen")]
        return _asking(access, found, scope, _errors(refusal, places), 422)
    back = _back(access, scope)
    number = f"{len(made)} {'credential is' if len(made) == 1 else 'credentials are'}"
    return htmx.go(back, f"{number} imported. Test all says whether they work.", "info")


@blueprint.post("/_chosen")
@require()
def change_chosen(access: Access) -> BaseResponse:
    """Switch on (`change` on) or off, or delete those whose `id` is given; deleting asks first."""
    ids, change = request.form.getlist("id"), request.form.get("change", "")
    scope = request.form.get("scope", keeping.WORKSPACE)
    back = _back(access, scope)
    if not ids:
        return htmx.go(back, "Tick the credentials first.", "warn")
    if change in ("on", "off"):
        number = actions.set_all_active(access, ids, change == "on")
        return htmx.go(back, f"{number} switched {change}.")
    if change != "delete":
        raise InvalidInput(errors=[{"field": "change", "message": "Use on, off or delete."}])
    if not request.form.get("confirmed"):
        rows = [keeping.kept(access, credential_id) for credential_id in dict.fromkeys(ids)]
        return make_response(render_template("credentials/delete_chosen.html", rows=rows, scope=scope, back=back))
    return htmx.go(back, f"{actions.delete_all(access, ids)} deleted.")


def _asking(
    access: Access, found: list[dict[str, Any]], scope: str, errors: Mapping[str, str], status: int = 200
) -> BaseResponse:
    """Answer with what the file holds and a field for each key; a typed key is never sent back, and stays in the browser."""
    document = json.dumps({"credentials": [{k: v for k, v in one.items() if k != "api_key"} for one in found]})
    rows = list(zip(found, import_preview.previews(access, found, scope), strict=True))
    wrong = (place for place in range(len(found)) if any(name.startswith(f"credentials.{place}.") for name in errors))
    shown = {
        "found": rows,
        "scope": scope,
        "errors": errors,
        "document": document,
        "first_wrong": next(wrong, None),
    }
    return make_response(render_template("credentials/import.html", **shown), status)


def _errors(refusal: InvalidInput, places: list[int]) -> dict[str, str]:
    """Return what is wrong by field; the action counted only the chosen ones, the form counts all."""
    errors: dict[str, str] = {}
    for one in refusal.errors:
        parts = one["field"].split(".")
        if parts[0] == "credentials":
            parts[1] = str(places[int(parts[1])])
            parts = [*parts[:2], "api_key" if parts[2] == "api_key" else "other"]
        errors[".".join(parts)] = one["message"]
    return errors


def _back(access: Access, scope: str) -> str:
    endpoint = "credentials.index" if scope == keeping.WORKSPACE else "credentials.personal"
    return url_for(endpoint, workspace=access.workspace.slug)
