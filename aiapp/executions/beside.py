"""For programs beside the app, which have no page to look at: who could answer now, and the end of an execution."""

from __future__ import annotations

import time
from dataclasses import dataclass

from aiapp import queue
from aiapp.credentials import selection
from aiapp.errors import NotFound, Unavailable
from aiapp.executions import pauses
from aiapp.executions.lists.listing import wait
from aiapp.executions.models import Execution
from aiapp.executions.streaming.stream import closing
from aiapp.providers.registry import PROVIDERS
from aiapp.providers.types import ProviderError
from aiapp.workspaces.access import Access


@dataclass(frozen=True, slots=True)
class AvailableProvider:
    """A provider that could be asked now: its `kind` as the API names it, and the names of its credentials, best first.

    `models` are those that would be asked where nobody names one.
    """

    kind: str
    label: str
    credentials: tuple[str, ...]
    models: tuple[str, ...]


class NotFinishedError(TimeoutError):
    """The execution has not ended in time; it goes on. `execution` is how it was then."""

    def __init__(self, execution: Execution, seconds: float) -> None:
        super().__init__(
            f"The execution {execution.id} has not ended after {seconds:g} seconds and goes on. {waits_for(execution)}".strip()
        )
        self.execution = execution


def ended(execution_id: str, seconds: float) -> Execution:
    """Return the execution once it has ended; workers do that. Ends the caller's transaction.

    Raises NotFinishedError after `seconds`, or when this process is to end; NotFound where it was deleted.
    """
    deadline = time.monotonic() + seconds
    while True:
        row = wait(execution_id, max(0.0, deadline - time.monotonic()))
        if row is None:
            raise NotFound(f"The execution {execution_id} was deleted.")
        if row.finished:
            return row
        if time.monotonic() >= deadline or closing.is_set():
            raise NotFinishedError(row, seconds)


def waits_for(execution: Execution) -> str:
    """Return in a sentence why nothing may happen for now: a pause, no worker runs, or nobody can tell; else an empty text."""
    pause = pauses.of_execution(execution)
    if pause is not None:
        return f"{pauses.told(pause)}. {pauses.ends(pause)}"
    try:
        return "" if queue.workers() else "No worker is running: start one with `aiapp worker`."
    except Unavailable:
        return "Redis does not answer, so nobody can say whether a worker is running."


def available(access: Access) -> list[AvailableProvider]:
    """Return the providers that could be asked for this person now, best first."""
    try:
        found = selection.candidates(access.workspace.id, user_id=access.user.id)
    except ProviderError:
        return []
    targets = [one.target for one in found if one.target is not None and not one.held]
    return [
        AvailableProvider(
            kind,
            PROVIDERS[kind].label,
            tuple(target.credential_name for target in targets if target.provider == kind),
            tuple(dict.fromkeys(target.model for target in targets if target.provider == kind)),
        )
        for kind in dict.fromkeys(target.provider for target in targets)
    ]
