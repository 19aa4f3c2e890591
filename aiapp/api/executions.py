"""The API's executions: submit, read, follow, stop, repeat, rate."""

from __future__ import annotations

import threading
from typing import Any, Literal

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from aiapp.api.asking import asking, needs, recognise, still_valid
from aiapp.api.execution_shapes import (
    Execution,
    Feedback,
    LlmJob,
    RawAnswer,
    show,
    show_feedback,
)
from aiapp.api.idempotency import execution_id, once
from aiapp.api.locating import creates
from aiapp.api.shapes import GONE, MOST_ITEMS, Gone, Id, OptionalBody, SlugPath, Strict, Text
from aiapp.errors import Unavailable
from aiapp.executions import actions
from aiapp.executions import models as rows
from aiapp.executions.running import raw_answers
from aiapp.executions.streaming import stream
from aiapp.executions.submission import Submission
from aiapp.feedback import actions as feedback_actions
from aiapp.providers.types import OUTPUT_FORMATS
from aiapp.wire_values import iso

# Each takes a thread of the web process, as each stream does; half of the threads stay for pages.
MAX_WAITING = 64
_waiting = threading.BoundedSemaphore(MAX_WAITING)
_FORMATS = f"one of {', '.join(OUTPUT_FORMATS)}"

executions = APIBlueprint("executions", __name__, abp_tags=[Tag(name="Executions")], abp_security=[{"token": []}])


class ExecutionPath(BaseModel):
    """An execution."""

    execution_id: Id


class AttemptPath(ExecutionPath):
    """One of its attempts."""

    number: int


class ReadQuery(BaseModel):
    """Whether to wait."""

    wait: float = Field(0, ge=0, le=60, description="seconds to wait for the end, at most 60")


class Choice(Strict):
    """Who should answer, and how. What is left out is the prompt template's, then the credential's choice."""

    provider: Text | None = Field(None, description="limits the choice to that provider's credentials")
    credential_id: Text | None = Field(None, description="this credential and no other")
    model: Text | None = None
    temperature: float | None = Field(None, description="0 to 2")
    max_tokens: int | None = None
    priority: Text = Field("default", description="high, default or low")
    stream: bool = Field(True, description="ask the provider for a stream")


class ExecutionBody(Choice):
    """A text to execute, without a prompt template."""

    template: Text = Field(description="the text itself; `{{name}}` stands for a value of the context")
    context: dict[str, Any] = Field(default_factory=dict)
    system: Text | None = None
    format: Text | None = Field(None, description=_FORMATS)


class PromptTemplateExecutionBody(OptionalBody, Choice):
    """Values for a prompt template's variables."""

    context: dict[str, Any] = Field(default_factory=dict)
    version: int | None = Field(None, description="default: the published one")
    label: Text | None = Field(None, description="the version that this label points to, instead of a number")


class LlmJobBody(Strict):
    """The short form."""

    template: Text = Field(description="the text itself; `{{name}}` stands for a value of the context")
    model: Text | None = None
    context: dict[str, Any] = Field(default_factory=dict)
    format: Text | None = Field(None, description=_FORMATS)


class RegenerateBody(OptionalBody, Strict):
    """What is different this time; what is left out stays.

    A provider, credential, model or temperature that is null is let go of: the version chooses, then the credential.
    """

    context: dict[str, Any] | None = Field(None, description="null: stays")
    provider: Text | None = Field(None, description="another one lets go of credential and model")
    credential_id: Text | None = Field(None, description="another one lets go of provider and model")
    model: Text | None = None
    version: int | None = Field(None, description="null: stays")
    temperature: float | None = None


class FeedbackBody(Strict):
    """A thumb."""

    rating: Literal["up", "down"]
    comment: Text | None = Field(None, description="left out: stays as it was")
    reasons: list[Text] | None = Field(None, max_length=MOST_ITEMS, description="left out: stay as they were")


class Events(Response):
    """A stream of server-sent events."""

    default_mimetype = "text/event-stream"


@executions.post("/executions", summary="Execute a text")
@creates("executions.read", id="execution_id")
@once(execution=True)
@needs("editor", "run")
def create(body: ExecutionBody) -> tuple[Execution, Literal[202]]:
    """202: it is stored and will end, whatever happens to this server's processes."""
    return _submit(Submission(**body.model_dump(), source="api"))


@executions.post("/prompt-templates/<slug>/executions", summary="Execute a prompt template")
@creates("executions.read", id="execution_id")
@once(execution=True)
@needs("viewer", "run")
def run(path: SlugPath, body: PromptTemplateExecutionBody) -> tuple[Execution, Literal[202]]:
    """202: it is stored and will end, whatever happens to this server's processes."""
    return _submit(Submission(prompt_template=path.slug, **body.model_dump(), source="api"))


