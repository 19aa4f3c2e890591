"""The pages of batches: the list, one batch as it goes on, and what can be done with it (before the start: draft_views.py)."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from flask import Response, render_template, request, stream_with_context, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.batches import actions, counting, draft_views, listing, results
from aiapp.batches.models import STATES, Batch
from aiapp.batches.routes import address, blueprint, page, shown, words
from aiapp.errors import NotFound
from aiapp.workspaces.access import Access, require

__all__ = ["blueprint", "draft_views"]


@blueprint.get("")
@require()
def index(access: Access) -> str:
    """The list, newest first."""
    return render_template("batches/index.html", **_list(access))


@blueprint.get("/_more")
@require()
def more(access: Access) -> Response:
    """The next rows of the list."""
    return htmx.fragment("batches/_more.html", **_list(access))


@blueprint.get("/<id:batch_id>")
@require()
def show(access: Access, batch_id: str) -> str:
    """A batch: before its start what it needs, then how far it is."""
    batch = access.get(Batch, batch_id)
    if batch.status == "draft":
        return draft_views.page(access, batch)
    return render_template("batches/show.html", **page(access, batch))


@blueprint.get("/<id:batch_id>/_live")
@require()
def live(access: Access, batch_id: str) -> Response:
    """How far it is now, with the top of the page."""
    batch = access.get(Batch, batch_id)
    if batch.status == "draft":
        raise NotFound
    return htmx.fragment("batches/_refresh.html", **shown(access, batch))


@blueprint.post("/<id:batch_id>/pause")
@require("editor")
def pause(access: Access, batch_id: str) -> BaseResponse:
    """Begin no more rows."""
    return htmx.go(address(access, actions.pause(access, access.get(Batch, batch_id))))


@blueprint.post("/<id:batch_id>/resume")
@require("editor")
def resume(access: Access, batch_id: str) -> BaseResponse:
    """Go on."""
    return htmx.go(address(access, actions.resume(access, access.get(Batch, batch_id))))


@blueprint.get("/<id:batch_id>/cancel")
@require("editor")
def cancel_dialog(access: Access, batch_id: str) -> str:
    """Ask whether to cancel."""
    batch = access.get(Batch, batch_id)
    if batch.status == "draft":
        raise NotFound
    return render_template("batches/cancel.html", **page(access, batch))


@blueprint.post("/<id:batch_id>/cancel")
@require("editor")
def cancel(access: Access, batch_id: str) -> BaseResponse:
    """End it before its time."""
    return htmx.go(address(access, actions.cancel(access, access.get(Batch, batch_id))))


@blueprint.get("/<id:batch_id>/retry")
@require("editor")
def retry_dialog(access: Access, batch_id: str) -> str:
    """Ask who shall answer the rows that failed."""
    batch = access.get(Batch, batch_id)
    if batch.status == "draft" or batch.texts_erased_at is not None:
        raise NotFound
    return render_template("batches/retry.html", **page(access, batch))


@blueprint.post("/<id:batch_id>/retry")
@require("editor")
def retry(access: Access, batch_id: str) -> BaseResponse:
    """Have failed rows (or, with `rows`, cancelled ones) run again; a form that chooses who answers has all of ASKED."""
    which = request.form.get("rows", "failed")
    if which not in actions.RETRIED:
        raise NotFound
    asked = {name: request.form[name] or None for name in actions.ASKED if name in request.form}
    return htmx.go(address(access, actions.retry(access, access.get(Batch, batch_id), which, asked)))


@blueprint.get("/<id:batch_id>/delete")
@require("editor")
def delete_dialog(access: Access, batch_id: str) -> str:
    """Ask whether to delete one that has ended."""
    batch = access.get(Batch, batch_id)
    if batch.status == "draft":
        raise NotFound
    return render_template("batches/delete.html", **page(access, batch))


@blueprint.post("/<id:batch_id>/delete")
@require("editor")
def delete(access: Access, batch_id: str) -> BaseResponse:
    """Delete a draft, or one that has ended."""
    actions.delete(access, access.get(Batch, batch_id))
    return htmx.go(url_for("batches.index", workspace=access.workspace.slug), "The batch is deleted.")


@blueprint.get("/<id:batch_id>/results.csv")
@require()
def results_csv(access: Access, batch_id: str) -> Response:
    """The results as CSV, with `?state=` of some rows only."""
    return _file(access.get(Batch, batch_id), "csv")


@blueprint.get("/<id:batch_id>/results.jsonl")
@require()
def results_jsonl(access: Access, batch_id: str) -> Response:
    """The results as JSON lines."""
    return _file(access.get(Batch, batch_id), "jsonl")


def _file(batch: Batch, kind: str) -> Response:
    state = request.args.get("state", "")
    if state and state not in STATES:
        raise NotFound
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", batch.name).strip("-") or "batch"
    parts = stream_with_context(results.stream(batch.id, batch.columns, kind, state=state))
    answer = Response(parts, mimetype=results.KINDS[kind])
    answer.headers["Content-Disposition"] = f'attachment; filename="{stem}{"-" + state if state else ""}.{kind}"'
    return answer


def _list(access: Access) -> dict[str, Any]:
    cursor = request.args.get("cursor", "")
    cursor = cursor if re.fullmatch("[0-9a-f]{32}", cursor) else ""
    wanted = listing.Wanted(**{name: request.args.get(name, "").strip()[:200] for name in ("q", "status", "template")})
    found, following = listing.batches(access, wanted, cursor=cursor, limit=20)
    counts = counting.of(batch.id for batch in found)
    lines = [(batch, counts[batch.id], counting.outcome(batch, counts[batch.id])) for batch in found]
    chosen = {name: value for name, value in asdict(wanted).items() if value}
    more_url = url_for("batches.index", workspace=access.workspace.slug, cursor=following, **chosen)
    more_fragment = url_for("batches.more", workspace=access.workspace.slug, cursor=following, **chosen)
    filtering = {"wanted": wanted, "filtered": bool(chosen), "templates": listing.templates(access)}
    return {"lines": lines, "next_cursor": following, "more": (more_url, more_fragment), **filtering, **words()}
