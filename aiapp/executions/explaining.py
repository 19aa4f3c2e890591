"""Who would answer a request now, and why: the choice that a round makes, without making it (a dry run)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aiapp.columns import now
from aiapp.credentials import order, selection
from aiapp.credentials.models import Credential
from aiapp.credentials.selection import Candidate
from aiapp.executions.models import Execution
from aiapp.executions.showing import provider_label
from aiapp.executions.submission import Submission, asked
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.releases import runnable_version
from aiapp.providers.types import ProviderError
from aiapp.workspaces.access import Access

_OF_CREDENTIALS = frozenset({"auth", "permission", "quota"})

Verdict = Literal["first", "next", "waits", "skipped"]


@dataclass(frozen=True, slots=True)
class Considered:
    """A credential that is considered.

    verdict: `first` is asked first, `next` where those before it cannot answer, `waits` not before its circuit allows it
        (`until`), `skipped` not at all.
    why: in a sentence: why it stands there, or why it is not asked.
    credential_id, name: as everybody in the workspace may know them.
    drilled: whether its calls fail without being made.
    changeable: whether the asking person may change it.
    """

    credential_id: str
    name: str
    provider: str
    model: str
    verdict: Verdict
    why: str
    until: datetime | None = None
    drilled: bool = False
    changeable: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """The credentials in the order in which they are asked; `basis` says what was asked for, `problem` why none can answer."""

    basis: str
    considered: tuple[Considered, ...]
    problem: str = ""


def explain(access: Access, submission: Submission) -> Explanation:
    """Return who would answer `submission` if the asking person submitted it now. Asks no provider and changes nothing.

    Arguments:
        submission: its prompt template, version, label, provider, credential and model count; without a prompt template the
            choice is that for a text.

    Raises InvalidInput, NotFound, Conflict, Denied as submission.columns does.
    """
    version = None
    if submission.prompt_template is not None:
        version = runnable_version(access, submission.prompt_template, submission.version, submission.label)
    wanted = asked(access, submission, version)
    limits = {
        "provider": wanted["requested_provider"],
        "credential_id": wanted["requested_credential_id"],
        "model": wanted["requested_model"],
    }
    at, problem = now(), ""
    found: list[Candidate] = []
    try:
        found = selection.candidates(access.workspace.id, user_id=access.user.id, at=at, **limits)
        selection.targets_of(found)
    except ProviderError as error:
        problem = error.message
    considered = {one.credential.id for one in found}
    left_out = [
        _considered(access, row, "", "skipped", _left_out(row, limits["credential_id"]))
        for row in order.usable_by(access.workspace.id, access.user.id)
        if row.id not in considered
    ]
    return Explanation(_basis(submission, version, wanted), (*_in_order(access, found), *left_out), problem)


def held_back(execution: Execution) -> list[tuple[str, str]]:
    """Return which credentials an execution that waits may not ask yet because of their circuits, by name, and why."""
    if execution.finished or execution.next_attempt_at is None:
        return []
    try:
        found = selection.candidates(
            execution.workspace_id,
            user_id=execution.user_id,
            provider=execution.requested_provider,
            credential_id=execution.requested_credential_id,
            model=execution.requested_model,
        )
    except ProviderError:
        return []
    return [(selection.name_for_all(one.credential), one.because) for one in found if one.held]


def refusing(access: Access, execution: Execution) -> list[tuple[str, str | None]]:
    """Return the credentials that refused an execution which failed of them, by name, with the id of each that may be changed."""
    if execution.status != "failed" or execution.error_class not in _OF_CREDENTIALS:
        return []
    asked = {
        one.credential_id: one.credential_name
        for one in execution.attempts
        if one.credential_id and one.error_class == execution.error_class
    }
    own = {row.id: row for row in order.usable_by(access.workspace.id, access.user.id)}
    changeable = {key for key, row in own.items() if access.allows("admin" if row.owner_id is None else "editor")}
    return [(name, key if key in changeable else None) for key, name in asked.items()]


def _in_order(access: Access, found: list[Candidate]) -> list[Considered]:
    lines: list[Considered] = []
    for one in found:
        verdict: Verdict = "next" if any(line.verdict == "first" for line in lines) else "first"
        if one.target is None:
            verdict = "skipped"
        elif one.held:
            verdict = "waits"
        why = one.because if verdict in ("skipped", "waits") else one.reason
        if one.target is not None and one.target.failing:
            why = f"{why}; every call of it fails, for a failure drill"
        until = one.breaker.free_at if one.held and one.breaker else None
        lines.append(_considered(access, one.credential, one.model, verdict, why, until))
    return lines


def _considered(
    access: Access, row: Credential, model: str, verdict: Verdict, why: str, until: datetime | None = None
) -> Considered:
    return Considered(
        credential_id=row.id,
        name=row.name if row.owner_id is None else f"{row.name} (yours)",
        provider=row.provider,
        model=model,
        verdict=verdict,
        why=why,
        until=until,
        drilled=row.drill_until is not None and row.drill_until > now(),
        changeable=access.allows("admin" if row.owner_id is None else "editor"),
    )


def _left_out(row: Credential, chosen: str | None) -> str:
    if chosen is not None:
        return "Another credential was chosen"
    return "Of another provider than the one that is asked for" if row.active else "Switched off"


def _basis(submission: Submission, version: PromptVersion | None, wanted: dict[str, str | None]) -> str:
    """Return in a sentence what was asked for, and by whom: the request, or the prompt template."""
    provider, model = wanted["requested_provider"], wanted["requested_model"]
    if wanted["requested_credential_id"]:
        given = "One credential was chosen, and no other is asked"
        return f"{given}. Its model is to be {model}." if model else f"{given}."
    if not provider and not model:
        return "Nothing is asked for: each credential answers with its own model, in the fallback order."
    by_request = (submission.provider or submission.model) or version is None
    who = "You ask" if by_request else "The prompt template asks"
    parts = [part for part in (model, provider and f"a credential of {provider_label(provider)}") if part]
    return f"{who} for {' by '.join(parts)}."
