"""Idempotency-Key: a POST that is sent twice is done once, and both get the first answer.

The key's row is flushed before the work and committed with it: where the work fails, the key is as unused as before. Of two
equal requests at the same time the second waits for the first one's answer.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import Response, current_app, g, jsonify, request
from sqlalchemy.exc import IntegrityError

from aiapp.api.asking import asking
from aiapp.api.models import IdempotencyKey
from aiapp.columns import new_id, now
from aiapp.errors import Conflict, InvalidInput, Unavailable
from aiapp.extensions import db

View = TypeVar("View", bound=Callable[..., Any])
KEPT = timedelta(hours=24)
WAIT_SECONDS = 20.0
# Without an answer after this time, whoever had the key is gone.
GIVEN_UP = timedelta(minutes=2)


def once(view: View) -> View:
    """Wrap a POST that creates: with an Idempotency-Key it is done once.

    A secret that is shown once is shown once here too: the kept answer is without it (`view.secret` names its field).
    While the view runs, `g.new_id` is the id that it should give to what it creates, so that the answer of a process that died
    between its commit and its answer can be had again. Raises Conflict `idempotency_conflict`, InvalidInput, Unavailable.
    """

    secret = getattr(view, "secret", None)

    @wraps(view)
    def idempotent(*args: Any, **values: Any) -> Any:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return view(*args, **values)
        if not 1 <= len(key) <= 255 or not key.isprintable():
            message = "Use 1 to 255 printable characters."
            raise InvalidInput(errors=[{"field": "Idempotency-Key", "message": message}])
        workspace_id, digest = asking().workspace.id, _digest()
        kept = _reserve(workspace_id, key, digest)
        if kept is not None:
            return _replay(kept, digest)
        try:
            response = current_app.make_response(view(*args, **values))
        except BaseException:
            db.session.rollback()
            _forget(workspace_id, key)
            raise
        shown = {**response.get_json()}
        if secret in shown:
            shown[secret] = None
        _keep(workspace_id, key, response.status_code, shown)
        return response

    return idempotent  # type: ignore[return-value]


def forget_old() -> int:
    """Delete the keys that are older than a day and return how many; the scheduler calls it. Commits."""
    gone = db.session.execute(
        sa.delete(IdempotencyKey).where(IdempotencyKey.created_at < now() - KEPT).returning(IdempotencyKey.id)
    ).all()
    db.session.commit()
    return len(gone)


def _digest() -> str:
    parts = (request.method, request.path, request.get_data().decode("utf-8", "replace"))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _here(workspace_id: str, key: str) -> tuple[sa.ColumnElement[bool], ...]:
    return IdempotencyKey.workspace_id == workspace_id, IdempotencyKey.key == key


def _reserve(workspace_id: str, key: str, digest: str) -> IdempotencyKey | None:
    """Flush a row for the key and return None; where there is one already, return it once it has its answer."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with db.session.begin_nested():
                row = IdempotencyKey(id=new_id(), workspace_id=workspace_id, key=key, request_hash=digest)
                db.session.add(row)
                db.session.flush()
            g.new_id = row.id
            return None
        except IntegrityError:
            kept = db.session.scalar(sa.select(IdempotencyKey).where(*_here(workspace_id, key)))
        if kept is not None:
            if kept.created_at < now() - KEPT:
                db.session.delete(kept)
                db.session.flush()
                continue
            if kept.status is None and kept.created_at < now() - GIVEN_UP and kept.request_hash == digest:
                kept.created_at = now()
                g.new_id = kept.id  # what it had created, if it got that far, has this id
                return None
            if kept.status is not None or kept.request_hash != digest:
                return kept
        db.session.rollback()  # nothing is held while the other request is waited for
        if time.monotonic() > deadline:
            raise Unavailable("The first request with this key is still running.", retry_after=5)
        time.sleep(0.05)


def _replay(kept: IdempotencyKey, digest: str) -> Response:
    if kept.request_hash != digest:
        raise Conflict("This key was used for another request.", code="idempotency_conflict")
    response = jsonify(kept.answer)
    response.status_code = kept.status or 200
    response.headers["Idempotent-Replayed"] = "true"
    return response


def _keep(workspace_id: str, key: str, status: int, answer: dict[str, Any]) -> None:
    db.session.execute(sa.update(IdempotencyKey).where(*_here(workspace_id, key)).values(status=status, answer=answer))
    db.session.commit()


def _forget(workspace_id: str, key: str) -> None:
    db.session.execute(sa.delete(IdempotencyKey).where(*_here(workspace_id, key), IdempotencyKey.status.is_(None)))
    db.session.commit()
