"""What went wrong with a command, as one line for the person who typed it."""

from __future__ import annotations

from aiapp.config import ConfigError
from aiapp.processes.children import ProcessError


class WrongUse(Exception):
    """The command makes no sense as it was given. The message is one line."""


def wrong_use(error: Exception) -> bool:
    """Whether the exit code is 2."""
    return isinstance(error, WrongUse)


def reason(error: Exception) -> str | None:
    """Return the line for `error`; None for what nobody foresaw and what click says itself."""
    if isinstance(error, ConfigError | ProcessError | WrongUse):
        return str(error)
    # Not at the top: a command that fails early has loaded none of these.
    from redis.exceptions import RedisError
    from sqlalchemy.exc import DBAPIError

    from aiapp.errors import AppError, Denied

    if isinstance(error, Denied) and error.role:
        return f"this needs the {error.role} role. {error.detail}".strip()
    if isinstance(error, AppError):
        fields = "; ".join(f"{item['field']}: {item['message']}" for item in error.errors)
        return fields or error.detail or error.title
    if isinstance(error, RedisError):
        return f"Redis cannot be reached ({error})"
    if isinstance(error, DBAPIError):
        said = " ".join(str(error.orig).split())
        if "no such table" in said or "does not exist" in said or "no such column" in said:
            return f"the database is not up to date ({said}): run aiapp db upgrade"
        return f"the database cannot be used ({said})"
    return None
