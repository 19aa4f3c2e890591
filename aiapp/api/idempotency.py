"""Idempotency-Key: a POST that is sent twice is done once, and both get the first answer.

The key's row is flushed before the work and committed with it: where the work fails, the key is as unused as before. Of two
equal requests at the same time the second one waits for the database to say what became of the first.

A process may die between that commit and its answer. An execution has its key's id, so the answer is had by asking for that
execution again. Anything else is not made twice: the retry is told that the answer is lost.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import Response, current_app, g, jsonify, request
from sqlalchemy.exc import IntegrityError

from aiapp import sealing
from aiapp.api.asking import asking
from aiapp.api.models import IdempotencyKey
from aiapp.columns import new_id, now
from aiapp.errors import Conflict, InvalidInput, Unavailable
from aiapp.executions.models import Execution
from aiapp.extensions import db, settings

View = TypeVar("View", bound=Callable[..., Any])
KEPT = timedelta(hours=24)
WAIT_SECONDS = 20.0
# Without an answer after this time, whoever had the key is gone.
GIVEN_UP = timedelta(minutes=2)
LONGEST_KEY = 255
# On SQLite nobody else writes meanwhile.
FORGOTTEN_AT_ONCE = 1000


class KeyUsed(Conflict):
    """The Idempotency-Key was sent with another request in the last 24 hours."""

    code, title = "idempotency_conflict", "This Idempotency-Key was used for another request"


def once(*, shown_once: str | None = None, execution: bool = False) -> Callable[[View], View]:
    """Wrap a POST that creates, so that with an Idempotency-Key it is done once.

    Arguments:
        shown_once: the field of the answer that holds a secret: the kept answer is without it.
        execution: the view makes an execution, and gives it execution_id().
    The wrapped view raises Conflict `idempotency_conflict` and `answer_lost`, InvalidInput, Unavailable.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def idempotent(*args: Any, **values: Any) -> Any:
            key = request.headers.get("Idempotency-Key")
            if key is None:
                return view(*args, **values)
            if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
                message = f"Use 1 to {LONGEST_KEY} printable characters."
                raise InvalidInput(errors=[{"field": "Idempotency-Key", "message": message}])
            row, first = _reserve(key, repeatable=execution)
            if row.status is not None:
                if execution:
                    asking().get(Execution, row.id)  # hidden from this member, or deleted since
                if row.answer is not None:
                    return _replay(row)
                if not execution:
                    raise Conflict(
                        f"It was done, and what was answered is lost. {sealing.UNREADABLE}", code="answer_lost"
                    )
            try:
                g.new_id = row.id
                response = current_app.make_response(view(*args, **values))
            except BaseException:
                db.session.rollback()
                if first:
                    _forget(row.id)
                raise
            if row.status is not None:
                return response  # the master keys open no answer: the execution as it is now, which is kept nowhere
            return response if _keep(row.id, response, shown_once) else _replay(_kept(row.id))

        idempotent.once = True  # type: ignore[attr-defined]
        return idempotent  # type: ignore[return-value]

    return wrap


def execution_id() -> str | None:
    """Return the id that this request's execution gets, where it was sent with an Idempotency-Key."""
    given: str | None = g.get("new_id")
    return given


def forget_old() -> int:
    """Delete the keys that are older than a day and return how many; the scheduler calls it. Commits, a batch at a time."""
    old = sa.select(IdempotencyKey.id).where(IdempotencyKey.created_at < now() - KEPT).limit(FORGOTTEN_AT_ONCE)
    forgotten = 0
    while True:
        batch = sa.delete(IdempotencyKey).where(IdempotencyKey.id.in_(old)).returning(IdempotencyKey.id)
        gone = len(db.session.execute(batch.execution_options(synchronize_session=False)).all())
        db.session.commit()
        forgotten += gone
        if gone < FORGOTTEN_AT_ONCE:
            return forgotten


def _digest() -> str:
    whose = asking().workspace.id
    if asking().workspace.private_executions:  # then a member who guesses another one's key gets no answer of theirs
        whose = f"{whose} {asking().user.id}"
    parts = (whose.encode(), request.method.encode(), request.path.encode(), request.get_data())
    # keyed: nobody who reads the database shall try out what a short request may have said
    return hmac.new(settings().secret_key.encode(), b"\n".join(parts), hashlib.sha256).hexdigest()


def _reserve(key: str, *, repeatable: bool) -> tuple[IdempotencyKey, bool]:
    """Return the key's row, and whether this request is the first: then the row is new, and flushed.

    A first request's row without an answer is returned only to a `repeatable` request. Raises Conflict, Unavailable.
    """
    workspace_id, digest = asking().workspace.id, _digest()
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        row = IdempotencyKey(id=new_id(), workspace_id=workspace_id, key=key, request_hash=digest)
        try:
            with db.session.begin_nested():
                db.session.add(row)
        except IntegrityError:
            here = IdempotencyKey.workspace_id == workspace_id, IdempotencyKey.key == key
            known = db.session.scalar(sa.select(IdempotencyKey).where(*here))
        else:
            return row, True
        if known is not None:
            if known.created_at < now() - KEPT:
                db.session.execute(sa.delete(IdempotencyKey).where(IdempotencyKey.id == known.id))
                db.session.commit()
                continue
            if known.request_hash != digest:
                raise KeyUsed("An Idempotency-Key stands for one request: send a new key, or the first request again.")
            if known.status is not None or repeatable:
                return known, False
            if known.created_at < now() - GIVEN_UP:
                raise Conflict(
                    "The first request with this key began, and its answer was lost. See what it did; then use another key.",
                    code="answer_lost",
                )
        db.session.rollback()  # nothing is held while the other request is waited for
        if time.monotonic() > deadline:
            raise Unavailable("The first request with this key is still running.", retry_after=5)
        time.sleep(0.05)


def _kept(row_id: str) -> IdempotencyKey:
    return db.session.scalars(
        sa.select(IdempotencyKey).where(IdempotencyKey.id == row_id).execution_options(populate_existing=True)
    ).one()


def _replay(row: IdempotencyKey) -> Response:
    response = jsonify(row.answer)
    response.status_code = row.status or 200
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _keep(row_id: str, response: Response, shown_once: str | None) -> bool:
    """Keep the answer; False where another request with the same key was faster."""
    answer = dict(response.get_json())
    if shown_once is not None:
        answer[shown_once] = None
    stored = sealing.sealed(IdempotencyKey, asking().workspace.id, row_id, {"answer": answer})
    change = sa.update(IdempotencyKey).where(IdempotencyKey.id == row_id, IdempotencyKey.status.is_(None))
    kept = db.session.execute(change.values(status=response.status_code, **stored).returning(IdempotencyKey.id)).all()
    db.session.commit()
    return bool(kept)


def _forget(row_id: str) -> None:
    db.session.execute(sa.delete(IdempotencyKey).where(IdempotencyKey.id == row_id, IdempotencyKey.status.is_(None)))
    db.session.commit()
