"""What people do with executions; each verb commits once. Workers do the rest (jobs.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiapp.columns import new_id
from aiapp.errors import Conflict, InvalidInput
from aiapp.executions import beside, cancelling, deliveries, repeating
from aiapp.executions.beside import AvailableProvider, NotFinishedError
from aiapp.executions.lists.filters import Filters
from aiapp.executions.lists.listing import Page, estimated_completion, list_executions, wait
from aiapp.executions.models import Execution
from aiapp.executions.streaming.publishing import Publisher
from aiapp.executions.submission import Submission, columns
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
    "compare",
    "compare_again",
    "estimated_completion",
    "list_executions",
    "regenerate",
    "rerun",
    "run",
    "run_and_wait",
    "submit",
    "wait",
]

MOST_COMPARED = 6


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
    """Ask the same once more (see repeating.same). `execution_id` is as in submit. Raises Denied."""
    made = _made_before(access, execution_id)
    return made or _insert(access, repeating.same(access, execution), parent=execution, execution_id=execution_id)


def regenerate(
    access: Access, execution: Execution, changes: Mapping[str, Any], *, execution_id: str | None = None
) -> Execution:
    """Ask again with changes (see repeating.changed). `execution_id` is as in submit.

    Raises InvalidInput, NotFound, Denied, Conflict as repeating.changed does.
    """
    made = _made_before(access, execution_id)
    if made is not None:
        return made
    values = repeating.changed(access, execution, changes)
    return _insert(access, values, parent=execution, execution_id=execution_id)


def compare(
    access: Access, submissions: Sequence[Submission], *, execution_ids: Sequence[str | None] | None = None
) -> list[Execution]:
    """Submit several that are to be looked at beside each other: all of them, or none.

    Arguments:
        submissions: 2 to MOST_COMPARED.
        execution_ids: as in submit, one for each.

    Raises as submit does; an error's field begins with the place of its submission, from 1 (`variants.1.model`).
    """
    _check_number(len(submissions), 2)
    ids = execution_ids or [None] * len(submissions)
    made = [_made_before(access, one) for one in ids]
    if all(made):
        return [one for one in made if one is not None]
    values = [_placed(number, columns, access, one) for number, one in enumerate(submissions, 1)]
    return _insert_all(access, [*zip(values, ids, strict=True)], parent=None)


def compare_again(
    access: Access,
    execution: Execution,
    variants: Sequence[Mapping[str, Any]],
    *,
    execution_ids: Sequence[str | None] | None = None,
) -> list[Execution]:
    """Ask an execution's prompt again with each of these changes: all of them, or none; they are linked to it.

    Arguments:
        variants: changes as regenerate takes them, 1 to MOST_COMPARED - 1 (the execution itself is beside them).
        execution_ids: as in submit, one for each.

    Raises as regenerate does, an error's field as compare says.
    """
    _check_number(len(variants) + 1, 2)
    ids = execution_ids or [None] * len(variants)
    made = [_made_before(access, one) for one in ids]
    if all(made):
        return [one for one in made if one is not None]
    values = [_placed(number, repeating.changed, access, execution, one) for number, one in enumerate(variants, 1)]
    return _insert_all(access, [*zip(values, ids, strict=True)], parent=execution)


def _check_number(number: int, least: int) -> None:
    if not least <= number <= MOST_COMPARED:
        message = f"Compare {least} to {MOST_COMPARED} at once."
        raise InvalidInput(errors=[{"field": "variants", "message": message}])


def _placed(number: int, verb: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Return what `verb` does; its mistakes say in which place it was."""
    try:
        return verb(*arguments)
    except InvalidInput as error:
        errors = [{**one, "field": f"variants.{number}.{one['field']}"} for one in error.errors]
        raise InvalidInput(error.detail, errors=errors) from error


def cancel(access: Access, execution: Execution) -> Execution:
    """End an execution before its answer, or ask its worker to: it stops within seconds, and no later result counts.

    Cancelling twice is no error. Raises Conflict `finished` for one that has ended otherwise, Denied for a viewer and an
    execution of somebody else.
    """
    if execution.user_id != access.user.id:
        access.demand("editor")
    done = cancelling.cancel(execution.id, f"by {access.user.name}")
    db.session.commit()
    db.session.refresh(execution)
    if execution.status in ("completed", "failed"):
        raise Conflict("It has ended already.", code="finished")
    if execution.status == "cancelled":
        Publisher(redis(), execution.id).done("cancelled", error_class="cancelled")
        deliveries.ended(execution.id, execution.workspace_id, execution.priority, execution.source)
    if done:
        log(__name__).info(f"execution.{done}", **_names(execution), user_id=access.user.id)
    return execution


def _made_before(access: Access, execution_id: str | None) -> Execution | None:
    if execution_id is None:
        return None
    return db.session.scalars(access.select(Execution).where(Execution.id == execution_id)).first()


def _insert(
    access: Access, values: Mapping[str, Any], *, parent: Execution | None, execution_id: str | None
) -> Execution:
    return _insert_all(access, [(values, execution_id)], parent=parent)[0]


def _insert_all(
    access: Access, given: Sequence[tuple[Mapping[str, Any], str | None]], *, parent: Execution | None
) -> list[Execution]:
    made = [
        Execution(
            id=execution_id or new_id(),
            workspace_id=access.workspace.id,
            user_id=access.user.id,
            token_name=access.token_name,
            parent_id=parent.id if parent is not None else None,
            attempts=[],  # known without asking: on SQLite each question after the commit would take the writer's lock again
            **values,
        )
        for values, execution_id in given
    ]
    db.session.add_all(made)
    db.session.commit()
    for execution in made:
        log(__name__).info(
            "execution.submitted",
            **_names(execution),
            user_id=access.user.id,
            source=execution.source,
            priority=execution.priority,
            parent_id=execution.parent_id,
        )
        deliveries.wake(execution.id, execution.workspace_id, execution.priority)
    return made


def _names(execution: Execution) -> dict[str, str | None]:
    return {
        "execution_id": execution.id,
        "workspace_id": execution.workspace_id,
        "prompt_template_id": execution.prompt_template_id,
    }
