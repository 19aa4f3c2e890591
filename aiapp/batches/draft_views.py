"""The pages of a batch before its start: bring a table, put its columns to the variables, see what it would cost."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from flask import Response as FlaskResponse
from flask import make_response, render_template, request, stream_with_context
from werkzeug.wrappers import Response

from aiapp import csv_records, htmx
from aiapp.batches import checking, drafts, estimating, forms, listing, results, showing, tables, wishes
from aiapp.batches.models import Batch
from aiapp.batches.routes import address, blueprint
from aiapp.errors import AppError, Conflict, InvalidInput, NotFound
from aiapp.executions.pages.choose_views import published
from aiapp.executions.submission import Prepared, prepare
from aiapp.extensions import db
from aiapp.prompt_templates import labels, library
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.prompt_templates.text import sampling
from aiapp.workspaces.access import Access, require

PREVIEWED = 3
OPENING = 2000


@blueprint.get("/new")
@require("editor")
def new(access: Access) -> str:
    """The form that takes a table."""
    return _form(access, {name: request.args.get(name, "") for name in ("prompt_template", "version")}, {})


@blueprint.get("/_variables")
@require("editor")
def variables(access: Access) -> FlaskResponse:
    """What a table for a prompt template needs."""
    slug, version = request.args.get("prompt_template", ""), request.args.get("version", "")
    return htmx.fragment("batches/_variables.html", slug=slug, version=version, specs=_specs(access, slug, version))


@blueprint.get("/sample.csv")
@require("editor")
def sample(access: Access) -> FlaskResponse:
    """A table for a prompt template: a header and one row, of samples."""
    specs = _specs(access, request.args.get("prompt_template", ""), request.args.get("version", ""))
    row = [sampling.sample(spec) for spec in specs]
    lines = [csv_records.record(line) for line in ([spec["name"] for spec in specs], row)]
    answer = FlaskResponse("".join(lines), mimetype=results.KINDS["csv"])
    answer.headers["Content-Disposition"] = 'attachment; filename="sample.csv"'
    return answer


@blueprint.post("")
@require("editor")
def create(access: Access) -> Response:
    """Keep the table as a draft, its columns put to the variables by their names."""
    table = tables.Table()
    try:
        table, file_name = forms.table()
        batch = drafts.create(access, table, forms.wish(), file_name=file_name)
    except (InvalidInput, NotFound, Conflict) as error:
        db.session.rollback()
        return make_response(_form(access, request.form, forms.by_field(error), error, table), error.status)
    return htmx.go(address(access, batch))


@blueprint.post("/<id:batch_id>/check")
@require("editor")
def check(access: Access, batch_id: str) -> Response:
    """Keep the settings, and look at all rows again."""
    return _changed(access, access.get(Batch, batch_id))


@blueprint.post("/<id:batch_id>/start")
@require("editor")
def start(access: Access, batch_id: str) -> Response:
    """Keep the settings and start, if every row can be run."""
    return _changed(access, access.get(Batch, batch_id), drafts.start)


@blueprint.post("/<id:batch_id>/leave-out")
@require("editor")
def leave_out(access: Access, batch_id: str) -> Response:
    """Keep the settings, and take the rows that cannot be run out."""
    return _changed(access, access.get(Batch, batch_id), drafts.leave_out)


@blueprint.get("/<id:batch_id>/table")
@require("editor")
def another_table(access: Access, batch_id: str) -> str:
    """The form that takes another table for a draft."""
    return render_template("batches/table.html", batch=_draft(access, batch_id), values={}, errors={})


@blueprint.post("/<id:batch_id>/table")
@require("editor")
def replace_table(access: Access, batch_id: str) -> Response:
    """Give a draft another table."""
    batch, table = access.get(Batch, batch_id), tables.Table()
    try:
        table, file_name = forms.table()
        batch = drafts.replace_table(access, batch, table, file_name=file_name)
    except InvalidInput as error:
        db.session.rollback()
        told = {"values": request.form, "errors": forms.by_field(error), "error": error, "table": table}
        page = render_template("batches/table.html", batch=_draft(access, batch_id), **told)
        return make_response(page, error.status)
    return htmx.go(address(access, batch))


@blueprint.get("/<id:batch_id>/wrong-rows.csv")
@require()
def wrong_rows(access: Access, batch_id: str) -> FlaskResponse:
    """The rows that cannot be run, each with the reason, as a table that can be corrected and brought again."""
    batch = _draft(access, batch_id)
    parts = results.wrong(prepare(access, wishes.of(batch).submission()), batch.id, batch.columns, batch.mapping)
    answer = FlaskResponse(stream_with_context(parts), mimetype=results.KINDS["csv"])
    answer.headers["Content-Disposition"] = 'attachment; filename="rows-to-correct.csv"'
    return answer


def page(access: Access, batch: Batch, error: AppError | None = None) -> str:
    """Return the page of a draft; with `error` as it was typed."""
    if batch.prompt_template is None:
        return render_template("batches/draft_gone.html", batch=batch)
    try:
        prepared = prepare(access, wishes.of(batch).submission())
    except AppError as trouble:
        error, prepared = error or trouble, None
    specs = checking.variables(prepared) if prepared is not None else []
    checked = batch.checked or {}
    return render_template(
        "batches/draft.html",
        batch=batch,
        mapping=forms.mapping() if error is not None and request.method == "POST" else batch.mapping,
        specs=specs,
        values=forms.typed(_kept(batch)),
        error=error,
        errors=forms.by_field(error) if error is not None else {},
        problems=checked.get("problems", []),
        wrong_rows=checked.get("wrong_rows", 0),
        complete=checked.get("complete", True),
        left_out=checked.get("left_out", 0),
        roughly=showing.roughly,
        samples=_samples(prepared, specs, batch),
        estimate=estimating.estimate(batch, access.user.id, prepared.settings if prepared is not None else None),
        versions=_versions(access, batch.prompt_template, forms.version_of(batch.asked)),
        most_at_once=wishes.MOST_AT_ONCE,
    )


def _specs(access: Access, slug: str, version: str) -> list[dict[str, Any]]:
    """Return the variables of what would be run. Raises NotFound."""
    number = int(version) if re.fullmatch("[0-9]{1,9}", version) else None
    label = version.removeprefix(forms.LABEL) if version.startswith(forms.LABEL) else None
    wish = wishes.Wish(prompt_template=slug, version=number, label=label)
    return checking.variables(prepare(access, wish.submission()))


def _draft(access: Access, batch_id: str) -> Batch:
    batch = access.get(Batch, batch_id)
    if batch.status != "draft":
        raise NotFound
    return batch


def _changed(access: Access, batch: Batch, then: Callable[[Access, Batch], Batch] | None = None) -> Response:
    if batch.status != "draft":
        return htmx.go(address(access, batch))
    try:
        slug = wishes.of(batch).prompt_template
        batch = drafts.change(access, batch, forms.wish(slug), forms.mapping())
        if then is not None:
            batch = then(access, batch)
    except (InvalidInput, NotFound) as error:
        db.session.rollback()
        return make_response(page(access, listing.again(access, batch.id), error), error.status)
    return htmx.go(address(access, batch))


def _kept(batch: Batch) -> dict[str, Any]:
    """Return the settings of a draft by the names of their inputs."""
    how_fast = {"priority": batch.priority, "at_once": batch.at_once, "per_minute": batch.per_minute}
    return {"name": batch.name, **how_fast, **batch.asked, "version": forms.version_of(batch.asked)}


def _samples(
    prepared: Prepared | None, specs: list[dict[str, Any]], batch: Batch
) -> list[tuple[int, list[tuple[str, str]]]]:
    """Return the first rows with their prompts, as (title, text), or what is wrong with them."""
    if prepared is None:
        return []
    found = []
    known = {spec["name"]: spec for spec in specs}
    for number, row in islice(listing.contexts(batch.id, PREVIEWED), PREVIEWED):
        try:
            made = prepared.columns(checking.values(known, batch.mapping, row))
        except InvalidInput:
            continue
        parts = [("System", made["system"])] if made["system"] else []
        parts += [(message["role"].capitalize(), message["content"]) for message in made["messages"]]
        found.append((number, [(title, text[:OPENING]) for title, text in (*parts, ("Prompt", made["body"]))]))
    return found


def _versions(access: Access, template: PromptTemplate, chosen: str) -> list[Any]:
    """Return the options of versions, what is chosen now always among them: else the form would choose another silently."""
    versions, names = library.versions(access, template, texts=False), labels.by_version(access, template)
    labelled = [(forms.LABEL + name, f"{name} (v{one.number})") for one in versions for name in names.get(one.id, ())]
    numbered = [(str(one.number), f"v{one.number} ({one.status})") for one in versions]
    first = [("", "The published one")]
    if chosen not in dict([*first, *labelled, *numbered]):
        first.append((chosen, chosen.removeprefix(forms.LABEL)))
    groups = [("Labels", sorted(labelled)), ("Versions", numbered)]
    return [*first, *(group for group in groups if group[1])]


def _form(
    access: Access,
    values: Mapping[str, Any],
    errors: Mapping[str, str],
    error: AppError | None = None,
    table: tables.Table | None = None,
) -> str:
    options = [(one.prompt_template.slug, one.prompt_template.name) for one in published(access)]
    slug, version = values.get("prompt_template", ""), values.get("version", "")
    if slug and slug not in dict(options):
        template: PromptTemplate = library.find(access, slug)
        options.insert(0, (template.slug, template.name))
    slug = slug or (options[0][0] if options else "")
    try:
        specs = _specs(access, slug, version) if slug else []
    except (NotFound, InvalidInput):
        specs = []
    return render_template(
        "batches/new.html",
        options=options,
        slug=slug,
        specs=specs,
        values=values,
        version=version,
        errors=errors,
        error=error,
        table=table,
    )
