"""What is known of how credentials do: keeps what tests and calls have shown, and returns it for lists and pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from aiapp.columns import UtcDateTime, new_id, now
from aiapp.credentials import breakers
from aiapp.credentials.health import Verdict
from aiapp.credentials.models import Credential, CredentialCheck
from aiapp.credentials.rungs import LEVELS
from aiapp.extensions import db
from aiapp.workspaces.access import Access

# Used again and again within this span, a credential is written down once: a busy row would be a queue.
USED_EVERY = timedelta(seconds=10)
# Of the calls of a busy credential one in this span is kept as a check.
SAMPLED_EVERY = timedelta(minutes=5)
KEPT = timedelta(days=7)
# The same result again within this span is not kept again.
SAME_WITHIN = timedelta(seconds=5)
# Of a provider's model list; the longest known one has about five hundred.
MOST_MODELS = 1000
HOURS = 24
SHOWN_CHECKS = 20
_WORST_FIRST = ("down", "degraded", "healthy", "unknown")


@dataclass(frozen=True, slots=True)
class Day:
    """The last 24 hours of a credential.

    hours: the worst health seen in each, oldest first; "unknown" where nobody looked.
    p95: how long 19 of 20 answered calls took at most, in milliseconds; None without any.
    """

    hours: tuple[str, ...] = ("unknown",) * HOURS
    p95: int | None = None

    @property
    def words(self) -> str:
        """The hours for people who hear the page: `healthy 18 h, down 6 h`."""
        counts = {health: self.hours.count(health) for health in ("healthy", "degraded", "down", "unknown")}
        names = {"unknown": "not checked"}
        return ", ".join(f"{names.get(health, health)} {number} h" for health, number in counts.items() if number)


def record_test(
    tested: Credential,
    result: Mapping[str, Any],
    verdict: Verdict | None,
    *,
    source: str = "test",
    models: Sequence[str] | None = None,
) -> bool:
    """Keep the result of a test of `tested` (as it was read before the test) and what it shows of its health.

    Arguments:
        verdict: None leaves the health as it is.
        source: who asked for the test: "test" or "schedule".
        models: what the provider listed, None where it did not.

    Returns False, and keeps nothing, where the key, the provider or the address was changed while the test ran.
    """
    # Nobody changed the credential: updated_at stays.
    change = (
        sa.update(Credential).where(*unchanged(tested)).values(last_tested_at=now(), updated_at=Credential.updated_at)
    )
    if source == "test" or not result["ok"]:
        change = change.values(
            last_test={**result, "at": now().isoformat()}
        )  # a short scheduled test that holds says less than the last long one
    if models is not None:
        change = change.values(models=list(models)[:MOST_MODELS], models_at=now())
    if verdict is not None:
        news = sa.and_(sa.not_(_is(verdict)), _may_replace(verdict))
        change = change.values(
            health=sa.case((news, verdict.health), else_=Credential.health),
            health_reason=sa.case((news, sa.literal(verdict.reason, sa.String())), else_=Credential.health_reason),
            health_rung=sa.case((news, sa.literal(verdict.rung, sa.String())), else_=Credential.health_rung),
            health_since=sa.case((news, sa.literal(now(), UtcDateTime())), else_=Credential.health_since),
        )
    kept = db.session.execute(change.returning(Credential.health, Credential.health_reason)).first()
    if kept is not None:
        failed = next((step["step"] for step in result["steps"] if step.get("ok") is False), None)
        asked = (step["ms"] for step in result["steps"] if step.get("ok") and step["step"] == "completion")
        if not _kept_lately(tested.id, source, kept.health):
            _keep(tested.workspace_id, tested.id, source, kept.health, kept.health_reason, failed, next(asked, None))
        if verdict is not None and verdict.health == "healthy":
            # whoever was answered may be asked again; a key that was only looked at may be out of credit still
            breakers.forget(tested.id, () if verdict.up_to is None else ("auth",))
    db.session.commit()
    return kept is not None


def unchanged(read: Credential) -> tuple[sa.ColumnElement[bool], ...]:
    """What is true of a credential as long as nobody changes where it leads, and its key, after it was `read`."""
    return (
        Credential.id == read.id,
        Credential.workspace_id == read.workspace_id,
        Credential.provider == read.provider,
        Credential.base_url == read.base_url,
        Credential.api_key.is_not_distinct_from(read.api_key),
    )


def record_call(
    workspace_id: str, credential_id: str, verdict: Verdict, started_at: datetime, ms: int | None = None
) -> bool:
    """Note what a call of an execution has shown of its credential, in the caller's transaction and commit.

    The row is written only where that is news; not by a call that began before the credential was changed or its health
    became what it is. Returns whether it was news.

    Arguments:
        ms: how long an answered call took.
    """
    changed = db.session.execute(
        sa.update(Credential)
        .where(
            Credential.id == credential_id,
            Credential.workspace_id == workspace_id,
            sa.not_(_is(verdict)),
            _may_replace(verdict),
            Credential.updated_at <= started_at,
            sa.or_(Credential.health_since.is_(None), Credential.health_since <= started_at),
        )
        .values(
            health=verdict.health,
            health_reason=verdict.reason,
            health_rung=verdict.rung,
            health_since=now(),
            updated_at=Credential.updated_at,
        )
        .returning(Credential.id)
        .execution_options(synchronize_session=False)
    ).first()
    if changed is not None:
        _keep(workspace_id, credential_id, "execution", verdict.health, verdict.reason, None, ms)
    return changed is not None


def sample(workspace_id: str, credential_id: str, ms: int) -> None:
    """Keep how long an answered call took, in the caller's transaction and commit. Call it for one call in SAMPLED_EVERY."""
    known = db.session.execute(
        sa.select(Credential.health, Credential.health_reason).where(
            Credential.id == credential_id, Credential.workspace_id == workspace_id
        )
    ).first()
    if known is not None:
        _keep(workspace_id, credential_id, "execution", known.health, known.health_reason, None, ms)


