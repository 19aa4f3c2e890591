"""Approvals: somebody asks that a version is published, or that a protected label points to it or leaves it; somebody else
decides.

What is approved is the text that was asked for: a version that was changed since needs a new request.
"""

from __future__ import annotations

import sqlalchemy as sa

from aiapp.columns import now
from aiapp.errors import Conflict, Denied, InvalidInput
from aiapp.extensions import db
from aiapp.prompt_templates import events, labels, publishing_rules, releases, semver, versioning
from aiapp.prompt_templates.checks import demand
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.release_models import Label, PromptApproval
from aiapp.prompt_templates.text import wording
from aiapp.webhooks import announcing
from aiapp.workspaces.access import Access

SHOWN = 200


def ask(
    access: Access,
    version: PromptVersion,
    message: str = "",
    lock_version: int | None = None,
    *,
    label: Label | None = None,
    wanted: str | None = None,
) -> PromptApproval:
    """Ask that `version` is published, or that `label` points to it.

    Arguments:
        lock_version: what the asking person last saw, where it must still be that.
        wanted: its semantic version; None takes the proposed one when it is published.
    Raises InvalidInput, Conflict `frozen`, `conflict`, `not_frozen`, and `approval_open` where the same was asked already.
    """
    message = wording.message(message)
    if label is None:
        releases.demand_publishable(version, lock_version)
        message = message or version.message
    elif version.status in versioning.OPEN:
        raise labels.not_frozen(version)
    versioning.touch(version.prompt_template)  # first: this row's lock lets one request in at a time
    if label is None and wanted:
        wanted = releases.numbered(access, version, wanted)
    approval = _open(access, version, label, message, wanted)
    db.session.commit()
    return approval


def ask_take_off(access: Access, template: PromptTemplate, label: Label, message: str = "") -> PromptApproval:
    """Ask that `label` points to no version of `template` any more.

    Raises InvalidInput, Conflict `points_nowhere`, and `approval_open` where the same was asked already.
    """
    message = wording.message(message)
    versioning.touch(template)  # first: this row's lock lets one request in at a time
    version = labels.labelled(access, template).get(label.name)
    if version is None:
        db.session.rollback()
        raise Conflict(f"The label {label.name} points to no version here.", code="points_nowhere")
    approval = _open(access, version, label, message, None, takes_off=True)
    db.session.commit()
    return approval


def ask_rollback(access: Access, source: PromptVersion, message: str = "") -> PromptApproval:
    """Ask that everybody gets the text of `source` again: a new draft of it waits for the approval. Raises InvalidInput."""
    demand(source)
    draft = releases.restore(access, source, message)
    db.session.add(draft)
    db.session.flush()
    access.audit(
        "prompt_template.draft", f"{draft.prompt_template.name} v{draft.number}", after={"parent": source.number}
    )
    approval = _open(access, draft, None, draft.message, None)
    db.session.commit()
    return approval


def approve(access: Access, approval: PromptApproval, words: str = "") -> PromptVersion:
    """Do what was asked for, exactly as it was asked, and return the version.

    Raises InvalidInput, Denied, Conflict `decided`, and Conflict `stale` where the version is not what it was.
    """
    _demand_decider(access, approval)
    version, template = approval.prompt_version, approval.prompt_template
    words = wording.message(words)
    versioning.touch(template)
    _close(access, approval, "approved", words)
    db.session.refresh(version)
    if approval.label is None:
        if is_stale(approval):
            db.session.rollback()
            raise stale(approval)
        demand(version)
        publisher = approval.requested_by or access.user
        wanted = _still_free(access, version, approval.semver)
        releases.freeze(access, version, approval.message or version.message, publisher, wanted)
    else:
        if is_stale(approval):
            db.session.rollback()
            raise stale(approval)
        labels.point(access, template, approval.label, None if approval.takes_off else version, approval.message)
    db.session.commit()
    announcing.wake()
    db.session.refresh(version)
    return version


def reject(access: Access, approval: PromptApproval, words: str) -> PromptApproval:
    """Say no, and why. Raises InvalidInput without words, Denied, Conflict `decided`."""
    _demand_decider(access, approval)
    words = wording.message(words)
    if not words:
        raise InvalidInput(errors=[{"field": "message", "message": "Say why, so that it can be made right."}])
    versioning.touch(approval.prompt_template)
    _close(access, approval, "rejected", words)
    db.session.commit()
    return approval


def withdraw(access: Access, approval: PromptApproval) -> PromptApproval:
    """Take one's own request back. Raises Denied, Conflict `decided`."""
    if approval.requested_by_id != access.user.id:
        raise Denied("Only who asked can take a request back.")
    versioning.touch(approval.prompt_template)
    _close(access, approval, "withdrawn", "")
    db.session.commit()
    return approval


def is_stale(approval: PromptApproval) -> bool:
    """Whether the version was changed, published otherwise, or left by the label, since somebody asked."""
    version = approval.prompt_version
    if approval.label is not None and approval.takes_off:
        return approval.label.name not in labels.of_version(version)
    if approval.label_id is not None:
        return version.status in versioning.OPEN
    return version.status not in versioning.OPEN or version.lock_version != approval.lock_version


def stale(approval: PromptApproval) -> Conflict:
    """Return the refusal to approve what is not there any more."""
    version = approval.prompt_version
    if approval.label is not None and approval.takes_off:
        message = f"The label {approval.label.name} does not point to v{version.number} any more."
        return Conflict(message, code="stale")
    what = "was changed" if version.status in versioning.OPEN else f"is {version.status}"
    message = f"v{version.number} {what} since this was asked for. Whoever asked has to ask again."
    return Conflict(message, code="stale")


