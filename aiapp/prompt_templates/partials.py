"""What prompt templates may include of each other, as it stands in the database now (including.py puts it in)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from aiapp.errors import Conflict, InvalidInput
from aiapp.extensions import db
from aiapp.prompt_templates import versioning
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.release_models import LabelledVersion
from aiapp.prompt_templates.text import declaring, fetchers, fields, grammar, including, rendering
from aiapp.prompt_templates.text.including import Expansion, Library, Source
from aiapp.workspaces.access import Access

MOST = 100  # different ones that a prompt includes, those within others counted
_MAX_NUMBER = 2**31 - 1  # what the column of a version's number holds
_NAMED = 5


def library(workspace_id: str, texts: Iterable[str], root: str = "") -> Library:
    """Return what `texts` include and what that includes, from this workspace alone.

    An include without a version is the published one. A pinned one was published once: what may change is not included.

    Arguments:
        root: the slug of the prompt template that the texts are of, "" for none; it cannot include itself.
    """
    sources: dict[str, Source | str] = {}
    wanted = list(grammar.includes(*texts))
    for _ in range(including.MAX_DEPTH + 1):
        names = wanted[: max(0, MOST - len(sources))]
        sources |= dict.fromkeys(wanted[len(names) :], f"At most {MOST} different prompt templates can be included.")
        if not names:
            break
        found = _fetch(workspace_id, names)
        sources |= found
        within = grammar.includes(*(one.text for one in found.values() if isinstance(one, Source)))
        wanted = [name for name in within if name not in sources]
    return Library(sources, root)


def of(
    version: PromptVersion,
    system: str | None = None,
    body: str | None = None,
    messages: Iterable[Mapping[str, str]] | None = None,
) -> Library:
    """Return what a version may include; what else is given is being written in place of its own."""
    texts = texts_of(version, system, body, messages)
    return library(version.workspace_id, texts, version.prompt_template.slug)


def fetched(texts: Iterable[str], included: Library) -> tuple[str, ...]:
    """Return the fetchers that `texts` and what they may include use."""
    sources = (one.text for one in included.sources.values() if isinstance(one, Source))
    return fetchers.used((*texts, *sources))


def expanded(version: PromptVersion) -> Expansion:
    """Return the parts of a version with what they include: system, body, then the example turns."""
    return including.expand(texts_of(version), of(version))


def own(version: PromptVersion, given: Iterable[Mapping[str, Any]], expansion: Expansion) -> list[dict[str, Any]]:
    """Return declarations as a form gives them, without what only repeats what is included (see declaring.own).

    What the version's own text uses, and what it has declared itself, it keeps. Raises InvalidInput.
    """
    declared = {spec["name"] for spec in version.variables if including.says_something(spec)}
    used = declaring.used(versioning.content(version))
    return declaring.own(given, expansion.inherited, declared.union(used))


def variables(version: PromptVersion) -> list[dict[str, Any]]:
    """Return what a version's variables take, those of what it includes among them."""
    return expanded(version).specs(version.variables)


def described(version: PromptVersion, known: dict[tuple[str, ...], Library] | None = None) -> list[dict[str, Any]]:
    """Return what counts of each variable that a version declares or is asked for: its own word, else what it includes says.

    Arguments:
        known: libraries by what is included, kept for the next version of the same prompt template.
    """
    texts = texts_of(version)
    names = grammar.includes(*texts)
    if not names:
        return [dict(spec) for spec in version.variables]
    known = {} if known is None else known
    if names not in known:
        known[names] = of(version)
    expansion = including.expand(texts, known[names])
    declared = {spec["name"]: spec for spec in version.variables}
    wanted = dict.fromkeys([*declared, *(name for name in expansion.names if not fetchers.is_one(name))])
    return [including.inheriting(declared.get(name), expansion.inherited.get(name), name) for name in wanted]


def declared_itself(version: PromptVersion) -> list[dict[str, Any]]:
    """Return a version's declarations without those that only say that something included has a variable."""
    texts = texts_of(version)
    if not grammar.includes(*texts):
        return list(version.variables)
    others = set(expanded(version).names).difference(rendering.variables(*texts))
    return [
        spec
        for spec in version.variables
        if spec["name"] not in others or including.says_something(spec) or spec.get("sample") is not None
    ]