def mark_used(workspace_id: str, credential_id: str, at: datetime | None = None) -> None:
    """Note that the credential was just used, in the caller's transaction and commit. Default: now."""
    at = at or now()
    db.session.execute(
        sa.update(Credential)
        .where(
            Credential.id == credential_id,
            Credential.workspace_id == workspace_id,
            sa.or_(Credential.last_used_at.is_(None), Credential.last_used_at < at - USED_EVERY),
        )
        .values(last_used_at=at, updated_at=Credential.updated_at)
        .execution_options(synchronize_session=False)
    )


def days(workspace_id: str, credential_id: str | None = None, at: datetime | None = None) -> dict[str, Day]:
    """Return the last 24 hours of every credential of the workspace (or of one) that was looked at in them, by its id."""
    at = at or now()
    first = at - timedelta(hours=HOURS)
    seen: dict[str, list[str]] = {}
    took: dict[str, list[int]] = {}
    query = sa.select(CredentialCheck.credential_id, CredentialCheck.at, CredentialCheck.health, CredentialCheck.ms)
    if credential_id is not None:
        query = query.where(CredentialCheck.credential_id == credential_id)
    for row in db.session.execute(
        query.where(CredentialCheck.workspace_id == workspace_id, CredentialCheck.at > first, CredentialCheck.at <= at)
    ):
        hours = seen.setdefault(row.credential_id, ["unknown"] * HOURS)
        hour = min(int((row.at - first) / timedelta(hours=1)), HOURS - 1)
        hours[hour] = min(hours[hour], row.health, key=_WORST_FIRST.index)
        if row.ms is not None:
            took.setdefault(row.credential_id, []).append(row.ms)
    return {one: Day(tuple(hours), _p95(took.get(one, []))) for one, hours in seen.items()}


def latest(access: Access, credential_id: str) -> list[CredentialCheck]:
    """Return the last checks of one credential, newest first."""
    query = access.select(CredentialCheck).where(CredentialCheck.credential_id == credential_id)
    newest = query.order_by(CredentialCheck.at.desc(), CredentialCheck.id.desc())
    return list(db.session.scalars(newest.limit(SHOWN_CHECKS)))


def forget_old() -> int:
    """Delete the checks that nobody asks for any more; return how many there were. Commits."""
    gone = sa.delete(CredentialCheck).where(CredentialCheck.at < now() - KEPT).returning(CredentialCheck.id)
    number = len(db.session.execute(gone.execution_options(synchronize_session=False)).all())
    db.session.commit()
    return number


def _keep(
    workspace_id: str,
    credential_id: str,
    source: str,
    health: str,
    reason: str | None,
    step: str | None = None,
    ms: int | None = None,
) -> None:
    row = {"id": new_id(), "workspace_id": workspace_id, "credential_id": credential_id, "source": source, "at": now()}
    db.session.execute(sa.insert(CredentialCheck).values(**row, health=health, reason=reason, step=step, ms=ms))


def _kept_lately(credential_id: str, source: str, health: str) -> bool:
    """Whether a look from there has just shown the same: whoever tests in a loop fills no table."""
    same = (
        CredentialCheck.credential_id == credential_id,
        CredentialCheck.source == source,
        CredentialCheck.health == health,
        CredentialCheck.at > now() - SAME_WITHIN,
    )
    return db.session.scalar(sa.select(sa.exists().where(*same))) is True


def _is(verdict: Verdict) -> sa.ColumnElement[bool]:
    return sa.and_(Credential.health == verdict.health, Credential.health_reason.is_not_distinct_from(verdict.reason))


def _may_replace(verdict: Verdict) -> sa.ColumnElement[bool]:
    if verdict.up_to is None:
        return sa.true()
    held = LEVELS[: LEVELS.index(verdict.up_to) + 1]
    # A trouble of no rung was found before rungs were noted; a key that could be read for this look is readable.
    return sa.or_(
        Credential.health == "unknown",
        sa.and_(Credential.health.in_(("down", "degraded")), Credential.health_rung.is_(None)),
        Credential.health_rung.in_(held),
        Credential.health_reason == "unreadable",
    )


def _p95(took: list[int]) -> int | None:
    """Return the smallest time that at least 95 % of the calls kept to (nearest rank); None without any."""
    return sorted(took)[-(-len(took) * 95 // 100) - 1] if took else None
