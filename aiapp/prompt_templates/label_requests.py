"""Moving labels as the workspace's rule lets this person: at once, or by a request that somebody else decides."""

from __future__ import annotations

from aiapp.prompt_templates import approvals, labels, publishing_rules
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.release_models import Label, PromptApproval
from aiapp.workspaces.access import Access


def move(
    access: Access, template: PromptTemplate, label: Label, version: PromptVersion | None, message: str = ""
) -> PromptApproval | None:
    """Let a label of `template` point to `version`, or to none; return the request for it where somebody has to agree first.

    Raises InvalidInput, Conflict `not_frozen`, `approval_open`, `points_nowhere`.
    """
    if not publishing_rules.approval_needed(access, label):
        labels.move(access, template, label, version, message)
        return None
    if version is None:
        return approvals.ask_take_off(access, template, label, message)
    return approvals.ask(access, version, message, label=label)


def undo(access: Access, template: PromptTemplate, label: Label, event_id: str) -> PromptApproval | None:
    """Let a label point to where it pointed before its last move; return the request for it where somebody has to agree first.

    Arguments:
        event_id: of the move; where another one came after it, nothing is undone.
    Raises NotFound, Conflict `overtaken`, `approval_open`.
    """
    if publishing_rules.approval_needed(access, label):
        return move(access, template, label, labels.before(access, template, label, event_id), "Undo")
    labels.undo(access, template, label, event_id)
    return None
