"""Finds what a path or a body names; where there is none, the refusal says what is missing, alike for what others have."""

from __future__ import annotations

from aiapp.errors import NotFound
from aiapp.prompt_templates import library
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.workspaces.access import Access

# A longer name is not repeated whole.
_SHOWN = 60


def prompt_template(access: Access, slug: str) -> PromptTemplate:
    """Return the prompt template with this slug. Raises NotFound."""
    try:
        return library.find(access, slug)
    except NotFound as error:
        raise NotFound(f"There is no prompt template called {slug[:_SHOWN]} in this workspace.") from error


def version(access: Access, template: PromptTemplate, number: int) -> PromptVersion:
    """Return the version of `template` with this number. Raises NotFound."""
    try:
        return library.version(access, template, number)
    except NotFound as error:
        raise NotFound(f"The prompt template {template.slug} has no version {number}.") from error