@executions.post("/llm_jobs", summary="Execute a text, the short form")
@creates("executions.read", job_id="execution_id")
@once(execution=True)
@needs("editor", "run")
def job(body: LlmJobBody) -> tuple[LlmJob, Literal[202]]:
    """`job_id` and `output_id` are the execution's id."""
    submission = Submission(**body.model_dump(), source="api")
    made = actions.submit(asking(), submission, execution_id=execution_id())
    expected = iso(actions.estimated_completion(made))
    return {"job_id": made.id, "output_id": made.id, "status": "queued", "estimated_completion": expected}, 202


@executions.get("/executions/<id:execution_id>", summary="One execution")
@needs("viewer", "read")
def read(path: ExecutionPath, query: ReadQuery) -> Execution:
    """With `wait`, answers when it has ended, or after so many seconds as it then is."""
    if query.wait:
        asking().get(rows.Execution, path.execution_id)
        if not _waiting.acquire(blocking=False):
            raise Unavailable("Too many requests wait already. Ask without ?wait=, or later.", retry_after=5)
        try:
            actions.wait(path.execution_id, query.wait)
        finally:
            _waiting.release()
        recognise()
    access = asking()
    return show(access, access.get(rows.Execution, path.execution_id))


@executions.get("/executions/<id:execution_id>/attempts/<int:number>/raw", summary="What the provider sent")
@needs("viewer", "read")
def raw(path: AttemptPath) -> RawAnswer:
    """The first 48 KB and the last 16 KB of it, without the key; null where nothing came or it is not kept (any more)."""
    return {"number": path.number, "raw": raw_answers.read(asking(), path.execution_id, path.number)}


@executions.get("/executions/<id:execution_id>/events", summary="An execution as it happens")
@needs("viewer", "read")
def events(path: ExecutionPath) -> Events:
    """Server-sent events `status`, `attempt`, `delta`, `done`; a reader that comes back sends Last-Event-ID."""
    asking().get(rows.Execution, path.execution_id)
    authorization = request.headers["Authorization"]
    reader = stream.follow(
        path.execution_id,
        last_event_id=request.headers.get("Last-Event-ID"),
        allowed=lambda: still_valid(authorization, path.execution_id),
        who=(authorization, path.execution_id),
    )
    if reader is None:
        raise Unavailable("Too many streams are open. Ask with ?wait= instead.", retry_after=5)
    return Events(reader, headers={"X-Accel-Buffering": "no"})


@executions.post("/executions/<id:execution_id>/cancel", summary="Stop an execution")
@needs("viewer", "run")
def cancel(path: ExecutionPath) -> tuple[Execution, Literal[202]]:
    """In any state but an end; one that has ended is 409 `finished`."""
    access = asking()
    return show(access, actions.cancel(access, access.get(rows.Execution, path.execution_id))), 202


@executions.post("/executions/<id:execution_id>/rerun", summary="Execute the same again")
@creates("executions.read", id="execution_id")
@once(execution=True)
@needs("viewer", "run")
def rerun(path: ExecutionPath) -> tuple[Execution, Literal[202]]:
    """A new execution with `parent_id`."""
    access = asking()
    parent = access.get(rows.Execution, path.execution_id)
    return show(access, actions.rerun(access, parent, execution_id=execution_id())), 202


@executions.post("/executions/<id:execution_id>/regenerate", summary="Execute it again with changes")
@creates("executions.read", id="execution_id")
@once(execution=True)
@needs("viewer", "run")
def regenerate(path: ExecutionPath, body: RegenerateBody) -> tuple[Execution, Literal[202]]:
    """A new execution with `parent_id`."""
    access = asking()
    parent = access.get(rows.Execution, path.execution_id)
    changes = body.model_dump(exclude_unset=True)
    return show(access, actions.regenerate(access, parent, changes, execution_id=execution_id())), 202


@executions.put("/executions/<id:execution_id>/feedback", summary="Rate an execution")
@needs("viewer", "run")
def rate(path: ExecutionPath, body: FeedbackBody) -> Feedback:
    """One thumb a person; a second one replaces the first."""
    access = asking()
    execution = access.get(rows.Execution, path.execution_id)
    return show_feedback(feedback_actions.rate(access, execution, body.rating, body.comment, body.reasons))


@executions.delete("/executions/<id:execution_id>/feedback", summary="Withdraw one's feedback")
@needs("viewer", "run")
def unrate(path: ExecutionPath) -> Gone:
    """Nothing happens where there is none."""
    access = asking()
    feedback_actions.withdraw(access, access.get(rows.Execution, path.execution_id))
    return GONE


def _submit(submission: Submission) -> tuple[Execution, Literal[202]]:
    access = asking()
    return show(access, actions.submit(access, submission, execution_id=execution_id())), 202
