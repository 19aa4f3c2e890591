"""What somebody wants executed, checked and rendered into the columns of an execution."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiapp.credentials import keeping
from aiapp.credentials.models import Credential
from aiapp.errors import InvalidInput
from aiapp.executions import contexts, earlier
from aiapp.executions.models import PRIORITIES
from aiapp.prompt_templates import facts, partials
from aiapp.prompt_templates.actions import runnable_version
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.text import fetchers, fields
from aiapp.prompt_templates.text.including import Library
from aiapp.prompt_templates.text.rendering import RenderedPrompt, not_given, render_prompt
from aiapp.providers.output_formats import WITH_DATA
from aiapp.workspaces.access import Access, missing

SOURCES = ("page", "api", "preview", "cli", "python", "batch")
MAX_TEMPLATE_BYTES = 2**20
# More than any model reads; a value that a template repeats grows the prompt beyond what was sent.
MAX_PROMPT_CHARACTERS = 4_000_000
# Who sends more values that no variable takes has meant another prompt template: the first ones tell.
MOST_UNKNOWN = 10

# The names of our fields where the prompt templates' checks use others.
_OURS = {"body": "template", "output_format": "format"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What is to be executed, and by whom; None leaves a choice to the version, then to the credential that answers.

    Either a prompt template by its slug (the published version, the one with the number `version`, or the one that `label`
    points to), or the text `template` with `system`. `kept_context` says that the context is an earlier execution's: what no
    variable takes any more is left out. `fetched` are the names of the context whose values filled themselves there.
    """

    prompt_template: str | None = None
    version: int | None = None
    label: str | None = None
    template: str | None = None
    system: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    kept_context: bool = False
    fetched: Sequence[str] = ()
    format: str | None = None
    provider: str | None = None
    credential_id: str | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    priority: str = "default"
    stream: bool = True
    source: str = "page"


def columns(access: Access, submission: Submission) -> dict[str, Any]:
    """Return the columns of the execution that `submission` asks for.

    Raises InvalidInput with every mistake by field (a variable's is `context.<name>`), NotFound for an unknown prompt template,
    version or credential, Denied for a viewer who asks for anything but a published version.
    """
    return prepare(access, submission).columns(submission.context)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A checked submission that lacks its context: as many executions as there are contexts can be made of it.

    `library` is what the texts include, `settings` are columns that say of whom and how it is asked. Of a context that is `kept`
    what no variable takes is left out; where `unknown` is False nobody is told of it. `fetching` are the fetchers that the texts
    use, `values` and `problems` what became of them, `fetched` those whose values come with the context.
    """

    source: str
    prompt_template_id: str | None
    prompt_version_id: str | None
    template: str | None
    template_system: str | None
    system: str
    body: str
    variables: Sequence[Mapping[str, Any]]
    messages: Sequence[Mapping[str, str]]
    library: Library
    settings: Mapping[str, Any]
    fetching: Sequence[str]
    values: Mapping[str, str]
    problems: Mapping[str, str]
    fetched: Sequence[str] = ()
    kept: bool = False
    unknown: bool = True

    def columns(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Return the columns of the execution with this context. Raises InvalidInput."""
        given = {name: value for name, value in contexts.checked(context).items() if name not in self._dropped}
        fetched = not_given(given, self.values)
        context = {**given, **fetched}
        prompt = self._rendered(context)
        # what only a text uses that could not be included was fetched in vain
        left_out = {name for name in prompt.unknown if self.kept or name in fetched}
        filled = [name for name in context if name not in left_out]
        return {
            "source": self.source,
            "prompt_template_id": self.prompt_template_id,
            "prompt_version_id": self.prompt_version_id,
            "template": self.template,
            "template_system": self.template_system,
            "context": {name: context[name] for name in filled},
            "fetched": [name for name in filled if name in fetched or name in self.fetched],
            "system": prompt.system,
            "body": prompt.body,
            "messages": [dict(message) for message in prompt.messages],
            **self.settings,
        }

    @property
    def _dropped(self) -> set[str]:
        """What filled itself in an earlier execution, and nothing takes any more."""
        return set(self.fetched).difference(self.fetching)

    def _rendered(self, context: Mapping[str, Any]) -> RenderedPrompt:
        prompt = render_prompt(
            self.system, self.body, self.variables, context, messages=self.messages, library=self.library
        )
        errors = list(_mistakes(prompt, self.problems, self.fetching, unknown=self.unknown))
        size = len(prompt.system) + len(prompt.body) + sum(len(message["content"]) for message in prompt.messages)
        if size > MAX_PROMPT_CHARACTERS:
            errors.append(
                {"field": "context", "message": f"The prompt is longer than {MAX_PROMPT_CHARACTERS:,} characters."}
            )
        if errors:
            raise InvalidInput("The prompt cannot be filled.", errors=errors)
        return prompt


