"""How versions are made, numbered, changed and frozen: the single steps, each uncommitted, that actions put together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import InvalidRequestError

from aiapp.columns import now
from aiapp.errors import NotFound
from aiapp.extensions import Model, db
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.text import declaring, fields, grammar
from aiapp.workspaces.access import Access, missing

OPEN = ("draft", "preview")


def empty() -> dict[str, Any]:
    """Return the content of a version that nobody has written yet."""
    return {
        "system": "",
        "body": "",
        "messages": [],
        "variables": [],
        "output_format": "text",
        "json_schema": None,
        "provider": None,
        "model": None,
        "temperature": None,
        "max_tokens": None,
    }


def make(
    access: Access,
    template: PromptTemplate,
    number: int,
    text: Mapping[str, Any],
    parent: PromptVersion | None = None,
    message: str = "",
) -> PromptVersion:
    """Return a new draft with `text` as its content, not in the session yet."""
    return PromptVersion(
        workspace_id=access.workspace.id,
        prompt_template_id=template.id,
        prompt_template=template,
        number=number,
        author_id=access.user.id,
        author=access.user,
        parent_id=parent.id if parent else None,
        message=message,
        **text,
    )


def content(version: PromptVersion) -> dict[str, Any]:
    """Return what belongs to a version and not to its history."""
    return {field: getattr(version, field) for field in fields.CONTENT}


def with_variables(text: dict[str, Any], *, tidy: bool = True) -> dict[str, Any]:
    """Return `text` with one declaration for each variable that its parts use. Raises InvalidInput.

    Where it includes other prompt templates, all declarations stay: they may be of variables of those (partials.with_variables).
    """
    tidy = tidy and not grammar.includes(text["system"], text["body"], *(one["content"] for one in text["messages"]))
    names = declaring.used(text)
    kept = [] if tidy else [spec for spec in text["variables"] if spec["name"] not in names][: declaring.MAX_VARIABLES]
    return {**text, "variables": [*declaring.declared(names, text["variables"]), *kept]}


def next_number(template: PromptTemplate) -> int:
    """Return the next number of `template`; the row stays locked until the commit, so no number is given twice."""
    number: int | None = db.session.scalar(
        sa.update(PromptTemplate)
        .where(PromptTemplate.id == template.id)
        .values(last_number=PromptTemplate.last_number + 1)
        .returning(PromptTemplate.last_number)
    )
    if number is None:  # deleted meanwhile
        raise NotFound
    return number


def reread(row: Model) -> None:
    """Read a row anew. Raises NotFound where it was deleted meanwhile."""
    try:
        db.session.refresh(row)
    except InvalidRequestError as error:
        raise missing(type(row)) from error


def touch(template: PromptTemplate) -> None:
    """Note the change of a version on its template; the row stays locked until the commit."""
    db.session.execute(sa.update(PromptTemplate).where(PromptTemplate.id == template.id).values(updated_at=now()))


def archive_published(template: PromptTemplate) -> int | None:
    """Archive the published version and return its number."""
    return db.session.scalar(
        sa.update(PromptVersion)
        .where(PromptVersion.prompt_template_id == template.id, PromptVersion.status == "published")
        .values(status="archived")
        .returning(PromptVersion.number)
    )


def move(version: PromptVersion, values: Mapping[str, Any], *, quietly: bool = False) -> bool:
    """Change an open version if it still is what was read; False where somebody was faster.

    `quietly` leaves its lock as it is, so that nobody else's next save is a conflict.
    """
    moved = db.session.scalar(
        sa.update(PromptVersion)
        .where(
            PromptVersion.id == version.id,
            PromptVersion.lock_version == version.lock_version,
            PromptVersion.status.in_(OPEN),
        )
        .values(lock_version=PromptVersion.lock_version + (0 if quietly else 1), updated_at=now(), **values)
        .returning(PromptVersion.id)
        .execution_options(synchronize_session=False)
    )
    return moved is not None
