"""Merging a branch into the main line: what would come of it, and the draft that is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from aiapp.errors import Conflict, InvalidInput
from aiapp.extensions import db, reading
from aiapp.prompt_templates import ancestry, branches, drafts, partials, versioning
from aiapp.prompt_templates.comparing import merging
from aiapp.prompt_templates.comparing.diffing import Room
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.text import fields, wording
from aiapp.workspaces.access import Access

TAKES = ("ours", "theirs", "both", "edit")
Take = Literal["ours", "theirs", "both", "edit"]


class Decision(NamedTuple):
    """What is to stand in place of a conflict; `text` is what was written by hand, where it is edited."""

    take: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A merge that is not made yet: `theirs`, the newest version of a branch, into `ours`.

    `seen` is, by id, the lock version and the status of both when it was planned.
    """

    ours: PromptVersion
    theirs: PromptVersion
    merged: merging.Merged
    nothing_new: bool
    seen: Mapping[str, tuple[int, str]]

    @property
    def conflicts(self) -> tuple[merging.Conflict, ...]:
        """What people have to decide."""
        return self.merged.conflicts


def plan(
    access: Access, template: PromptTemplate, branch: str, into: int | None = None, room: Room | None = None
) -> Plan:
    """Return what a merge would make. Commits: nobody waits for the writer's lock while texts are compared.

    Arguments:
        into: the number of the version of the main line to merge into; None takes the usual one (see branches.targets).
        room: what comparing the texts may take.
    Raises NotFound, InvalidInput for a version that no branch can be merged into.
    """
    db.session.commit()
    with reading():
        found = _planned(access, template, branch, into, room)
        db.session.commit()
    return found


def _planned(access: Access, template: PromptTemplate, branch: str, into: int | None, room: Room | None) -> Plan:
    theirs = branches.newest(access, template, branch)
    choices = branches.targets(access, template)
    ours = next((one for one in choices if into is None or one.number == into), None)
    if ours is None:
        message = "A branch is merged into the published version or an open draft of the main line."
        raise InvalidInput(errors=[{"field": "into", "message": message}])
    base, their = ancestry.base_of(ours, theirs), versioning.content(theirs)
    seen = {one.id: (one.lock_version, one.status) for one in (ours, theirs)}
    merged = merging.merge(base, versioning.content(ours), their, room)
    return Plan(ours, theirs, merged, _alike(base, their), seen)


def make(
    access: Access, wanted: Plan, decisions: Mapping[str, Decision] | None = None, message: str = ""
) -> PromptVersion:
    """Make a draft on the main line of both; where the same merge has made one that nobody has changed, that is it.

    Arguments:
        decisions: by the key of a conflict.
        message: for the history; empty says what was merged.
    Raises InvalidInput, Conflict `merge_conflicts` while not everything is decided, with the conflicts in `extra`, Conflict
    `nothing_to_merge`, Conflict `merge_overtaken` where somebody has changed one of both since it was planned.
    """
    message = wording.message(message) or f"Merge {wanted.theirs.branch}"
    if wanted.nothing_new:
        raise Conflict(f"The main line has all of {wanted.theirs.branch} already.", code="nothing_to_merge")
    template = wanted.ours.prompt_template
    db.session.commit()
    with reading():
        text = content(access, wanted, decisions or {})
        db.session.commit()
    number = versioning.next_number(
        template
    )  # first: this row's lock, which who saves takes first too, lets one merge in
    _demand_unchanged(access, wanted)
    made = _made(access, wanted, text)
    if made is not None:
        db.session.rollback()
        db.session.refresh(made)
        return made
    draft = versioning.make(access, template, number, text, wanted.ours, message)
    draft.merged_id, draft.created_at = wanted.theirs.id, drafts.began(wanted.ours)
    if wanted.theirs.status in versioning.OPEN:
        drafts.began(wanted.theirs)
    db.session.add(draft)
    access.audit(
        "prompt_template.merge",
        f"{template.name} v{number}",
        after={"branch": wanted.theirs.branch, "merged": wanted.theirs.number, "parent": wanted.ours.number},
    )
    db.session.commit()
    db.session.refresh(draft)
    return draft


