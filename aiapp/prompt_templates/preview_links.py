"""Preview links: whoever has one sees a version, without an account, until it runs out or is taken back."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from aiapp.accounts.tokens import digest, new_secret
from aiapp.columns import now
from aiapp.errors import Conflict, Gone, InvalidInput, NotFound
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.release_models import PreviewLink
from aiapp.workspaces.access import Access

LIFETIMES = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7)}
UNUSABLE = "This link has run out, was taken back, or never was one. Ask whoever sent it for a new one."
ARCHIVED = "This prompt template was archived, and is not shown while it is. Ask whoever sent you the link."
MOST = 50


def create(access: Access, version: PromptVersion, lifetime: str) -> tuple[PreviewLink, str]:
    """Make a link and return it with its secret, which is shown once. Raises InvalidInput, Conflict `inactive`.

    Arguments:
        lifetime: one of LIFETIMES.
    """
    if not version.prompt_template.active:
        raise Conflict(
            f"{version.prompt_template.name} is archived. An editor can switch it on again.", code="inactive"
        )
    if lifetime not in LIFETIMES:
        message = "Choose one of: " + ", ".join(LIFETIMES) + "."
        raise InvalidInput(errors=[{"field": "lifetime", "message": message}])
    if len(listed(access, version.prompt_template)) >= MOST:
        message = f"A prompt template has at most {MOST} links at a time. Take one back first."
        raise InvalidInput(errors=[{"field": "lifetime", "message": message}])
    secret = new_secret()
    link = PreviewLink(
        workspace_id=access.workspace.id,
        prompt_version_id=version.id,
        prompt_version=version,
        secret_hash=digest(secret),
        created_by_id=access.user.id,
        created_by=access.user,
        expires_at=now() + LIFETIMES[lifetime],
    )
    db.session.add(link)
    access.audit("preview_link.create", _subject(version), after={"expires_at": link.expires_at.isoformat()})
    db.session.commit()
    return link, secret


def listed(access: Access, template: PromptTemplate) -> list[PreviewLink]:
    """Return the links to versions of `template` that still work, newest first."""
    query = (
        access.select(PreviewLink)
        .join(PromptVersion, PromptVersion.id == PreviewLink.prompt_version_id)
        .where(PromptVersion.prompt_template_id == template.id, PreviewLink.expires_at > now())
    )
    return list(db.session.scalars(query.order_by(PreviewLink.id.desc())))


def revoke(access: Access, link: PreviewLink) -> None:
    """Make a link stop working at once. Raises NotFound where it has just been taken back."""
    version = link.prompt_version
    access.delete(link)
    access.audit("preview_link.revoke", _subject(version))
    db.session.commit()


def find(secret: str) -> PromptVersion:
    """Return the version that a link shows.

    Raises NotFound, alike for what has run out, was taken back, was deleted or never was one; Gone while its prompt template is
    archived.
    """
    link = None
    if len(secret) <= 100:
        link = db.session.scalar(sa.select(PreviewLink).where(PreviewLink.secret_hash == digest(secret)))
    if link is None or link.expires_at <= now():
        raise NotFound(UNUSABLE)
    if not link.prompt_version.prompt_template.active:
        raise Gone(ARCHIVED)
    return link.prompt_version


def _subject(version: PromptVersion) -> str:
    return f"{version.prompt_template.name} v{version.number}"
