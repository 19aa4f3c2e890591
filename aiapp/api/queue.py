"""The API's queue: what of the workspace waits, runs, is tried again or failed, and whether it is paused."""

from __future__ import annotations

from typing import Annotated

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import Field
from typing_extensions import TypedDict

from aiapp.api.asking import asking, needs
from aiapp.api.shapes import OptionalBody, Strict, Text, Time
from aiapp.operations import actions, figures
from aiapp.wire_values import iso, moment

queue = APIBlueprint("queue", __name__, abp_tags=[Tag(name="Queue")], abp_security=[{"token": []}])


class PauseBody(OptionalBody, Strict):
    """Why."""

    reason: Annotated[Text, Field(max_length=actions.LONGEST_REASON)] = Field("", description="shown to those who wait")


class Pause(TypedDict):
    """What keeps executions from being started."""

    what: Annotated[
        str,
        Field(
            description="workspace, or by a system administrator: all, high, default, low, or worker: all are drained"
        ),
    ]
    by: str
    reason: str
    at: Time


class QueueLine(TypedDict):
    """One of the queues."""

    queue: Annotated[str, Field(description="high, default or low")]
    waiting: Annotated[int, Field(description="executions that could start now")]
    running: int
    oldest_waiting_at: Annotated[Time | None, Field(description="since when the oldest one waits; null: none does")]


class Failures(TypedDict):
    """How often something failed."""

    error_class: str | None
    executions: int


class Queue(TypedDict):
    """The workspace's part of the queue. Counts end at 10,000."""

    queues: list[QueueLine]
    retries: Annotated[int, Field(description="executions that wait for a later round")]
    next_retry_at: Time | None
    failed: Annotated[list[Failures], Field(description="in the last 24 hours, the most frequent first")]
    workers: Annotated[int | None, Field(description="how many are alive; null: unknown, Redis is away")]
    pauses: list[Pause]


@queue.get("/queue", summary="The workspace's part of the queue")
@needs("admin", "admin")
def read() -> Queue:
    """Workspaces take turns, and none of them takes all of a worker."""
    return show()


@queue.post("/queue/pause", summary="Pause the workspace's executions")
@needs("admin", "admin")
def pause(body: PauseBody) -> Queue:
    """None starts until they are resumed; what runs goes on to its end. Pausing twice is no error, the first pause stands."""
    actions.pause_workspace(asking(), body.reason)
    return show()


@queue.post("/queue/resume", summary="Resume the workspace's executions")
@needs("admin", "admin")
def resume() -> Queue:
    """Ends the workspace's own pause; one of a system administrator stands."""
    actions.resume_workspace(asking())
    return show()


def show() -> Queue:
    """Return the asking workspace's part of the queue."""
    found = figures.read(asking().workspace.id)
    return {
        "queues": [
            {
                "queue": line.name,
                "waiting": line.waiting,
                "running": line.running,
                "oldest_waiting_at": iso(line.oldest),
            }
            for line in found.queues
        ],
        "retries": found.retry_count,
        "next_retry_at": iso(found.retries[0].at) if found.retries else None,
        "failed": [{"error_class": error_class, "executions": count} for error_class, count in found.failed],
        "workers": None if found.workers is None else len(found.workers),
        "pauses": [
            {"what": what.partition(":")[0], "by": pause.by, "reason": pause.reason, "at": moment(pause.at)}
            for what, pause in found.pauses.items()
        ],
    }
