"""What files would change in a workspace, worked out before anything is."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from aiapp.errors import AppError, InvalidInput
from aiapp.extensions import db
from aiapp.prompt_files.found import Found
from aiapp.prompt_templates import library, partials, versioning
from aiapp.prompt_templates.comparing.changes import TITLES, WORDS
from aiapp.prompt_templates.comparing.contents import compare
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.text import fields
from aiapp.workspaces.access import Access

DETAILS = ("name", "description", "tags", "task")
LOOKED_AT = 20  # open versions of a template that may say already what a file says

Action = Literal["create", "change", "unchanged", "left out", "refused"]


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one prompt template.

    `what` says it in words. `details` are those that change; `content` is what a new version would say, None where none is
    made; `publishes` an open version that says it already and is to be published. `seen` is what was there when this was worked
    out, as JSON values: what others change meanwhile shows in comparison with it.
    """

    action: Action
    source: str
    name: str = ""
    slug: str = ""
    what: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    template: PromptTemplate | None = None
    details: Mapping[str, Any] | None = None
    content: Mapping[str, Any] | None = None
    base: PromptVersion | None = None
    publishes: PromptVersion | None = None
    seen: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """All steps, in the order of the files; `publish` says whether what is made is published too."""

    steps: tuple[Step, ...]
    publish: bool

    @property
    def refused(self) -> tuple[Step, ...]:
        """What cannot be done."""
        return tuple(step for step in self.steps if step.action == "refused")

    @property
    def work(self) -> tuple[Step, ...]:
        """What would be done."""
        return tuple(step for step in self.steps if step.action in ("create", "change"))

    @property
    def digest(self) -> str:
        """A text that is another one as soon as the plan is: what would be written, and what that would be written over."""
        said = [(step.action, step.slug, step.what, step.details, step.content, step.seen) for step in self.steps]
        return hashlib.sha256(json.dumps([said, self.publish]).encode()).hexdigest()

    def summary(self) -> str:
        """Return the counts in words: `2 to create, 1 to change, 4 unchanged`."""
        counts = Counter(step.action for step in self.steps)
        words: dict[Action, str] = {"create": "to create", "change": "to change", "unchanged": "unchanged"}
        words |= {"left out": "left out", "refused": "refused"}
        return ", ".join(f"{counts[action]} {word}" for action, word in words.items() if counts[action]) or "nothing"


def exported(access: Access, template: PromptTemplate) -> PromptVersion | None:
    """Return the version that a file of `template` says: the published one, else the newest of the main line."""
    main = access.select(PromptVersion).where(
        PromptVersion.prompt_template_id == template.id, PromptVersion.branch.is_(None)
    )
    newest = main.order_by(PromptVersion.number.desc()).limit(1)
    return library.published(access, template) or db.session.scalars(newest).first()


def plan(access: Access, found: Sequence[Found], *, publish: bool = False) -> Plan:
    """Return what `found` would change. Changes nothing."""
    slugs = Counter(each.template["slug"] for each in found if each.template and isinstance(each.template["slug"], str))
    return Plan(tuple(_step(access, each, slugs, publish) for each in found), publish)


def _step(access: Access, found: Found, slugs: Mapping[str, int], publish: bool) -> Step:
    given = found.template
    if given is None:
        action: Action = "refused" if found.problems else "left out"
        return Step(action, found.source, problems=found.problems, notes=found.notes)
    name, slug = str(given["name"])[:100], str(given["slug"])[:60]
    problems = [*found.problems]
    if slugs.get(slug, 0) > 1:
        problems.append(f"Another file has the slug {slug} too.")
    try:
        details = fields.details({field: given[field] for field in (*DETAILS, "slug")})
        content = partials.with_variables(
            access, {**versioning.empty(), **fields.content({field: given[field] for field in fields.CONTENT})}, slug
        )
    except InvalidInput as refusal:
        problems += [f"{item['field']}: {item['message']}" for item in refusal.errors]
    if problems:
        return Step("refused", found.source, name, slug, problems=tuple(problems), notes=found.notes)
    template = db.session.scalars(access.select(PromptTemplate).where(PromptTemplate.slug == slug)).first()
    about = {"source": found.source, "name": details["name"], "slug": slug, "notes": found.notes}
    if template is None:
        what = ("new, published as v1",) if publish else ("new, v1 is a draft",)
        return Step("create", **about, what=what, details=details, content=content)
    return _change(access, template, details, content, publish, about)


def _change(
    access: Access,
    template: PromptTemplate,
    details: Mapping[str, Any],
    content: dict[str, Any],
    publish: bool,
    about: Mapping[str, Any],
) -> Step:
    there = _details(template)
    changed = {field: details[field] for field in DETAILS if details[field] != there[field]}
    what = [f"{', '.join(changed)} changed"] if changed else []
    base = exported(access, template)
    written, publishes, kept_back = None, None, []
    if base is None or not _same(access, base, content) or (publish and base.status != "published"):
        same = _saying(access, template, content)
        if same is None:
            written = content
            told = _told(base, content) if base else "a first version"
            what.append(f"new {'version, published' if publish else 'draft'}: {told}")
        elif publish and same.branch is not None:  # a branch is merged before anybody gets it
            kept_back = [f"v{same.number} says this already, and is on the branch {same.branch}: not published"]
        elif publish:
            publishes = same
            what.append(f"v{same.number} says this already: published")
    about = {**about, "notes": (*about["notes"], *kept_back)}
    if not what:
        return Step("left out" if kept_back else "unchanged", **about, template=template, base=base)
    return replace(
        Step("change", **about),
        what=tuple(what),
        template=template,
        details=changed,
        content=written,
        base=base,
        publishes=publishes,
        seen=(template.id, there, *((one.id, one.status, one.lock_version) for one in (base, publishes) if one)),
    )


def _details(template: PromptTemplate) -> dict[str, Any]:
    """Return the details of a template as files say them."""
    told: dict[str, Any] = {"tags": [tag.name for tag in template.tags]}
    return told | {"name": template.name, "description": template.description, "task": template.task}


def _saying(access: Access, template: PromptTemplate, content: Mapping[str, Any]) -> PromptVersion | None:
    """Return the newest open version that says `content`, one of the main line rather than of a branch."""
    newest = library.versions(access, template, LOOKED_AT)
    opened = sorted((one for one in newest if one.status in versioning.OPEN), key=lambda one: one.branch is not None)
    return next((one for one in opened if _same(access, one, content)), None)


def _same(access: Access, version: PromptVersion, content: Mapping[str, Any]) -> bool:
    try:
        there = partials.with_variables(access, versioning.content(version), version.prompt_template.slug)
    except AppError:
        return False
    return _comparable(there) == _comparable(content)


def _comparable(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a content in which the order of variables does not count."""
    return {**content, "variables": {spec["name"]: spec for spec in content["variables"]}}


def _told(base: PromptVersion, content: dict[str, Any]) -> str:
    difference = compare(versioning.content(base), content)
    words = [
        f"{TITLES[part.field]} +{part.diff.added} −{part.diff.removed}"
        for part in difference.parts
        if part.diff.changed
    ]
    words += dict.fromkeys(WORDS[item.field.partition(".")[0]] for item in difference.settings)
    variables = difference.variables
    count = len(variables.added) + len(variables.removed) + len(variables.changed)
    if count:
        words.append(f"{count} variable{'s' if count > 1 else ''}")
    return ", ".join(words) or "settings"
