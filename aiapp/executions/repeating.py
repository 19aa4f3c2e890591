"""What a repetition of an execution asks: the same once more, or the same with changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiapp import sealing
from aiapp.credentials import keeping
from aiapp.errors import Conflict, InvalidInput
from aiapp.executions.models import Execution
from aiapp.executions.submission import Submission, asked, columns
from aiapp.prompt_templates.models import PromptVersion
from aiapp.workspaces.access import Access

# What a repetition takes over as it was.
_PROMPT = (
    "prompt_template_id",
    "prompt_version_id",
    "template",
    "template_system",
    "context",
    "fetched",
    "system",
    "body",
    "messages",
)
_ASKED = (
    "format",
    "json_schema",
    "requested_provider",
    "requested_credential_id",
    "requested_model",
    "temperature",
    "max_tokens",
    "stream",
    "priority",
)
CHANGEABLE = ("context", "provider", "credential_id", "model", "version", "temperature")
# Of these None is a change too: whoever repeats it lets go of the choice.
CHOICES = ("provider", "credential_id", "model", "temperature")
MORE = "more"


def same(access: Access, execution: Execution) -> dict[str, Any]:
    """Return the columns of the same once more: the same texts, even where the prompt template has changed since. Raises Denied.

    A credential that it asked and that is not there for whoever repeats it is let go of (`unpinned`).
    """
    _demand_repeatable(access, execution)
    values = {name: getattr(execution, name) for name in (*_PROMPT, *_ASKED)}
    if rerun_unpins(access, execution):
        values |= {"requested_credential_id": None, "unpinned": True}
    values["source"] = _source(access, execution)
    return values


def changed(access: Access, execution: Execution, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of an execution asked again with changes: any of CHANGEABLE; what is not given stays as it was.

    Another context or version fills the prompt anew; what filled itself then stays as it was (see Submission). Another provider
    lets go of a pinned credential and of the model, another credential of provider and model. One of CHOICES that is None is
    left to the version, then to the credential that answers.

    Arguments:
        changes: `more` (MORE) are values beside those of its context, for variables that another version has.

    Raises InvalidInput, NotFound, Denied; Conflict `gone` where the prompt template that had to be filled anew was deleted.
    """
    unknown = sorted(set(changes) - {*CHANGEABLE, MORE})
    if unknown:
        raise InvalidInput(errors=[{"field": name, "message": "This cannot be changed."} for name in unknown])
    _demand_repeatable(access, execution)
    submission = _resubmission(access, execution, changes)
    chosen = any(changes.get(name) is not None for name in ("provider", "credential_id"))
    told = {"source": _source(access, execution), "unpinned": not chosen and unpins(access, execution)}
    if all(changes.get(name) is None for name in ("context", "version", MORE)):
        taken_over = {name: getattr(execution, name) for name in _PROMPT}
        version = execution.prompt_version if submission.prompt_template is not None else None
        return {**taken_over, **asked(access, submission, version), **told}
    if submission.prompt_template is None and execution.template is None:
        raise Conflict("The prompt template of this execution was deleted.", code="gone")
    return {**columns(access, submission), **told}


def unpins(access: Access, execution: Execution) -> bool:
    """Whether it asked one credential that the asking person cannot use: deleted since, or personal and somebody else's."""
    pinned = execution.requested_credential_id
    return pinned is not None and not keeping.knows(access, pinned)


def rerun_unpins(access: Access, execution: Execution) -> bool:
    """Whether a rerun lets go of the credential that it asked; one's own rather fails where that was deleted."""
    return execution.user_id != access.user.id and unpins(access, execution)


def _demand_repeatable(access: Access, execution: Execution) -> None:
    """A viewer repeats what a viewer may run: the published version of a prompt template.

    Raises Denied; Conflict `texts_erased` and `texts_unreadable` where nobody knows what was asked.
    """
    if execution.texts_erased_at is not None:
        raise Conflict("Its texts were not kept, so nobody knows what was asked.", code="texts_erased")
    if not sealing.readable(execution):
        raise Conflict(sealing.UNREADABLE, code="texts_unreadable")
    version = execution.prompt_version
    if version is None or version.status != "published":
        access.demand("editor")


def _resubmission(access: Access, execution: Execution, changes: Mapping[str, Any]) -> Submission:
    template, version = execution.prompt_template, execution.prompt_version
    submission = Submission(
        prompt_template=template.slug if template is not None else None,
        version=version.number if version is not None else None,
        template=execution.template,
        system=execution.template_system,
        context={**execution.context, **(changes.get(MORE) or {})},
        kept_context=changes.get("context") is None,
        fetched=execution.fetched,
        format=execution.format,
        provider=execution.requested_provider,
        credential_id=execution.requested_credential_id,
        model=execution.requested_model,
        temperature=execution.temperature,
        max_tokens=execution.max_tokens,
        priority=execution.priority,
        stream=execution.stream,
        source="page",
    )
    given = {name: value for name, value in changes.items() if name in CHOICES or (value is not None and name != MORE)}
    if version is not None and given.get("version") not in (None, version.number):
        submission = _left_to_the_version(version, submission)
    if unpins(access, execution):
        submission = replace(submission, credential_id=None)
    if given.get("provider") is not None:
        submission = replace(submission, credential_id=None, model=None)
    elif given.get("credential_id") is not None:
        submission = replace(submission, provider=None, model=None)
    if "context" in given:  # what filled itself stays as it was, where nothing else is given for it now
        kept = [name for name in execution.fetched if name not in given["context"]]
        given |= {"context": {**{name: execution.context[name] for name in kept}, **given["context"]}, "fetched": kept}
    return replace(submission, **given)


def _left_to_the_version(version: PromptVersion, submission: Submission) -> Submission:
    """Return the submission with what was this version's choice left open: another version has a choice of its own."""
    names = {"format": "output_format", "provider": "provider", "model": "model", "temperature": "temperature"}
    names |= {"max_tokens": "max_tokens"}
    taken: dict[str, Any] = dict.fromkeys(
        ours for ours, theirs in names.items() if getattr(submission, ours) == getattr(version, theirs)
    )
    return replace(submission, **taken)


def _source(access: Access, execution: Execution) -> str:
    """Return where the repetition of `execution` comes from; that of a test run is one too."""
    if access.token_name:
        return "api"
    return "preview" if execution.source == "preview" else "page"
