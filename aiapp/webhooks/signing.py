"""PURE: how a delivery is signed (Standard Webhooks 1.0.0: https://github.com/standard-webhooks/standard-webhooks)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable

PREFIX = "whsec_"
SECRET_BYTES = 32


def new_secret() -> str:
    """Return a new secret as receivers keep it."""
    return PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(message_id: str, timestamp: int, body: bytes, signing: Iterable[str]) -> dict[str, str]:
    """Return the headers that tell a receiver which message this is, and that it comes from who knows a secret.

    Arguments:
        timestamp: of the attempt, Unix seconds.
        signing: the secrets, newest first: each gives a signature, so that a receiver may know either.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = (
        b64encode(hmac.new(b64decode(one.removeprefix(PREFIX)), signed, hashlib.sha256).digest()) for one in signing
    )
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{one.decode()}" for one in signatures),
    }
