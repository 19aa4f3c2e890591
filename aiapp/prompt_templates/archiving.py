"""Archiving: a prompt template that nobody needs keeps everything, is out of the way, and cannot be run."""

from __future__ import annotations

from aiapp.extensions import db
from aiapp.prompt_templates import details
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.workspaces.access import Access


def archive(access: Access, template: PromptTemplate) -> None:
    """Archive a prompt template; one that is archived already stays so."""
    details.change(access, template, {"active": False})
    db.session.commit()


def unarchive(access: Access, template: PromptTemplate) -> None:
    """Bring an archived prompt template back."""
    details.change(access, template, {"active": True})
    db.session.commit()
