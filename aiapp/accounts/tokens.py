"""Secrets that are shown once and stored hashed: API tokens, session cookies, links."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

import sqlalchemy as sa

from aiapp.accounts.models import ApiToken
from aiapp.columns import now
from aiapp.extensions import db

PREFIX = "aiapp_"
SCOPES = ("read", "run", "write", "admin")
USED_EVERY = timedelta(minutes=1)


def new_secret() -> str:
    """Return 256 random bits for a URL or cookie."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """Return what is stored of a secret. A plain SHA-256 is enough for 256 random bits: there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()


def make(
    *, workspace_id: str, user_id: str, name: str, scope: str, expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """Add a token to the session and return it with its text, which is never to be had again."""
    text = PREFIX + new_secret()
    token = ApiToken(
        workspace_id=workspace_id,
        user_id=user_id,
        name=name,
        scope=scope,
        secret_hash=digest(text),
        hint=text[-4:],
        expires_at=expires_at,
    )
    db.session.add(token)
    return token, text


def hash_of(text: str) -> str | None:
    """Return the hash that a token is looked up by, None for what is none. Comparing takes as long whatever is wrong."""
    return digest(text) if text.startswith(PREFIX) and len(text) <= 100 else None


def note_use(token: ApiToken) -> None:
    """Keep when `token` was last used, at most once a minute, in a transaction of its own."""
    at = now()
    if token.last_used_at is not None and at - token.last_used_at < USED_EVERY:
        return
    with db.engine.connect() as connection:
        connection.execute(sa.update(ApiToken).where(ApiToken.id == token.id).values(last_used_at=at))
        connection.commit()
