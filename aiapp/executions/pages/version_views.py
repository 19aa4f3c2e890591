"""What the pages of prompt templates show of a version's executions: how each one does, and its last test run."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.errors import NotFound
from aiapp.executions.lists import version_numbers
from aiapp.executions.pages.routes import blueprint
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.workspaces.access import Access, require


@blueprint.get("/w/<workspace>/executions/_by_version")
@require()
def by_version(access: Access) -> Response:
    """The numbers of each version of a prompt template (`?template=slug`), for the cells of its history."""
    query = access.select(PromptTemplate).where(PromptTemplate.slug == request.args.get("template", ""))
    template = db.session.scalar(query)
    if template is None:
        raise NotFound
    numbers, more = version_numbers.by_version(access, template)
    return htmx.fragment(
        "executions/_by_version.html", numbers=numbers, more=more, newest=version_numbers.NEWEST, slug=template.slug
    )


@blueprint.get("/w/<workspace>/executions/_last_test")
@require()
def last_test(access: Access) -> Response:
    """The last test run of a version (`?version=id`), and whether the version was changed since."""
    version = access.get(PromptVersion, request.args.get("version", "")[:32])
    execution = version_numbers.last_test(access, version)
    changed = execution is not None and version.updated_at > execution.created_at
    return htmx.fragment("executions/_last_test.html", execution=execution, version=version, changed=changed)