def prepare(access: Access, submission: Submission) -> Prepared:
    """Check everything of a submission but its context. Raises as columns does."""
    if (submission.prompt_template is None) == (submission.template is None):
        raise _mistake("template", "Give a prompt template, or the text of one.")
    version = None
    if submission.prompt_template is not None:
        version = runnable_version(access, submission.prompt_template, submission.version, submission.label)
        texts: dict[str, Any] = {"system": version.system, "body": version.body}
        texts |= {"variables": version.variables, "messages": version.messages, "library": partials.of(version)}
    else:
        access.demand("editor")
        texts = {"system": submission.system or "", "body": submission.template or "", "variables": [], "messages": []}
        texts["library"] = partials.library(access.workspace.id, (texts["system"], texts["body"]))
    written = (texts["system"], texts["body"], *(message["content"] for message in texts["messages"]))
    template_id = version.prompt_template_id if version is not None else None
    fetching = partials.fetched(written, texts["library"])
    fetched = fetchers.fetch(fetching, facts.of(access, earlier.outputs(access, template_id)))
    return Prepared(
        source=submission.source,
        prompt_template_id=template_id,
        prompt_version_id=version.id if version is not None else None,
        template=submission.template,
        template_system=submission.system if version is None else None,
        settings=asked(access, submission, version),
        fetching=fetching,
        values=fetched.values,
        problems=fetched.problems,
        fetched=submission.fetched,
        kept=submission.kept_context,
        # The editor's test run sends what its form held before the text was changed.
        unknown=not submission.kept_context and submission.source != "preview",
        **texts,
    )


def asked(access: Access, submission: Submission, version: PromptVersion | None) -> dict[str, Any]:
    """Return the columns that say of whom and how it is asked. Raises InvalidInput, NotFound for an unknown credential.

    A version's provider and model count where the submission names neither provider nor credential; its model also where
    these are of the same provider.
    """
    clean = _checked_settings(submission)
    credential = None
    if submission.credential_id is not None:
        if not re.fullmatch("[0-9a-f]{32}", submission.credential_id):
            raise missing(Credential)
        credential = keeping.find(access, submission.credential_id)
        _check_credential(credential, clean["provider"])
    provider, model = (None, clean["model"]) if credential else (clean["provider"], clean["model"])
    format_, schema = clean["output_format"], None
    if version is not None:
        if credential is None and provider is None:
            provider = version.provider
        if model is None and version.provider in (None, credential.provider if credential else provider):
            model = version.model
        format_ = format_ or version.output_format
        schema = version.json_schema if format_ in WITH_DATA else None
    return {
        "format": format_ or "text",
        "json_schema": schema,
        "requested_provider": provider,
        "requested_credential_id": submission.credential_id,
        "requested_model": model,
        "temperature": _first(clean["temperature"], version and version.temperature),
        "max_tokens": _first(clean["max_tokens"], version and version.max_tokens),
        "stream": submission.stream,
        "priority": submission.priority,
    }


def _checked_settings(submission: Submission) -> dict[str, Any]:
    errors = []
    if submission.priority not in PRIORITIES:
        errors.append({"field": "priority", "message": f"Choose one of: {', '.join(PRIORITIES)}."})
    if submission.source not in SOURCES:
        raise ValueError(f"unknown source {submission.source!r}")
    given = {
        "provider": submission.provider,
        "model": submission.model,
        "temperature": submission.temperature,
        "max_tokens": submission.max_tokens,
    }
    if submission.format:
        given["output_format"] = submission.format
    clean: dict[str, Any] = {"output_format": None}
    try:
        clean |= fields.content(given)
    except InvalidInput as invalid:
        errors.extend({**error, "field": _OURS.get(error["field"], error["field"])} for error in invalid.errors)
    for name, value in (("template", submission.template), ("system", submission.system)):
        try:
            fields.text(value or "", MAX_TEMPLATE_BYTES)
        except ValueError as error:
            errors.append({"field": name, "message": str(error)})
    if submission.template is not None and not submission.template.strip():
        errors.append({"field": "template", "message": "There is no text."})
    if errors:
        raise InvalidInput(errors=errors)
    return clean


def _check_credential(credential: Credential, provider: str | None) -> None:
    if not credential.active:
        raise _mistake("credential_id", f"{credential.name} is switched off.")
    if provider not in (None, credential.provider):
        raise _mistake("credential_id", f"{credential.name} is not a credential of that provider.")


def _mistakes(
    prompt: RenderedPrompt, problems: Mapping[str, str], fetching: Sequence[str], *, unknown: bool
) -> Iterator[dict[str, str]]:
    """Yield what stands in the way of sending the prompt, by field; `problems` say why something could not be fetched."""
    for one in prompt.unresolved:
        yield {**one, "field": _OURS.get(one["field"], one["field"])}
    for error in prompt.errors:
        field = error["field"] if error["field"] == "context" else f"context.{error['field']}"
        yield {"field": field, "message": error["message"]}
    for name in prompt.missing:
        yield {"field": f"context.{name}", "message": problems.get(name, "This variable needs a value.")}
    not_taken = [name for name in prompt.unknown if name not in fetching]
    for name in not_taken[:MOST_UNKNOWN] if unknown else ():
        yield {"field": f"context.{name[:100]}", "message": f"No variable is called {name[:100]}."}


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def _mistake(name: str, message: str) -> InvalidInput:
    return InvalidInput(errors=[{"field": name, "message": message}])