def written(version: PromptVersion, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return content to be stored, of a program that may give back declarations as `described` told them (see own).

    Raises InvalidInput.
    """
    clean = fields.content(given)
    if "variables" in clean:
        texts = texts_of(version, clean.get("system"), clean.get("body"), clean.get("messages"))
        there = library(version.workspace_id, texts, version.prompt_template.slug)
        clean["variables"] = own(version, clean["variables"], including.expand(texts, there))
    return clean


def problems(version: PromptVersion) -> list[dict[str, str]]:
    """Return what stands in the way of a version's includes, as `{field, message}`; nothing where all is well."""
    expansion = expanded(version)
    found = [{"field": rendering.part_name(one.part), "message": one.message} for one in expansion.problems]
    count = len(expansion.names)
    if count > declaring.MAX_VARIABLES:
        message = f"With what it includes, this uses {count:,} variables; use at most {declaring.MAX_VARIABLES}."
        found.append({"field": "body", "message": message})
    return found


def with_variables(access: Access, text: dict[str, Any], slug: str = "", *, tidy: bool = True) -> dict[str, Any]:
    """Return `text` as versioning.with_variables does, and with a declaration for each variable of what it includes.

    That declaration says nothing as long as nobody writes one: the included prompt template's own counts (including.inheriting).

    Arguments:
        slug: of the prompt template that the text is of.
    Raises InvalidInput.
    """
    texts = [text["system"], text["body"], *(message["content"] for message in text["messages"])]
    if not grammar.includes(*texts):
        return versioning.with_variables(text, tidy=tidy)
    expansion = including.expand(texts, library(access.workspace.id, texts, slug))
    asked_for = (name for name in expansion.names if not fetchers.is_one(name))
    names = list(dict.fromkeys([*declaring.used(text), *asked_for]))[: declaring.MAX_VARIABLES]
    kept = [] if tidy and not expansion.problems else [spec for spec in text["variables"] if spec["name"] not in names]
    kept = kept[: declaring.MAX_VARIABLES]
    return {**text, "variables": [*declaring.declared(names, text["variables"]), *kept]}


def included_by(access: Access, template: PromptTemplate) -> list[tuple[PromptTemplate, int]]:
    """Return the versions that include `template`, by name, newest version first; archived ones only where a label keeps them."""
    found = versions_including(access, {template.slug})
    return [(one.prompt_template, one.number) for one in found if one.prompt_template_id != template.id]


def versions_including(access: Access, slugs: Collection[str]) -> list[PromptVersion]:
    """Return the versions that include one of `slugs`, those and in the order of included_by."""
    # Of many slugs the needle is none: a condition for each would be read anew for each row.
    needle = f"{{{{>%{next(iter(slugs))}" if len(slugs) == 1 else "{{>"
    parts = (PromptVersion.system, PromptVersion.body, sa.cast(PromptVersion.messages, sa.Text))
    labelled = sa.select(LabelledVersion.prompt_version_id).where(LabelledVersion.workspace_id == access.workspace.id)
    query = (
        access.select(PromptVersion)
        .where(sa.or_(*(part.like(f"%{needle}%") for part in parts)))
        .where(sa.or_(PromptVersion.status != "archived", PromptVersion.id.in_(labelled)))
    )
    users = [
        version
        for version in db.session.scalars(query)
        if not {_slug(name) for name in grammar.includes(*texts_of(version))}.isdisjoint(slugs)
    ]
    return sorted(users, key=lambda user: (user.prompt_template.name.lower(), user.prompt_template_id, -user.number))


def demand_unincluded(access: Access, template: PromptTemplate, advice: str = "Change these first.") -> None:
    """Raise Conflict `included`, naming who includes `template`: its slug cannot change, and it is not deleted unawares."""
    users = included_by(access, template)
    if users:
        message = f"This slug is written in what includes it: {named(users)}. {advice}"
        raise Conflict(message, code="included", errors=[{"field": "slug", "message": message}])


def named(users: Sequence[tuple[PromptTemplate, int]]) -> str:
    """Return the names of versions for a sentence, the first few of many."""
    names = [f"{user.name} v{number}" for user, number in users[:_NAMED]]
    return ", ".join(names) + (f" and {len(users) - _NAMED} more" if len(users) > _NAMED else "")


def demand(unresolved: Sequence[Mapping[str, str]]) -> None:
    """Raise InvalidInput with every include that cannot be."""
    if unresolved:
        raise InvalidInput("Something that is included cannot be.", errors=[dict(one) for one in unresolved])


def texts_of(
    version: PromptVersion,
    system: str | None = None,
    body: str | None = None,
    messages: Iterable[Mapping[str, str]] | None = None,
) -> list[str]:
    """Return the parts of a version (see expanded); what else is given is being written in place of its own."""
    system = version.system if system is None else system
    body = version.body if body is None else body
    messages = version.messages if messages is None else messages
    return [system, body, *(message["content"] for message in messages)]


def _fetch(workspace_id: str, names: Sequence[str]) -> dict[str, Source | str]:
    slugs = {_slug(name) for name in names}
    templates = {
        slug: (template_id, active)
        for template_id, slug, active in db.session.execute(
            sa.select(PromptTemplate.id, PromptTemplate.slug, PromptTemplate.active).where(
                PromptTemplate.workspace_id == workspace_id, PromptTemplate.slug.in_(slugs)
            )
        )
    }
    numbers = {int(name.partition("@")[2]) for name in names if "@" in name}
    version = PromptVersion
    rows = db.session.execute(
        sa.select(version.prompt_template_id, version.number, version.status, version.body, version.variables).where(
            version.workspace_id == workspace_id,
            version.prompt_template_id.in_([template_id for template_id, _ in templates.values()]),
            sa.or_(version.status == "published", version.number.in_({one for one in numbers if one <= _MAX_NUMBER})),
        )
    ).all()
    found: dict[tuple[str, int | None], tuple[str, Source]] = {}
    for template_id, number, status, body, specs in rows:
        found[template_id, number] = status, Source(body, specs)
        if status == "published":
            found[template_id, None] = status, Source(body, specs)
    return {name: _source(name, templates, found) for name in names}


def _source(
    name: str,
    templates: Mapping[str, tuple[str, bool]],
    found: Mapping[tuple[str, int | None], tuple[str, Source]],
) -> Source | str:
    slug, _, pinned = name.partition("@")
    if slug not in templates:
        return including.unknown(name)
    template_id, active = templates[slug]
    if not active:
        return f"{slug} is archived: it cannot be included until an editor switches it on again."
    status, source = found.get((template_id, int(pinned) if pinned else None), ("", None))
    if source is None and not pinned:
        return f"{slug} has no published version yet."
    if source is None:
        return f"The prompt template {slug} has no version {int(pinned)}."
    if status not in ("published", "archived"):
        return f"Version {int(pinned)} of {slug} is a {status}: publish it first, it may still change."
    return source


def _slug(name: str) -> str:
    return name.partition("@")[0]