def _demand_unchanged(access: Access, wanted: Plan) -> None:
    """Raise Conflict unless both versions, and the branch, are what they were when the merge was planned."""
    rows = db.session.execute(
        sa.select(PromptVersion.id, PromptVersion.lock_version, PromptVersion.status).where(
            PromptVersion.workspace_id == access.workspace.id, PromptVersion.id.in_(wanted.seen)
        )
    ).all()
    newer = sa.select(PromptVersion.id).where(
        PromptVersion.workspace_id == access.workspace.id,
        PromptVersion.prompt_template_id == wanted.theirs.prompt_template_id,
        PromptVersion.branch == wanted.theirs.branch,
        PromptVersion.number > wanted.theirs.number,
    )
    if {row.id: (row.lock_version, row.status) for row in rows} != wanted.seen or db.session.scalar(newer.limit(1)):
        db.session.rollback()
        raise Conflict("Somebody has changed what is merged. Look at it again.", code="merge_overtaken")


def _made(access: Access, wanted: Plan, text: Mapping[str, Any]) -> PromptVersion | None:
    """Return the draft that the same merge of what both say now has made already, if nobody has written in it since."""
    query = access.select(PromptVersion).where(
        PromptVersion.prompt_template_id == wanted.ours.prompt_template_id,
        PromptVersion.parent_id == wanted.ours.id,
        PromptVersion.merged_id == wanted.theirs.id,
        PromptVersion.status == "draft",
        PromptVersion.lock_version == 1,
        PromptVersion.created_at >= max(wanted.ours.updated_at, wanted.theirs.updated_at),
    )
    found = db.session.scalars(query.order_by(PromptVersion.number.desc()))
    return next((one for one in found if versioning.content(one) == text), None)


def content(access: Access, wanted: Plan, decisions: Mapping[str, Decision]) -> dict[str, Any]:
    """Return what the merged draft says. Raises InvalidInput, Conflict `merge_conflicts`."""
    decided = {one.key: decide(one, decisions[one.key]) for one in wanted.conflicts if one.key in decisions}
    left = [one for one in wanted.conflicts if one.key not in decided]
    if left:
        count = "one place" if len(left) == 1 else f"{len(left)} places"
        raise Conflict(
            f"Both have changed {count}. Say what is to stand there.",
            code="merge_conflicts",
            extra={"conflicts": [as_json(one) for one in left]},
        )
    found = wanted.merged.content(decided)
    known = {spec["name"] for spec in found["variables"]}
    # One side's text may use a variable that the other side's does not any more: what was declared of it stays.
    for side in (wanted.ours, wanted.theirs):
        found["variables"] += [spec for spec in side.variables if spec["name"] not in known]
        known |= {spec["name"] for spec in side.variables}
    slug = wanted.ours.prompt_template.slug
    return partials.with_variables(access, fields.content(partials.with_variables(access, found, slug)), slug)


def decide(conflict: merging.Conflict, decision: Decision) -> Any:
    """Return what stands in place of a conflict. Raises InvalidInput."""
    if decision.take not in takes(conflict):
        message = "Choose one of: " + ", ".join(takes(conflict)) + "."
        raise InvalidInput(errors=[{"field": f"resolutions.{conflict.key}", "message": message}])
    if decision.take == "edit":
        return decision.text.replace("\r\n", "\n")
    if decision.take == "both" and conflict.kind == "text":
        gap = "" if not conflict.ours or conflict.ours.endswith("\n") else "\n"
        return conflict.ours + gap + conflict.theirs
    if decision.take == "both":
        return [*conflict.ours, *conflict.theirs]
    return conflict.ours if decision.take == "ours" else conflict.theirs


def takes(conflict: merging.Conflict) -> tuple[str, ...]:
    """Return how a conflict can be decided: a value is one side's, lists can be joined, texts also written anew."""
    return {"text": TAKES, "messages": TAKES[:3], "value": TAKES[:2]}[conflict.kind]


def as_json(conflict: merging.Conflict) -> dict[str, Any]:
    """Return a conflict as the API shows it."""
    sides = {name: getattr(conflict, name) for name in ("base", "ours", "theirs")}
    return {
        "key": conflict.key,
        "field": conflict.field,
        "takes": list(takes(conflict)),
        **{name: None if value is merging.ABSENT else value for name, value in sides.items()},
    }


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return all(one[field] == other[field] for field in fields.CONTENT if field != "variables") and {
        spec["name"]: {**spec, "sample": None} for spec in one["variables"]
    } == {spec["name"]: {**spec, "sample": None} for spec in other["variables"]}
