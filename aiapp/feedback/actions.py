"""What people think of an execution's output; each verb commits once, at its end."""

from __future__ import annotations

import sqlalchemy as sa

from aiapp import sealing
from aiapp.errors import Conflict, InvalidInput
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.feedback import models
from aiapp.feedback.models import RATINGS, Feedback
from aiapp.observability.logs import log
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.workspaces.access import Access

COMMENT, REASONS = 2000, 10
ROWS = 50


def mine(access: Access, execution: Execution) -> Feedback | None:
    """Return the asking person's own feedback on `execution`."""
    query = access.select(Feedback).where(Feedback.execution_id == execution.id, Feedback.user_id == access.user.id)
    return db.session.scalar(query)


def readable(feedback: Feedback) -> bool:
    """Whether comment and reasons can be read: the master keys may not open them."""
    return sealing.readable(feedback) and sealing.UNREADABLE not in feedback.reasons


def plain(comment: str) -> str:
    """Return a comment as it is kept: with plain line ends and nothing around it."""
    return comment.replace("\x00", "").replace("\r\n", "\n").strip()


def rate(
    access: Access, execution: Execution, rating: str, comment: str | None = None, reasons: list[str] | None = None
) -> Feedback:
    """Keep a thumb, changing the one before; None leaves comment or reasons as they were.

    So do the words that stand for what cannot be read: whoever was shown them may send them back.

    Raises InvalidInput, Conflict `unfinished`.
    """
    kept = None if comment is None or comment == sealing.UNREADABLE else plain(comment)
    if reasons is not None and sealing.UNREADABLE in reasons:
        reasons = None
    errors = _mistakes(access, execution, rating, kept, reasons)
    if errors:
        raise InvalidInput(errors=errors)
    if not execution.finished:
        raise Conflict("Feedback opens when the execution has ended.", code="unfinished")
    feedback = mine(access, execution)
    before = feedback.rating if feedback else None
    if feedback is None:
        feedback = Feedback(workspace_id=access.workspace.id, execution_id=execution.id, user_id=access.user.id)
        db.session.add(feedback)
    feedback.rating = rating
    if kept is not None:
        feedback.comment = kept
    if reasons is not None:
        feedback.reasons = reasons
    try:
        db.session.commit()
    except sa.exc.IntegrityError:  # the same person's second click was faster: theirs is the row now
        db.session.rollback()
        return rate(access, execution, rating, comment, reasons)
    _log("feedback.changed" if before else "feedback.given", feedback, execution, before=before)
    return feedback


def withdraw(access: Access, execution: Execution) -> None:
    """Take one's own feedback back; nothing happens where there is none."""
    feedback = mine(access, execution)
    if feedback is None:
        return
    db.session.delete(feedback)
    try:
        db.session.commit()
    except sa.orm.exc.StaleDataError:  # withdrawn in another window at the same moment
        db.session.rollback()
        return
    _log("feedback.withdrawn", feedback, execution)


def newest_of(access: Access, template: PromptTemplate) -> list[tuple[Feedback, int | None]]:
    """Return the newest feedback on a prompt template, each with the number of the version that ran."""
    rows = db.session.execute(
        access.select(Feedback)
        .add_columns(PromptVersion.number)
        .join(Execution, Execution.id == Feedback.execution_id)
        .outerjoin(PromptVersion, PromptVersion.id == Execution.prompt_version_id)
        .where(Execution.prompt_template_id == template.id)
        .order_by(Feedback.updated_at.desc())
        .limit(ROWS)
    )
    return [(feedback, number) for feedback, number in rows.unique()]


def _log(event: str, feedback: Feedback, execution: Execution, **more: str | None) -> None:
    """Write a line for those who count votes elsewhere: ids and the rating, never what somebody wrote."""
    log(__name__).info(
        event,
        workspace_id=feedback.workspace_id,
        feedback_id=feedback.id,
        execution_id=execution.id,
        prompt_template_id=execution.prompt_template_id,
        prompt_version_id=execution.prompt_version_id,
        user_id=feedback.user_id,
        rating=feedback.rating,
        **more,
    )


def _mistakes(
    access: Access, execution: Execution, rating: str, kept: str | None, reasons: list[str] | None
) -> list[dict[str, str]]:
    errors = []
    if rating not in RATINGS:
        errors.append({"field": "rating", "message": "Use up or down."})
    if kept is not None and len(kept) > COMMENT:
        message = f"This is too long: {len(kept):,} characters. Use at most {COMMENT:,}."
        errors.append({"field": "comment", "message": message})
    if kept and not access.workspace.keeps_texts:
        errors.append(
            {"field": "comment", "message": "This workspace keeps no texts: a thumb counts, a comment cannot."}
        )
    elif kept and execution.texts_erased_at is not None:
        errors.append({"field": "comment", "message": "The texts of this execution were erased: a thumb counts still."})
    if reasons is not None and (len(reasons) > REASONS or any(not 1 <= len(reason) <= 100 for reason in reasons)):
        errors.append({"field": "reasons", "message": f"Use at most {REASONS} reasons of at most 100 characters."})
    listed = {reason for some in models.REASONS.values() for reason in some}
    if reasons and access.workspace.encrypts_texts and not listed.issuperset(reasons):
        # reasons are counted by the database, which cannot count what is encrypted
        errors.append({"field": "reasons", "message": f"This workspace takes only: {', '.join(sorted(listed))}."})
    return errors
