"""What people do with executions; each verb commits once. Workers do the rest (jobs.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiapp import sealing
from aiapp.columns import new_id
from aiapp.credentials import keeping
from aiapp.errors import Conflict, InvalidInput
from aiapp.executions import beside, cancelling, deliveries
from aiapp.executions.beside import AvailableProvider, NotFinishedError
from aiapp.executions.filters import Filters
from aiapp.executions.listing import Page, estimated_completion, list_executions, wait
from aiapp.executions.models import Execution
from aiapp.executions.publishing import Publisher
from aiapp.executions.submission import Submission, asked, columns
from aiapp.extensions import db, redis
from aiapp.observability.logs import log
from aiapp.workspaces import acting
from aiapp.workspaces.access import Access

__all__ = [
    "AvailableProvider",
    "Filters",
    "NotFinishedError",
    "Page",
    "Submission",
    "available_providers",
    "cancel",
    "estimated_completion",
    "list_executions",
    "regenerate",
    "rerun",
    "run",
    "run_and_wait",
    "submit",
    "wait",
]

# What a repetition takes over as it was.
_PROMPT = (
    "prompt_template_id",
    "prompt_version_id",
    "template",
    "template_system",
    "context",
    "fetched",
    "system",
    "body",
    "messages",
)
_ASKED = (
    "format",
    "json_schema",
    "requested_provider",
    "requested_credential_id",
    "requested_model",
    "temperature",
    "max_tokens",
    "stream",
    "priority",
)
CHANGEABLE = ("context", "provider", "credential_id", "model", "version", "temperature")


def submit(access: Access, submission: Submission, *, execution_id: str | None = None) -> Execution:
    """Store an execution and wake a worker; the row survives whatever happens then, an absent Redis included.

    Arguments:
        execution_id: the id that it gets; where the workspace has an execution with this id already, that one is returned.

    Raises InvalidInput, NotFound, Denied, Conflict as submission.columns does.
    """
    return _made_before(access, execution_id) or _insert(
        access, columns(access, submission), parent=None, execution_id=execution_id
    )


def run(
    workspace: str,
    slug: str,
    variables: Mapping[str, Any] | None = None,
    *,
    user: str | None = None,
    source: str = "python",
    **choice: Any,
) -> Execution:
    """Submit a prompt template as a member, from a program beside the app. Needs an app context.

    Arguments:
        workspace: its slug.
        slug: the prompt template's; its published version unless `choice` says otherwise.
        variables: the values, by name.
        user: the member's address; default: the owner.
        choice: further fields of Submission: version, label, provider, credential_id, model, temperature, max_tokens, …

    Raises NotFound, and what submit raises.
    """
    access = acting.as_member(workspace, user)
    return submit(access, Submission(prompt_template=slug, context=variables or {}, source=source, **choice))


def run_and_wait(
    workspace: str, slug: str, variables: Mapping[str, Any] | None = None, *, timeout: float = 600.0, **more: Any
) -> Execution:
    """Submit as `run` does, and return the execution once it has ended: look at its status. Workers do the work.

    Raises NotFinishedError (a TimeoutError) after `timeout` seconds: the execution goes on.
    """
    return beside.ended(run(workspace, slug, variables, **more).id, timeout)


def available_providers(workspace: str, *, user: str | None = None) -> list[AvailableProvider]:
    """Return the providers that could answer a member (default: the owner) now, best first. Raises NotFound."""
    return beside.available(acting.as_member(workspace, user))


def rerun(access: Access, execution: Execution, *, execution_id: str | None = None) -> Execution:
    """Ask the same once more: the same texts, even where the prompt template has changed since. Raises Denied.

    A credential that it asked and that is not there for whoever repeats it is let go of (`unpinned`).

    `execution_id` is as in submit.
    """
    made = _made_before(access, execution_id)
    if made is not None:
        return made
    _demand_repeatable(access, execution)
    values = {name: getattr(execution, name) for name in (*_PROMPT, *_ASKED)}
    if rerun_unpins(access, execution):
        values |= {"requested_credential_id": None, "unpinned": True}
    values["source"] = _source(access, execution)
    return _insert(access, values, parent=execution, execution_id=execution_id)


def regenerate(
    access: Access, execution: Execution, changes: Mapping[str, Any], *, execution_id: str | None = None
) -> Execution:
    """Ask again with changes: any of CHANGEABLE; what is not given stays as it was. `execution_id` is as in submit.

    Another context or version fills the prompt anew. Another provider lets go of a pinned credential and of the model.

    Raises InvalidInput, NotFound, Denied; Conflict `gone` where the prompt template that had to be filled anew was deleted.
    """
    made = _made_before(access, execution_id)
    if made is not None:
        return made
    unknown = sorted(set(changes) - set(CHANGEABLE))
    if unknown:
        raise InvalidInput(errors=[{"field": name, "message": "This cannot be changed."} for name in unknown])
    _demand_repeatable(access, execution)
    submission = _resubmission(access, execution, changes)
    chosen = any(changes.get(name) is not None for name in ("provider", "credential_id"))
    told = {"source": _source(access, execution), "unpinned": not chosen and unpins(access, execution)}
    if changes.get("context") is None and changes.get("version") is None:
        taken_over = {name: getattr(execution, name) for name in _PROMPT}
        version = execution.prompt_version if submission.prompt_template is not None else None
        values = {**taken_over, **asked(access, submission, version), **told}
        return _insert(access, values, parent=execution, execution_id=execution_id)
    if submission.prompt_template is None and execution.template is None:
        raise Conflict("The prompt template of this execution was deleted.", code="gone")
    values = {**columns(access, submission), **told}
    return _insert(access, values, parent=execution, execution_id=execution_id)


def unpins(access: Access, execution: Execution) -> bool:
    """Whether it asked one credential that the asking person cannot use: deleted since, or personal and somebody else's."""
    pinned = execution.requested_credential_id
    return pinned is not None and not keeping.knows(access, pinned)


