"""What the filters of the list of executions offer, and what stands in cells that other tables know."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from aiapp.accounts.models import User
from aiapp.credentials.models import Credential
from aiapp.executions.batch_rows import BATCHES, visible_batches
from aiapp.executions.lists.filters import THUMBS
from aiapp.executions.models import Attempt, Execution
from aiapp.executions.showing import ERRORS, provider_label
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.prompt_templates.release_models import LabelledVersion
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Membership

Options = list[tuple[str, str]]

# The models in use now: a walk through all executions would be slow and long.
_LOOKED_AT = 500
_MOST = 200


def offered(access: Access) -> dict[str, Options]:
    """Return values and their words for each filter that is chosen from what the workspace has, by filter."""
    models, providers = _asked_lately(access)
    return {
        "template": _templates(access),
        "model": [(model, model) for model in models],
        "provider": [(provider, provider_label(provider)) for provider in providers],
        "credential_id": _credentials(access),
        "user": _members(access),
        "batch": _batches(access),
        "error_class": [(kind, title[:1].upper() + title[1:]) for kind, (title, _) in ERRORS.items()],
    }


def thumbs_of(executions: Sequence[Execution]) -> dict[str, tuple[int, int]]:
    """Return how many people rated each of the executions good and bad; those that nobody rated are left out."""
    rows = db.session.execute(
        sa.select(
            THUMBS.c.execution_id,
            sa.func.count().filter(THUMBS.c.rating == "up"),
            sa.func.count().filter(THUMBS.c.rating == "down"),
        )
        .where(THUMBS.c.execution_id.in_([execution.id for execution in executions]))
        .group_by(THUMBS.c.execution_id)
    )
    return {execution_id: (up, down) for execution_id, up, down in rows}


def attempts_of(executions: Sequence[Execution]) -> dict[str, tuple[int, str]]:
    """Return how many attempts each of the executions has had, and the model of the last one; those without any are left out."""
    rows = db.session.execute(
        sa.select(Attempt.execution_id, Attempt.number, Attempt.model)
        .where(Attempt.execution_id.in_([execution.id for execution in executions]))
        .order_by(Attempt.execution_id, Attempt.number)
    )
    return {execution_id: (number, model) for execution_id, number, model in rows}


def labels_of(executions: Sequence[Execution]) -> dict[str, list[str]]:
    """Return the labels that point to the versions of the executions, by the version's id."""
    versions = {execution.prompt_version_id for execution in executions if execution.prompt_version_id}
    found: dict[str, list[str]] = {}
    query = sa.select(LabelledVersion).where(LabelledVersion.prompt_version_id.in_(versions))
    for one in db.session.scalars(query):
        found.setdefault(one.prompt_version_id, []).append(one.label.name)
    return {version: sorted(names) for version, names in found.items()}


def _templates(access: Access) -> Options:
    query = sa.select(PromptTemplate.slug, PromptTemplate.name).where(
        PromptTemplate.workspace_id == access.workspace.id
    )
    return [(slug, name) for slug, name in db.session.execute(query.order_by(PromptTemplate.name).limit(_MOST))]


def _asked_lately(access: Access) -> tuple[list[str], list[str]]:
    newest = (
        access.select(Execution)
        .with_only_columns(Execution.model, Execution.provider)
        .order_by(Execution.id.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    rows = db.session.execute(sa.select(newest.c.model, newest.c.provider).distinct()).all()
    return sorted({row[0] for row in rows if row[0]}), sorted({row[1] for row in rows if row[1]})


def _credentials(access: Access) -> Options:
    known = sa.or_(Credential.owner_id.is_(None), Credential.owner_id == access.user.id)
    query = access.select(Credential).with_only_columns(Credential.id, Credential.name).where(known)
    return [(row_id, name) for row_id, name in db.session.execute(query.order_by(Credential.name).limit(_MOST))]


def _batches(access: Access) -> Options:
    query = sa.select(BATCHES.c.id, BATCHES.c.name).where(visible_batches(access))
    started = query.where(BATCHES.c.status != "draft").order_by(BATCHES.c.id.desc()).limit(_MOST)
    return [(batch_id, name) for batch_id, name in db.session.execute(started)]


def _members(access: Access) -> Options:
    query = (
        sa.select(User.id, User.name)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.workspace_id == access.workspace.id)
    )
    return [(user_id, name) for user_id, name in db.session.execute(query.order_by(User.name).limit(_MOST))]
