"""Who wrote a draft last, for a conflict to say so: a note in Redis for a day, and no part of the version."""

from __future__ import annotations

from contextlib import suppress

from redis.exceptions import RedisError

from aiapp.extensions import redis
from aiapp.prompt_templates.models import PromptVersion

_KEPT = 24 * 3600


def note(version: PromptVersion, lock_version: int, user_id: str) -> None:
    """Note that this user wrote what the version says under that lock version. Without Redis nobody is named."""
    with suppress(RedisError):
        redis().set(_key(version, lock_version), user_id, ex=_KEPT)


def last(version: PromptVersion) -> str | None:
    """Return the id of the user who wrote what the version says; None where that is not known."""
    try:
        found = redis().get(_key(version, version.lock_version))
    except RedisError:
        return None
    return found.decode() if isinstance(found, bytes) else None


def _key(version: PromptVersion, lock_version: int) -> str:
    return f"aiapp:draft-writer:{version.id}:{lock_version}"
