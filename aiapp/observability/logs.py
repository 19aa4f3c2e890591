"""Logs: one JSON line an event, without prompt texts and without keys."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from flask import g, has_request_context
from structlog.typing import EventDict, WrappedLogger

SECRET_WORDS = ("password", "secret", "token", "api_key", "authorization", "cookie")


def configure(level: str) -> None:
    """Send every log of this process, the libraries' too, to stderr as JSON lines.

    Arguments:
        level: debug, info, warning or error.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _with_request,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(sort_keys=True, default=str),  # JSON escapes CR and LF
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("rq", "alembic", "werkzeug"):
        logging.getLogger(chatty).setLevel("WARNING")


def log(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module: `log(__name__).info("execution.completed", id=…)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _with_request(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Name the request that an event belongs to: by it a user's report, a page's error and these lines meet."""
    if has_request_context() and "request_id" in g:
        event.setdefault("request_id", g.request_id)
    return event


def _mask(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    for key in event:
        # `input_tokens` is a number that people want to see; `token` is not.
        if any(word in key.lower() for word in SECRET_WORDS) and not key.endswith("_tokens"):
            event[key] = "[masked]"
    return event
