"""How two executions differ: what was asked of them, and line by line what they wrote."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiapp.executions.models import Execution
from aiapp.executions.outputs import formats
from aiapp.executions.showing import provider_label
from aiapp.prompt_templates.comparing.contents import Setting, values_between
from aiapp.prompt_templates.comparing.diffing import Line, Room, TextDiff, diff_lines
from aiapp.prompt_templates.comparing.rows import Fold, SplitRow, brought, split_rows, unified_rows
from aiapp.prompt_templates.text.values import as_text

MAX_ROWS = 2_000  # of one page; what is beyond them stands in the outputs themselves
MAX_CHARACTERS = 500_000  # of an output that is compared
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two executions were asked differently: `what` it is called, and both values in words."""

    what: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class OutputDiff:
    """What differs between two outputs, as rows of a page: `unified`, and `split` where that was asked for.

    `data` are the values that differ inside of two answers in JSON or YAML, by path; None where they are no such answers.
    `left_out` counts rows that are not shown, `cut` says that only the first MAX_CHARACTERS of an output were compared.
    """

    diff: TextDiff
    unified: list[Line | Fold]
    split: list[SplitRow | Fold]
    data: list[Setting] | None
    left_out: int
    cut: bool


def asked_differently(old: Execution, new: Execution) -> list[Difference]:
    """Return what was asked of `new` in another way than of `old`."""
    pairs = (
        ("Prompt template", *(_template(one) for one in (old, new))),
        ("Version", *(_version(one) for one in (old, new))),
        ("Provider", *(provider_label(one.requested_provider) or "any" for one in (old, new))),
        ("Model", *(one.requested_model or "the credential’s own" for one in (old, new))),
        ("Temperature", *(_number(one.temperature) for one in (old, new))),
        ("Max tokens", *(_number(one.max_tokens) for one in (old, new))),
        ("Format", old.format, new.format),
    )
    found = [Difference(*pair) for pair in pairs if pair[1] != pair[2]]
    if old.requested_credential_id != new.requested_credential_id:
        found.append(Difference("Credential", *(_credential(one) for one in (old, new))))
    if old.texts_erased_at or new.texts_erased_at:
        return found
    found.extend(_contexts(old.context, new.context))
    texts = [(one.system, one.body, one.messages) for one in (old, new)]
    if texts[0] != texts[1] and not found:
        found.append(Difference("Prompt", "another text", "this text"))
    return found


def outputs_between(old: Execution, new: Execution, *, split: bool) -> OutputDiff:
    """Return what differs between two outputs; answers in JSON or YAML are laid out alike before. The work is bounded."""
    before, after = (comparable(one) for one in (old, new))
    room = Room.of_page()
    diff = diff_lines(before, after, room=room)
    unified, beside = unified_rows(diff), split_rows(diff) if split else []
    return OutputDiff(
        diff,
        brought(unified, MAX_ROWS, room),
        brought(beside, MAX_ROWS, room),
        data_between(old, new),
        left_out=max(0, len(beside or unified) - MAX_ROWS),
        cut=max(len(before), len(after)) == MAX_CHARACTERS,
    )


def data_between(old: Execution, new: Execution) -> list[Setting] | None:
    """Return which values differ inside two answers in JSON or YAML, by path; None where not both are such answers."""
    if old.output_data is None or new.output_data is None:
        return None
    return values_between(old.output_data, new.output_data)


def comparable(execution: Execution) -> str:
    """Return the text of an output as it is compared: data laid out alike, and at most MAX_CHARACTERS."""
    text = execution.output or ""
    if formats.of(execution.format).view == "code" and execution.output_data is not None:
        text = json.dumps(execution.output_data, indent=2, ensure_ascii=False) + "\n"
    return text[:MAX_CHARACTERS]


def _template(execution: Execution) -> str:
    return execution.prompt_template.name if execution.prompt_template else "none"


def _version(execution: Execution) -> str:
    return f"v{execution.prompt_version.number}" if execution.prompt_version else "none"


def _number(value: float | None) -> str:
    return "the provider’s own" if value is None else f"{value:g}"


def _credential(execution: Execution) -> str:
    if execution.requested_credential_id is None:
        return "any, in the fallback order"
    named = execution.credential_id == execution.requested_credential_id
    return execution.credential_name or "one" if named else "one"


def _contexts(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name) or (name in old) != (name in new):
            yield Difference(name, *(_short(one[name]) if name in one else "none" for one in (old, new)))


def _short(value: Any) -> str:
    text = as_text(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