def rerun_unpins(access: Access, execution: Execution) -> bool:
    """Whether a rerun lets go of the credential that it asked; one's own rather fails where that was deleted."""
    return execution.user_id != access.user.id and unpins(access, execution)


def cancel(access: Access, execution: Execution) -> Execution:
    """End an execution before its answer, or ask its worker to: it stops within seconds, and no later result counts.

    Cancelling twice is no error. Raises Conflict `finished` for one that has ended otherwise, Denied for a viewer and an
    execution of somebody else.
    """
    if execution.user_id != access.user.id:
        access.demand("editor")
    cancelling.cancel(execution.id)
    db.session.commit()
    db.session.refresh(execution)
    if execution.status in ("completed", "failed"):
        raise Conflict("It has ended already.", code="finished")
    if execution.status == "cancelled":
        Publisher(redis(), execution.id).done("cancelled", error_class="cancelled")
        deliveries.ended(execution.id, execution.workspace_id, execution.priority, execution.source)
    event = "execution.cancelled" if execution.status == "cancelled" else "execution.cancel_requested"
    log(__name__).info(event, **_names(execution), user_id=access.user.id)
    return execution


def _made_before(access: Access, execution_id: str | None) -> Execution | None:
    if execution_id is None:
        return None
    return db.session.scalars(access.select(Execution).where(Execution.id == execution_id)).first()


def _insert(
    access: Access, values: Mapping[str, Any], *, parent: Execution | None, execution_id: str | None
) -> Execution:
    execution = Execution(
        id=execution_id or new_id(),
        workspace_id=access.workspace.id,
        user_id=access.user.id,
        token_name=access.token_name,
        parent_id=parent.id if parent is not None else None,
        attempts=[],  # known without asking: on SQLite each question after the commit would take the writer's lock again
        **values,
    )
    db.session.add(execution)
    db.session.commit()
    log(__name__).info(
        "execution.submitted",
        **_names(execution),
        user_id=access.user.id,
        source=execution.source,
        priority=execution.priority,
        parent_id=execution.parent_id,
    )
    deliveries.wake(execution.id, execution.workspace_id, execution.priority)
    return execution


def _demand_repeatable(access: Access, execution: Execution) -> None:
    """A viewer repeats what a viewer may run: the published version of a prompt template.

    Raises Denied; Conflict `texts_erased` and `texts_unreadable` where nobody knows what was asked.
    """
    if execution.texts_erased_at is not None:
        raise Conflict("Its texts were not kept, so nobody knows what was asked.", code="texts_erased")
    if not sealing.readable(execution):
        raise Conflict(sealing.UNREADABLE, code="texts_unreadable")
    version = execution.prompt_version
    if version is None or version.status != "published":
        access.demand("editor")


def _resubmission(access: Access, execution: Execution, changes: Mapping[str, Any]) -> Submission:
    template, version = execution.prompt_template, execution.prompt_version
    submission = Submission(
        prompt_template=template.slug if template is not None else None,
        version=version.number if version is not None else None,
        template=execution.template,
        system=execution.template_system,
        context=execution.context,
        kept_context=changes.get("context") is None,
        fetched=execution.fetched,
        format=execution.format,
        provider=execution.requested_provider,
        credential_id=execution.requested_credential_id,
        model=execution.requested_model,
        temperature=execution.temperature,
        max_tokens=execution.max_tokens,
        priority=execution.priority,
        stream=execution.stream,
        source="page",
    )
    given = {name: value for name, value in changes.items() if value is not None}
    if unpins(access, execution):
        submission = replace(submission, credential_id=None)
    if "provider" in given:
        submission = replace(submission, credential_id=None, model=None)
    elif "credential_id" in given:
        submission = replace(submission, provider=None, model=None)
    if "context" in given:  # what filled itself stays as it was, where nothing else is given for it now
        kept = [name for name in execution.fetched if name not in given["context"]]
        given |= {"context": {**{name: execution.context[name] for name in kept}, **given["context"]}, "fetched": kept}
    return replace(submission, **given)


def _source(access: Access, execution: Execution) -> str:
    """Return where the repetition of `execution` comes from; that of a test run is one too."""
    if access.token_name:
        return "api"
    return "preview" if execution.source == "preview" else "page"


def _names(execution: Execution) -> dict[str, str | None]:
    return {
        "execution_id": execution.id,
        "workspace_id": execution.workspace_id,
        "prompt_template_id": execution.prompt_template_id,
    }
