"""What people do with their accounts; each verb commits once, at its end."""

from __future__ import annotations

import re
from datetime import timedelta

import sqlalchemy as sa

from aiapp import audit
from aiapp.accounts import passwords
from aiapp.accounts.models import PasswordReset, User, UserSession
from aiapp.accounts.tokens import digest, new_secret
from aiapp.columns import now
from aiapp.errors import Conflict, InvalidInput
from aiapp.extensions import db

SESSION_AGE = timedelta(days=14)
RESET_AGE = timedelta(hours=1)
EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f.]+(\.[^@\s\x00-\x1f.]+)+")


def find_user(email: str) -> User | None:
    """Return the user with this email address, however it is capitalised."""
    return db.session.scalar(sa.select(User).where(User.email == email.strip().lower()))


def add_user(email: str, name: str, password: str | None, *, is_admin: bool = False) -> User:
    """Add a user to the session, uncommitted: sign-up and invitations add more in the same commit.

    Raises InvalidInput with the field errors, Conflict `email_taken`.
    """
    email = email.strip().lower()
    name = " ".join(name.split()) or email.split("@")[0]
    errors = []
    if not EMAIL.fullmatch(email) or len(email) > 254:
        errors.append({"field": "email", "message": "This is not an email address."})
    if len(name) > 100 or not name.isprintable():
        errors.append({"field": "name", "message": "Use at most 100 characters that can be seen."})
    weakness = passwords.weakness(password, email, name) if password is not None else None
    if weakness:
        errors.append({"field": "password", "message": weakness})
    if errors:
        raise InvalidInput(errors=errors)
    if find_user(email) is not None:
        raise Conflict("This email address has an account already.", code="email_taken")
    password_hash = passwords.hash_password(password) if password is not None else None
    user = User(email=email, name=name, password_hash=password_hash, is_admin=is_admin)
    db.session.add(user)
    db.session.flush()
    return user


def create_user(email: str, name: str = "", password: str | None = None, *, is_admin: bool = False) -> User:
    """Make an account from the command line. Without a password it opens by a reset link. Errors as add_user."""
    user = add_user(email, name, password, is_admin=is_admin)
    audit.record("user.create", user.email, actor="command line", after={"is_admin": is_admin})
    db.session.commit()
    return user


def sign_in(email: str, password: str, *, ip: str, user_agent: str) -> tuple[User, str] | None:
    """Return the user and the secret of a new session; None alike for an unknown address, a wrong password, a closed account."""
    user = find_user(email)
    fits = passwords.verify(user.password_hash if user else None, password)
    if user is None or not fits or not user.active:
        audit.record("user.sign_in_failed", email.strip().lower()[:254], actor="nobody")
        db.session.commit()
        return None
    secret = open_session(user, ip=ip, user_agent=user_agent)
    audit.record("user.sign_in", user.email, actor=user.name, actor_id=user.id)
    db.session.commit()
    return user, secret


def open_session(user: User, *, ip: str, user_agent: str) -> str:
    """Add a session for `user`, uncommitted, and return its secret."""
    secret = new_secret()
    row = UserSession(
        secret_hash=digest(secret), user_id=user.id, expires_at=now() + SESSION_AGE, ip=ip, user_agent=user_agent[:200]
    )
    db.session.add(row)
    return secret


def start_session(user: User, *, ip: str, user_agent: str) -> str:
    """Open a session for somebody who has just proved who they are (sign-up, invitation, new password)."""
    secret = open_session(user, ip=ip, user_agent=user_agent)
    db.session.commit()
    return secret


def session_user(secret: str) -> User | None:
    """Return whose session `secret` is, or None when it has ended."""
    row = db.session.scalar(sa.select(UserSession).where(UserSession.secret_hash == digest(secret)))
    if row is None or row.expires_at <= now() or not row.user.active:
        return None
    return row.user


def sign_out(user: User, secret: str) -> None:
    """End this session on the server, whatever copies of the cookie exist."""
    db.session.execute(sa.delete(UserSession).where(UserSession.secret_hash == digest(secret)))
    audit.record("user.sign_out", user.email, actor=user.name, actor_id=user.id)
    db.session.commit()


def rename(user: User, name: str) -> None:
    """Change the name that others see. Raises InvalidInput."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise InvalidInput(errors=[{"field": "name", "message": "Use 1 to 100 characters that can be seen."}])
    before, user.name = user.name, name
    audit.record("user.rename", user.email, actor=name, actor_id=user.id, before={"name": before}, after={"name": name})
    db.session.commit()


def change_password(user: User, current: str, new: str) -> None:
    """Replace the password and end every session of `user`; the caller opens a new one. Raises InvalidInput."""
    if not passwords.verify(user.password_hash, current):
        raise InvalidInput(errors=[{"field": "current_password", "message": "This is not your current password."}])
    _set_password(user, new, "user.change_password")


def start_reset(email: str) -> str | None:
    """Return the secret of a single-use link, valid for an hour; None where nobody has this address.

    The links made before stop working.
    """
    user = find_user(email)
    if user is None or not user.active:
        return None
    secret = new_secret()
    _drop_resets(user)
    db.session.add(PasswordReset(secret_hash=digest(secret), user_id=user.id, expires_at=now() + RESET_AGE))
    audit.record("user.start_reset", user.email, actor="command line")
    db.session.commit()
    return secret


def reset_user(secret: str) -> User | None:
    """Return whose password the link sets, or None when it is used, old or unknown."""
    row = db.session.scalar(sa.select(PasswordReset).where(PasswordReset.secret_hash == digest(secret)))
    if row is None or row.used_at is not None or row.expires_at <= now() or not row.user.active:
        return None
    return row.user


def finish_reset(secret: str, new: str) -> User | None:
    """Set the password by a link and end every session; None when the link does not work. Raises InvalidInput."""
    user = reset_user(secret)
    if user is None:
        return None
    weakness = passwords.weakness(new, user.email, user.name)
    if weakness:
        raise InvalidInput(errors=[{"field": "password", "message": weakness}])
    used = db.session.execute(
        sa.update(PasswordReset)
        .where(PasswordReset.secret_hash == digest(secret), PasswordReset.used_at.is_(None))
        .values(used_at=now())
        .returning(PasswordReset.id)
    ).all()
    if not used:  # a second click was faster
        db.session.rollback()
        return None
    _set_password(user, new, "user.reset_password", field="password")
    return user


def _set_password(user: User, new: str, action: str, *, field: str = "new_password") -> None:
    weakness = passwords.weakness(new, user.email, user.name)
    if weakness:
        raise InvalidInput(errors=[{"field": field, "message": weakness}])
    user.password_hash = passwords.hash_password(new)
    db.session.execute(sa.delete(UserSession).where(UserSession.user_id == user.id))
    audit.record(action, user.email, actor=user.name, actor_id=user.id)
    db.session.commit()


def _drop_resets(user: User) -> None:
    db.session.execute(
        sa.delete(PasswordReset).where(PasswordReset.user_id == user.id, PasswordReset.used_at.is_(None))
    )
