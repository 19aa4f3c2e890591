"""One execution: its page, the parts that refresh themselves, and what it wrote."""

from __future__ import annotations

import html
import re
from typing import Any

from flask import make_response, render_template, request
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.accounts.actions import session_user
from aiapp.errors import NotFound
from aiapp.executions import differing, provenance
from aiapp.executions.choices import versions
from aiapp.executions.models import Execution
from aiapp.executions.outputs import formats
from aiapp.executions.pages.routes import blueprint, shown
from aiapp.executions.running import raw_answers
from aiapp.executions.streaming import stream
from aiapp.extensions import settings
from aiapp.workspaces.access import Access, enter, require

# A model's HTML runs in a frame without rights, from an address of its own, under a policy of its own (PROMISES 20).
DOCUMENT_CSP = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"


@blueprint.get("/w/<workspace>/executions/<id:execution_id>")
@require()
def show(access: Access, execution_id: str) -> str:
    """One execution: what was asked, every attempt, what came back."""
    return render_template("executions/show.html", **_page(access, execution_id))


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/_live")
@require()
def live(access: Access, execution_id: str) -> Response:
    """The page's body as it is now; without a trigger once the execution has ended."""
    return htmx.fragment("executions/_refresh.html", **_page(access, execution_id))


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/_panel")
@require()
def panel(access: Access, execution_id: str) -> Response:
    """The same beside a prompt: the panel of the editor and the run page."""
    return htmx.fragment("executions/_execution.html", **shown(access, access.get(Execution, execution_id)))


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/_stream")
@require()
def stream_text(access: Access, execution_id: str) -> Response:
    """The answer as it is written, as server-sent HTML; the events `attempt` and `done` make the page look again.

    `?attempt=2` is the last attempt that the page shows: only a later one is news to it.
    """
    access.get(Execution, execution_id)
    slug, secret = access.workspace.slug, access.user.session_secret

    def allowed() -> bool:
        user = session_user(secret)
        try:
            return user is not None and bool(enter(user, slug).get(Execution, execution_id))
        except NotFound:
            return False

    encode = _StreamHtml(request.args.get("attempt", default=0, type=int))
    reader = stream.follow(
        execution_id,
        last_event_id=request.headers.get("Last-Event-ID"),
        encode=encode,
        allowed=allowed,
        who=(secret, execution_id),
    )
    if reader is None:  # too many readers: the page goes on asking every few seconds
        return Response(status=204)
    headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
    return Response(reader, mimetype="text/event-stream", headers=headers)


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/output")
@require()
def output(access: Access, execution_id: str) -> Response:
    """The output as a file, never shown by the browser itself; `?as=` is text, markdown or html instead of its own format."""
    execution = access.get(Execution, execution_id)
    if not execution.output:
        raise NotFound("This execution wrote nothing.")
    known, wanted = formats.of(execution.format), request.args.get("as", "")
    text = known.file(execution.output, wanted) if wanted else known.source(execution.output)
    if text is None:
        raise NotFound("There is no such file.")
    kind = formats.of(wanted) if wanted else known
    return _file(text, f"execution-{execution.id[-6:]}.{kind.extension}", kind.media_type)


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/attempts/<int:number>/raw")
@require()
def raw_answer(access: Access, execution_id: str, number: int) -> Response:
    """What the provider sent to an attempt, as a text file."""
    text = raw_answers.read(access, execution_id, number)
    if text is None:
        raise NotFound("What the provider sent is not kept.")
    return _file(text, f"execution-{execution_id[-6:]}-attempt-{number}.txt", "text/plain")


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/attempts/<int:number>/_raw")
@require()
def raw_answer_shown(access: Access, execution_id: str, number: int) -> Response:
    """The same in the fold of its attempt."""
    path = {"workspace": access.workspace.slug, "execution_id": execution_id, "number": number}
    text = raw_answers.read(access, execution_id, number)
    return htmx.fragment("executions/_raw.html", raw=text, path=path, days=settings().raw_days)


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/document")
@require()
def output_document(access: Access, execution_id: str) -> Response:
    """A model's HTML, for the sandboxed frame of its page and nothing else."""
    execution = access.get(Execution, execution_id)
    if formats.of(execution.format).view != "page" or not execution.output:
        raise NotFound
    response = make_response(formats.html_document(execution.output))
    response.headers["Content-Security-Policy"] = DOCUMENT_CSP
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    return response


def _page(access: Access, execution_id: str) -> dict[str, Any]:
    execution = access.get(Execution, execution_id)
    found = {
        **shown(access, execution),
        **provenance.of(access, execution),
        "try_versions": versions(access, execution),
    }
    if found["view"] == "diff" and found["parent"] is not None and execution.finished:
        found["compared"] = differing.outputs_between(found["parent"], execution, split=False)
    return found


def _file(text: str, name: str, media_type: str) -> Response:
    """Answer with a file that the browser keeps and never shows itself: others wrote what is in it."""
    response = make_response(text)
    response.headers["Content-Type"] = f"{media_type}; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Content-Security-Policy"] = DOCUMENT_CSP
    return response


class _StreamHtml:
    """Events of an execution as htmx's SSE extension reads them: unnamed messages are swapped in, named ones only heard.

    `shown` is the last attempt that the page shows. It is told of later ones, and of `paused` after it: the execution waits for
    its next round. It has no use for what earlier ones wrote.
    """

    def __init__(self, shown: int) -> None:
        self._shown = shown

    def __call__(self, event: stream.Event | None) -> str:
        if event is None:
            return ": still here\n\n"
        head = f"id: {event.id}\n" if event.id else ""
        if event.name == "delta":
            if event.data["attempt"] < self._shown:
                return ""
            # a line of an event also ends at a CR: what a model writes must not end ours
            lines = re.split("\r\n|\r|\n", html.escape(event.data.get("text", "")))
            return head + "".join(f"data: {line}\n" for line in lines) + "\n" if lines != [""] else ""
        if event.name == "status":
            waits = event.data["status"] == "pending" and self._attempt_of(event) >= self._shown
            return f"{head}event: paused\ndata: paused\n\n" if waits else ""
        if event.name == "attempt" and event.data["number"] <= self._shown:
            return ""
        return f"{head}event: {event.name}\ndata: {event.name}\n\n"

    @staticmethod
    def _attempt_of(event: stream.Event) -> int:
        """Return the attempt that an event came in or after; -1 for the row's own state, which the page shows already."""
        return int(event.id.split(".")[1]) if event.id else -1
