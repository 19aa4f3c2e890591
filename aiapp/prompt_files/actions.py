"""Carrying out what files say: everything in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiapp.errors import AppError, Conflict, InvalidInput
from aiapp.extensions import db
from aiapp.prompt_files.plans import Plan, Step, exported
from aiapp.prompt_templates import actions, drafts, library, partials, publishing_rules, releases, versioning
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.text import grammar, wording
from aiapp.webhooks import announcing
from aiapp.workspaces.access import Access


def carry_out(access: Access, plan: Plan, message: str = "", *, through: str = "page") -> int:
    """Do everything that a plan says, and return how many prompt templates it changed.

    Arguments:
        message: what changed, for the history.
        through: how the files came, for the audit: `page`, `API` or `command line`.
    Raises InvalidInput and Conflict, which name the prompt template; then nothing was changed.
    """
    access.demand("editor")
    message = wording.message(message)
    if plan.refused:
        raise InvalidInput(errors=[{"field": step.source, "message": step.problems[0]} for step in plan.refused])
    if not plan.work:
        return 0
    if plan.publish:
        publishing_rules.demand_none_needed(access)
    try:
        for step in _included_first(plan.work):
            _carry_out(access, step, message, plan.publish)
    except AppError:
        db.session.rollback()
        raise
    access.audit("prompt_template.import", plan.summary(), after={"through": through, "publish": plan.publish})
    db.session.commit()
    announcing.wake()
    return len(plan.work)


def documents_of(access: Access, slugs: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return what the files of these prompt templates say; none given: of all that are not archived. Raises NotFound."""
    if slugs:
        templates = [library.find(access, slug) for slug in dict.fromkeys(slugs)]
    else:
        query = access.select(PromptTemplate).where(PromptTemplate.active).order_by(PromptTemplate.slug)
        templates = list(db.session.scalars(query))
    return [_document(access, template) for template in templates]


def note_export(access: Access, count: int, through: str) -> None:
    """Write into the audit trail that prompt templates left as files."""
    access.audit("prompt_template.export", f"{count} prompt templates", after={"through": through})
    db.session.commit()


def _document(access: Access, template: PromptTemplate) -> dict[str, Any]:
    """Return what the file of a prompt template says: its details and what `exported` returns."""
    version = exported(access, template)
    if version is None:
        content = versioning.empty()
    else:
        content = {**versioning.content(version), "variables": partials.declared_itself(version)}
    return {
        "name": template.name,
        "slug": template.slug,
        "description": template.description,
        "tags": sorted(tag.name for tag in template.tags),
        "task": template.task,
        **content,
    }


def _carry_out(access: Access, step: Step, message: str, publish: bool) -> None:
    try:
        template = step.template
        if template is None:
            template = actions.add(access, {**(step.details or {}), **(step.content or {})})
            made: PromptVersion | None = library.version(access, template, 1)
        else:
            actions.change(access, template, step.details or {})
            made = step.publishes
            if step.content is not None:
                source = step.base or library.current(access, template)
                made = drafts.begin(access, source, message, step.content)
        if publish and made is not None:
            releases.demand_publishable(made)
            releases.freeze(access, made, message or made.message, access.user, None)
    except (InvalidInput, Conflict) as refusal:
        told = [f"{item['field']}: {item['message']}" for item in refusal.errors] or [refusal.detail or refusal.title]
        raise InvalidInput(
            "Nothing was changed.", errors=[{"field": step.source, "message": "; ".join(told)}]
        ) from refusal


def _included_first(steps: Sequence[Step]) -> list[Step]:
    """Return the steps in an order in which what is included is there, and published, before what includes it."""
    left = {step.slug: step for step in steps}
    done: list[Step] = []

    def visit(step: Step) -> None:
        if left.pop(step.slug, None) is None:
            return
        for name in _includes(step.content or (versioning.content(step.publishes) if step.publishes else {})):
            if (other := left.get(name)) is not None:
                visit(other)
        done.append(step)

    for step in steps:
        visit(step)
    return done


def _includes(content: Mapping[str, Any]) -> list[str]:
    texts = [content.get("system", ""), content.get("body", "")]
    texts += [message["content"] for message in content.get("messages", ())]
    return [name.partition("@")[0] for name in grammar.includes(*texts)]
