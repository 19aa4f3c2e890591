"""The outputs of earlier executions, for the fetchers that put them into a prompt (prompt_templates/text/fetchers.py)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from aiapp import sealing
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.prompt_templates.text import fetchers
from aiapp.workspaces.access import Access


def outputs(access: Access, prompt_template_id: str | None) -> Callable[[str], str]:
    """Return what finds the newest output of a prompt template by its slug, and that of this one for "" (see Facts).

    It is that of the newest completed execution that the asking person may see and whose texts are kept; test runs do not count.
    Each is looked up once.
    """

    @cache
    def find(slug: str) -> str:
        template_id = prompt_template_id
        if slug:
            template_id = db.session.scalar(
                access.select(PromptTemplate).where(PromptTemplate.slug == slug).with_only_columns(PromptTemplate.id)
            )
            if template_id is None:
                raise ValueError(f"There is no prompt template called {slug} in this workspace.")
        elif template_id is None:
            raise ValueError(
                f"Only a prompt template has a last output: a text of its own cannot use {{{{{fetchers.LAST}}}}}."
            )
        found = _newest(access, template_id)
        if found is None and slug:
            raise ValueError(f"No execution of {slug} that you may see has completed yet.")
        return found or ""

    return find


def _newest(access: Access, prompt_template_id: str) -> str | None:
    query = (
        access.select(Execution)
        .where(
            Execution.prompt_template_id == prompt_template_id,
            Execution.status == "completed",
            Execution.source != "preview",
            Execution.output.is_not(None),
        )
        .order_by(Execution.id.desc())
        .limit(1)
    )
    row = db.session.scalars(query).first()
    if row is not None and not sealing.readable(row):
        raise ValueError("The last output cannot be read: the server's keys do not open it.")
    return None if row is None else row.output
