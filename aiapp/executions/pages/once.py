"""One execution for a form that is sent twice: a double click, a request that the browser repeats."""

from __future__ import annotations

import hmac
import json
from contextlib import suppress
from datetime import timedelta

from flask import request
from redis.exceptions import RedisError

from aiapp.columns import new_id, now
from aiapp.executions.models import Execution
from aiapp.extensions import db, redis, settings
from aiapp.workspaces.access import Access

_KEPT = 24 * 3600
_IN_A_HURRY = timedelta(seconds=10)


def execution_id(access: Access, side: str = "") -> str:
    """Return the id of the execution that this form asks for (see actions.submit).

    It is the one that was made of the same content of the same rendered form (its field `once`), until that has ended; a quick
    end does not let a double click through. Without that field, and without Redis, it is a new one.

    Arguments:
        side: which one of those that one form asks for, where it asks for more.
    """
    made = new_id()
    if not request.form.get("once"):
        return made
    sent = sorted((name, value) for name, value in request.form.items(multi=True) if name != "csrf_token")
    parts = json.dumps([access.workspace.id, access.user.id, side, sent])
    # keyed: nobody who reads Redis shall try out what a short form may have said
    key = f"aiapp:once:{hmac.digest(settings().secret_key.encode(), parts.encode(), 'sha256').hex()}"
    with suppress(RedisError):
        if redis().set(key, made, ex=_KEPT, nx=True):
            return made
        known = (redis().get(key) or made.encode()).decode()  # type: ignore[union-attr]
        before = db.session.scalars(access.select(Execution).where(Execution.id == known)).first()
        if before is None or not before.finished or now() - before.created_at < _IN_A_HURRY:
            return known
        redis().set(key, made, ex=_KEPT)
    return made
