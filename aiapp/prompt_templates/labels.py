"""Labels: names of a workspace that each point to one version of a prompt template; every move is kept and can be undone."""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from aiapp.errors import Conflict, InvalidInput, NotFound
from aiapp.extensions import db
from aiapp.prompt_templates import announcements, events, library, publishing_rules, versioning
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.release_models import PUBLISHED, Label, LabelledVersion, PromptEvent
from aiapp.prompt_templates.text import wording
from aiapp.webhooks import announcing
from aiapp.workspaces.access import Access

MOST = 50
LONGEST = 40
RESERVED = frozenset({PUBLISHED, "draft", "preview", "archived", "latest"})
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*")


def of_workspace(access: Access) -> list[Label]:
    """Return the labels of the workspace, by name."""
    return list(db.session.scalars(access.select(Label).order_by(Label.name)))


def find(access: Access, name: str) -> Label:
    """Return the label with this name. Raises NotFound."""
    found = None
    if _NAME.fullmatch(name):
        found = db.session.scalars(access.select(Label).where(Label.name == name)).first()
    if found is None:
        raise NotFound(f"There is no label called {name[:LONGEST]} in this workspace.")
    return found


def create(access: Access, name: str, protected: bool = False) -> Label:
    """Make a label. Raises InvalidInput, Conflict `label_taken`."""
    label = Label(workspace_id=access.workspace.id)
    clean = _checked(name)
    count = access.select(Label).with_only_columns(sa.func.count(Label.id))
    if (db.session.scalar(count) or 0) >= MOST:
        raise InvalidInput(errors=[{"field": "name", "message": f"A workspace has at most {MOST} labels."}])
    _store(label, clean, protected)
    access.audit("label.create", label.name, after={"protected": protected})
    db.session.commit()
    return label


def change(access: Access, label: Label, *, name: str | None = None, protected: bool | None = None) -> Label:
    """Rename a label, its history with it, or change whether it is protected. Raises InvalidInput, Conflict `label_taken`."""
    before = {"name": label.name, "protected": label.protected}
    after = {
        "name": before["name"] if name is None else _checked(name),
        "protected": before["protected"] if protected is None else protected,
    }
    changed = [field for field in after if before[field] != after[field]]
    if not changed:
        return label
    _store(label, str(after["name"]), bool(after["protected"]))
    if "name" in changed:
        told = sa.update(PromptEvent).where(
            PromptEvent.workspace_id == access.workspace.id, PromptEvent.label == before["name"]
        )
        db.session.execute(told.values(label=label.name).execution_options(synchronize_session=False))
    access.audit(
        "label.update",
        label.name,
        before={field: before[field] for field in changed},
        after={field: after[field] for field in changed},
    )
    db.session.commit()
    return label


def delete(access: Access, label: Label) -> None:
    """Delete a label, wherever it points; the versions stay, and so does its history. Raises NotFound."""
    for row in db.session.scalars(_rows(access).where(LabelledVersion.label_id == label.id)):
        version = row.prompt_version
        before = {"version": version.number}
        events.note(access, version.prompt_template, "label", label=label.name, before=before, message="Label deleted")
    access.delete(label)
    access.audit("label.delete", label.name, before={"protected": label.protected})
    db.session.commit()


def move(
    access: Access, template: PromptTemplate, label: Label, version: PromptVersion | None, message: str = ""
) -> PromptVersion | None:
    """Let a label of `template` point to a version that cannot change any more, or to none.

    Raises InvalidInput, Conflict `not_frozen`, Conflict `approval_needed` where somebody has to agree first.
    """
    publishing_rules.demand_none_needed(access, label)
    message = wording.message(message)
    if version is not None and version.status in versioning.OPEN:
        raise not_frozen(version)
    versioning.touch(template)  # first: this row's lock lets one mover in at a time
    point(access, template, label, version, message)
    db.session.commit()
    announcing.wake()
    return version


def undo(access: Access, template: PromptTemplate, label: Label, event_id: str) -> PromptVersion | None:
    """Let a label point to where it pointed before its last move, and return that version.

    Arguments:
        event_id: of the move; where another one came after it, nothing is undone.
    Raises NotFound, Conflict `overtaken`, Conflict `approval_needed`.
    """
    publishing_rules.demand_none_needed(access, label)
    versioning.touch(template)
    version = before(access, template, label, event_id)
    point(access, template, label, version, "Undo")
    db.session.commit()
    announcing.wake()
    return version


