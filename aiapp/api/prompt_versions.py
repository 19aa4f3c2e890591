"""The API's versions of prompt templates: their texts, what they render to and how they differ."""

from __future__ import annotations

from typing import Literal, cast

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field

from aiapp.api.asking import asking, needs
from aiapp.api.conditional import conditional
from aiapp.api.idempotency import once
from aiapp.api.locating import creates
from aiapp.api.paging import Listed, PageQuery, newest_first
from aiapp.api.prompt_bodies import DraftBody, PromptVersionBody, PublishBody, RenderBody, RollbackBody, given
from aiapp.api.prompt_shapes import (
    Diff,
    Libraries,
    PromptVersion,
    RenderedPrompt,
    Turn,
    Variable,
    show_content,
    show_version,
)
from aiapp.api.release_shapes import Approval, show_approval
from aiapp.api.shapes import Slug, SlugPath
from aiapp.executions import earlier
from aiapp.prompt_templates import actions, approvals, facts, labels, library, partials, publishing_rules
from aiapp.prompt_templates import models as rows
from aiapp.prompt_templates.comparing.contents import compare
from aiapp.prompt_templates.text import fetchers
from aiapp.prompt_templates.text.rendering import estimate_tokens, not_given, render_prompt
from aiapp.usage import pricing
from aiapp.wire_values import dollars

prompt_versions = APIBlueprint(
    "prompt_versions", __name__, abp_tags=[Tag(name="Versions")], abp_security=[{"token": []}]
)


class VersionPath(BaseModel):
    """A version of a prompt template."""

    slug: Slug
    number: int


class DiffQuery(BaseModel):
    """Two versions."""

    model_config = ConfigDict(populate_by_name=True)

    from_: int = Field(alias="from")
    to: int


@prompt_versions.get("/prompt-templates/<slug>/versions", summary="Versions, newest first")
@needs("viewer", "read")
def versions(path: SlugPath, query: PageQuery) -> Listed[PromptVersion]:
    """The whole history."""
    access = asking()
    template = library.find(access, path.slug)
    history = access.select(rows.PromptVersion).where(rows.PromptVersion.prompt_template_id == template.id)
    names, libraries = labels.by_version(access, template), Libraries()
    return newest_first(history, rows.PromptVersion, query, lambda row: show_version(row, names, libraries))


@prompt_versions.post("/prompt-templates/<slug>/versions", summary="Start a draft")
@creates("prompt_versions.version", number="number")
@once()
@needs("editor", "write")
def new_version(path: SlugPath, body: PromptVersionBody) -> tuple[PromptVersion, Literal[201]]:
    """Its number is given now and stays. A draft of a branch's version is on that branch; `branch` begins a new one."""
    access = asking()
    template = library.find(access, path.slug)
    texts = given(body)
    parent, message, branch = texts.pop("parent", None), texts.pop("message", ""), texts.pop("branch", None)
    source = library.version(access, template, parent) if parent is not None else None
    source = source or library.published(access, template) or library.current(access, template)
    draft = actions.new_draft(access, source, message, partials.written(source, texts), branch=branch)
    return show_version(draft), 201


@prompt_versions.get("/prompt-templates/<slug>/versions/<int:number>", summary="One version")
@conditional
@needs("viewer", "read")
def version(path: VersionPath) -> PromptVersion:
    """Its text, settings and history."""
    return show_version(_version(path))


@prompt_versions.patch("/prompt-templates/<slug>/versions/<int:number>", summary="Change a draft")
@needs("editor", "write")
def save(path: VersionPath, body: DraftBody) -> PromptVersion:
    """A preview becomes a draft again; a published one never changes (409 `frozen`). What is replaced is kept as a revision."""
    texts = given(body)
    lock_version = texts.pop("lock_version")
    found = _version(path)
    return show_version(actions.save_draft(asking(), found, partials.written(found, texts), lock_version))


@prompt_versions.post("/prompt-templates/<slug>/versions/<int:number>/preview", summary="Mark as ready to be looked at")
@needs("editor", "write")
def preview(path: VersionPath) -> PromptVersion:
    """Draft to preview."""
    return show_version(actions.preview(asking(), _version(path)))


@prompt_versions.post("/prompt-templates/<slug>/versions/<int:number>/publish", summary="Publish a version")
@once()
@needs("editor", "write")
def publish(path: VersionPath, body: PublishBody) -> PromptVersion | tuple[Approval, Literal[202]]:
    """Freezes it and gives it to everybody; the one published before is archived. 202 where somebody else has to agree."""
    access, found = asking(), _version(path)
    if publishing_rules.approval_needed(access):
        return show_approval(approvals.ask(access, found, body.message, wanted=body.semver)), 202
    return show_version(actions.publish(access, found, body.message, semver=body.semver))


@prompt_versions.post("/prompt-templates/<slug>/rollback", summary="Publish an old text again")
@creates("prompt_versions.version", number="number")
@once()
@needs("editor", "write")
def rollback(path: SlugPath, body: RollbackBody) -> tuple[PromptVersion, Literal[201]] | tuple[Approval, Literal[202]]:
    """As a new version, published; where somebody else has to agree first, 202: it is a draft until then."""
    access = asking()
    source = library.version(access, library.find(access, path.slug), body.version)
    if publishing_rules.approval_needed(access):
        return show_approval(approvals.ask_rollback(access, source, body.message)), 202
    return show_version(actions.rollback(access, source, body.message)), 201


@prompt_versions.get("/prompt-templates/<slug>/diff", summary="What changed between two versions")
@needs("viewer", "read")
def diff(path: SlugPath, query: DiffQuery) -> Diff:
    """Texts by line and word, settings, variables."""
    access = asking()
    template = library.find(access, path.slug)
    old, new = (library.version(access, template, number) for number in (query.from_, query.to))
    return cast("Diff", compare(show_content(old), show_content(new)).as_json())


@prompt_versions.post("/prompt-templates/<slug>/render", summary="Render without running")
@needs("viewer", "read")
def render(path: SlugPath, body: RenderBody) -> RenderedPrompt:
    """Calls no provider. `tokens` is an estimate."""
    access = asking()
    template = library.find(access, path.slug)
    if body.version is not None:
        found = library.version(access, template, body.version)
    else:
        found = library.published(access, template) or library.current(access, template)
    library_now = partials.of(found)
    known = facts.of(access, earlier.outputs(access, template.id))
    fetched = fetchers.fetch(partials.fetched(partials.texts_of(found), library_now), known)
    context = {**body.context, **not_given(body.context, fetched.values)}
    prompt = render_prompt(
        found.system, found.body, found.variables, context, messages=found.messages, library=library_now
    )
    partials.demand(prompt.unresolved)
    texts = (prompt.system, prompt.body, *(message["content"] for message in prompt.messages))
    count = sum(map(estimate_tokens, texts))
    priced = pricing.estimate(found.provider, found.model, count) if found.provider and found.model else None
    return {
        "version": found.number,
        "system": prompt.system,
        "messages": [cast("Turn", dict(message)) for message in prompt.messages],
        "body": prompt.body,
        "variables": cast("list[Variable]", partials.variables(found)),
        "missing": list(prompt.missing),
        "unknown": [name for name in prompt.unknown if name in body.context],
        "errors": list(prompt.errors),
        "tokens": count,
        "estimated_cost": dollars(priced),
    }


def _version(path: VersionPath) -> rows.PromptVersion:
    access = asking()
    return library.version(access, library.find(access, path.slug), path.number)