def listed(
    access: Access, template: PromptTemplate | None = None, *, state: str | None = "open", limit: int = SHOWN
) -> list[PromptApproval]:
    """Return requests, newest first; of one template, in one state."""
    query = access.select(PromptApproval).order_by(PromptApproval.id.desc()).limit(limit)
    if template is not None:
        query = query.where(PromptApproval.prompt_template_id == template.id)
    if state is not None:
        query = query.where(PromptApproval.state == state)
    return list(db.session.scalars(query))


def waiting_for(access: Access, limit: int) -> list[PromptApproval]:
    """Return requests that this person may decide, newest first."""
    decidable = publishing_rules.decidable(access)
    if decidable is None:
        return []
    query = access.select(PromptApproval).where(PromptApproval.state == "open", decidable)
    return list(db.session.scalars(query.order_by(PromptApproval.id.desc()).limit(limit)))


def count_waiting_for(access: Access, most: int) -> int:
    """Return how many requests this person may decide; no more than `most` are counted."""
    decidable = publishing_rules.decidable(access)
    if decidable is None:
        return 0
    found = sa.select(PromptApproval.id).where(
        PromptApproval.workspace_id == access.workspace.id, PromptApproval.state == "open", decidable
    )
    return db.session.scalar(sa.select(sa.func.count()).select_from(found.limit(most).subquery())) or 0


def count_open(access: Access) -> int:
    """Return how many requests wait in this workspace."""
    query = access.select(PromptApproval).where(PromptApproval.state == "open")
    return db.session.scalar(query.with_only_columns(sa.func.count(PromptApproval.id))) or 0


def approver_of(access: Access, version: PromptVersion) -> str | None:
    """Return who approved that `version` was published; None where nobody had to."""
    query = access.select(PromptApproval).where(
        PromptApproval.prompt_version_id == version.id,
        PromptApproval.label_id.is_(None),
        PromptApproval.state == "approved",
    )
    found = db.session.scalars(query.limit(1)).first()
    if found is None:
        return None
    return found.decided_by.name if found.decided_by else "somebody"


def _open(
    access: Access,
    version: PromptVersion,
    label: Label | None,
    message: str,
    wanted: str | None,
    *,
    takes_off: bool = False,
) -> PromptApproval:
    same = access.select(PromptApproval).where(
        PromptApproval.prompt_version_id == version.id,
        PromptApproval.state == "open",
        PromptApproval.takes_off.is_(takes_off),
        PromptApproval.label_id.is_(None) if label is None else PromptApproval.label_id == label.id,
    )
    for earlier in db.session.scalars(same):
        if not is_stale(earlier):
            by = earlier.requested_by.name if earlier.requested_by else "somebody"
            raise Conflict(f"{by} has asked for this already. It waits for an answer.", code="approval_open")
        earlier.state, earlier.decided_at, earlier.decision = "withdrawn", now(), "Asked for again, as it is now"
    approval = PromptApproval(
        workspace_id=access.workspace.id,
        prompt_template_id=version.prompt_template_id,
        prompt_version_id=version.id,
        label_id=label.id if label else None,
        takes_off=takes_off,
        lock_version=version.lock_version,
        message=message,
        semver=wanted,
        state="open",
        requested_by_id=access.user.id,
    )
    approval.prompt_template, approval.prompt_version = version.prompt_template, version
    approval.label, approval.requested_by = label, access.user
    db.session.add(approval)
    _tell(access, approval, "asked", message)
    return approval


def _close(access: Access, approval: PromptApproval, state: str, words: str) -> None:
    """Decide a request if it still is open. Raises Conflict `decided`."""
    closed = db.session.scalar(
        sa.update(PromptApproval)
        .where(PromptApproval.id == approval.id, PromptApproval.state == "open")
        .values(state=state, decided_by_id=access.user.id, decided_at=now(), decision=words)
        .returning(PromptApproval.id)
        .execution_options(synchronize_session=False)
    )
    if closed is None:
        db.session.rollback()
        versioning.reread(approval)
        raise Conflict(f"This request is {approval.state} already.", code="decided")
    db.session.refresh(approval)
    _tell(access, approval, state, words)


def _tell(access: Access, approval: PromptApproval, state: str, words: str) -> None:
    template, version = approval.prompt_template, approval.prompt_version
    label = approval.label.name if approval.label else None
    after = {"state": state, "version": version.number} | ({"takes_off": True} if approval.takes_off else {})
    events.note(access, template, "approval", label=label, after=after, message=words)
    subject = f"{template.name} v{version.number}" + (f": {label}" if label else "")
    access.audit(f"approval.{state}", subject + (" (take off)" if approval.takes_off else ""), after={"message": words})


def _demand_decider(access: Access, approval: PromptApproval) -> None:
    if approval.state != "open":
        raise Conflict(f"This request is {approval.state} already.", code="decided")
    if publishing_rules.may_decide(access, approval):
        return
    if approval.requested_by_id == access.user.id and access.allows("editor"):
        raise Denied("Somebody else has to decide about your own request.")
    access.demand("editor")
    raise Denied("An admin has to decide about this.", role=None if access.allows("admin") else "admin")


def _still_free(access: Access, version: PromptVersion, wanted: str | None) -> str | None:
    """Return the semantic version that was asked for, unless another one has overtaken it meanwhile."""
    last = releases.last_semver(access, version.prompt_template)
    if wanted and last and semver.read(wanted) <= semver.read(last):
        return None
    return wanted