def before(access: Access, template: PromptTemplate, label: Label, event_id: str) -> PromptVersion | None:
    """Return what a label pointed to before its last move, which has to be `event_id`. Raises NotFound, Conflict `overtaken`."""
    newest = events.listed(access, template, 1, label=label.name)
    if not newest:
        raise NotFound(f"The label {label.name} was never moved here.")
    if newest[0].id != event_id:
        raise Conflict(
            f"The label {label.name} was moved again meanwhile. Look at its history first.", code="overtaken"
        )
    number = (newest[0].before or {}).get("version")
    return None if number is None else library.version(access, template, number)


def point(access: Access, template: PromptTemplate, label: Label, version: PromptVersion | None, message: str) -> None:
    """Move a label, uncommitted, without asking whether that is allowed; nothing happens where it points there already."""
    row = db.session.scalars(
        _rows(access)
        .where(LabelledVersion.prompt_template_id == template.id, LabelledVersion.label_id == label.id)
        .execution_options(populate_existing=True)
    ).first()
    old = row.prompt_version.number if row else None
    new = version.number if version else None
    if old == new:
        return
    if row is not None and version is not None:
        row.prompt_version_id, row.prompt_version = version.id, version
    elif row is not None:
        db.session.delete(row)
    elif version is not None:
        db.session.add(
            LabelledVersion(
                prompt_template_id=template.id,
                label_id=label.id,
                workspace_id=access.workspace.id,
                prompt_version_id=version.id,
            )
        )
    told = {"before": {"version": old}, "after": {"version": new}}
    events.note(access, template, "label", label=label.name, message=message, **told)
    access.audit(
        "prompt_template.label",
        f"{template.name}: {label.name}",
        before={"version": old},
        after={"version": new, "message": message},
    )
    announcements.label_moved(access, template, label.name, version, old)


def labelled(access: Access, template: PromptTemplate) -> dict[str, PromptVersion]:
    """Return the version that each label of `template` points to, by the label's name; `published` is not among them."""
    rows = db.session.scalars(_rows(access).where(LabelledVersion.prompt_template_id == template.id)).all()
    return {row.label.name: row.prompt_version for row in sorted(rows, key=lambda row: row.label.name)}


def by_version(access: Access, template: PromptTemplate) -> dict[str, list[str]]:
    """Return the names of the labels that point to each version of `template`, by the version's id."""
    query = (
        sa.select(LabelledVersion.prompt_version_id, Label.name)
        .join(Label, Label.id == LabelledVersion.label_id)
        .where(LabelledVersion.workspace_id == access.workspace.id, LabelledVersion.prompt_template_id == template.id)
        .order_by(Label.name)
    )
    names: dict[str, list[str]] = {}
    for version_id, name in db.session.execute(query):
        names.setdefault(version_id, []).append(name)
    return names


def of_version(version: PromptVersion) -> list[str]:
    """Return the names of the labels that point to `version`."""
    query = sa.select(Label.name).join(LabelledVersion, LabelledVersion.label_id == Label.id)
    return list(db.session.scalars(query.where(LabelledVersion.prompt_version_id == version.id).order_by(Label.name)))


def version_at(access: Access, template: PromptTemplate, name: str) -> PromptVersion:
    """Return the version that a label points to; `published` is the published one. Raises NotFound."""
    if name == PUBLISHED:
        found = library.published(access, template)
        if found is None:
            raise NotFound(f"{template.name} has no published version yet.")
        return found
    row = None
    if _NAME.fullmatch(name):
        row = db.session.scalars(
            _rows(access)
            .join(Label, Label.id == LabelledVersion.label_id)
            .where(LabelledVersion.prompt_template_id == template.id, Label.name == name)
        ).first()
    if row is None:
        raise NotFound(f"No version of the prompt template {template.slug} is labelled {name[:LONGEST]}.")
    return row.prompt_version


def not_frozen(version: PromptVersion) -> Conflict:
    """Return the refusal to label what can still change."""
    return Conflict(
        f"Version {version.number} is a {version.status} and can still change. Publish it first.", code="not_frozen"
    )


def _rows(access: Access) -> sa.Select[LabelledVersion]:
    return access.select(LabelledVersion)


def _checked(name: str) -> str:
    clean = name.strip().lower()
    message = ""
    if not _NAME.fullmatch(clean) or len(clean) > LONGEST:
        message = f"Use 1 to {LONGEST} lower-case letters, digits and single hyphens, a letter first."
    elif clean in RESERVED:
        message = f"The word {clean} has a meaning of its own. Choose another."
    if message:
        raise InvalidInput(errors=[{"field": "name", "message": message}])
    return clean


def _store(label: Label, name: str, protected: bool) -> None:
    try:
        with db.session.begin_nested():
            label.name, label.protected = name, protected
            db.session.add(label)
            db.session.flush()
    except IntegrityError as error:
        if "name" not in str(error.orig):
            raise
        message = f"There is a label called {name} already."
        raise Conflict(message, code="label_taken", errors=[{"field": "name", "message": message}]) from error
