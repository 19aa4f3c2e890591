"""Whether this process lives (/healthz) and whether the system can work (/readyz): for supervisors and load balancers."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Blueprint, Response, jsonify
from redis.exceptions import RedisError

from aiapp import queue
from aiapp.errors import Unavailable
from aiapp.extensions import db, redis

blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Answer while the process can answer at all; touches nothing else."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Check database, Redis and workers; 503 names the parts that are missing."""
    store = _redis()  # where it does not answer, nobody waits for it twice
    parts = {"database": _database(), "redis": store, "workers": store and _workers()}
    missing = [name for name, fine in parts.items() if not fine]
    state = {name: "ok" if fine else "unavailable" for name, fine in parts.items()}
    return jsonify(status="unavailable" if missing else "ok", missing=missing, **state), 503 if missing else 200


def _database() -> bool:
    try:
        db.session.execute(sa.text("SELECT 1"))
    except sa.exc.SQLAlchemyError:
        return False
    return True


def _redis() -> bool:
    try:
        return bool(redis().ping())
    except RedisError:
        return False


def _workers() -> bool:
    # Drained ones count: whoever drains all of them wants nothing started, not the web dropped by its load balancer.
    try:
        return queue.workers() > 0
    except Unavailable:
        return False
