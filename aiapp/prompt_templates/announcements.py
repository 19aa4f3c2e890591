"""What webhooks are told of releases: added to the transaction of what happened; announcing.wake() follows its commit."""

from __future__ import annotations

from typing import Any

from aiapp.columns import now
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.release_models import PUBLISHED
from aiapp.webhooks import announcing
from aiapp.wire_values import moment
from aiapp.workspaces.access import Access


def published(access: Access, version: PromptVersion, before: int | None, by: str) -> None:
    """Announce that `version` is the published one now; `before` is the number of the one before."""
    _announce(access, "prompt_template.published", version.prompt_template, PUBLISHED, version, before, by)


def label_moved(
    access: Access, template: PromptTemplate, label: str, version: PromptVersion | None, before: int | None
) -> None:
    """Announce that a label of `template` points to `version` now, or to none."""
    _announce(access, "prompt_template.label_moved", template, label, version, before, access.actor)


def _announce(
    access: Access,
    event: str,
    template: PromptTemplate,
    label: str,
    version: PromptVersion | None,
    before: int | None,
    by: str,
) -> None:
    number = version.number if version else None
    payload: dict[str, Any] = {
        "template": {"slug": template.slug, "name": template.name},
        "version": number,
        "semver": version.semver if version else None,
        "label": label,
        "from": before,
        "to": number,
        "by": by,
        "at": moment(now()),
    }
    announcing.announce(access.workspace.id, event, payload)
