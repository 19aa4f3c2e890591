"""The blueprint that the pages of credentials hang on, and a credential as its row in the list shows it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, request

from aiapp.columns import now
from aiapp.credentials import breakers, checks, health, keeping, order, selection
from aiapp.credentials.checks import Day
from aiapp.credentials.circuit import Breaker
from aiapp.credentials.models import Credential
from aiapp.credentials.suggesting import to_chat_with
from aiapp.credentials.wording import marked
from aiapp.installation.offers import Offer, offer, offers
from aiapp.providers.registry import Provider
from aiapp.workspaces.access import Access

blueprint = Blueprint("credentials", __name__, url_prefix="/w/<workspace>/credentials")

STEP_NAMES = {
    "provider": "Provider",  # before all others, and only where it is not offered
    "network": "Network",
    "auth": "Authentication",
    "models": "Models",
    "completion": "Completion",
    "stream": "Stream",
    "json": "JSON",
}
STEP_QUESTIONS = {
    "network": "Is anybody at the address?",
    "auth": "Is the key accepted?",
    "models": "Which models are there?",
    "completion": "Does the model answer?",
    "stream": "Does the answer arrive in pieces?",
    "json": "Does it keep to JSON?",
}
API_NAMES = {"chat": "Chat completions", "responses": "Responses", "gemini": "Gemini", "ollama": "Ollama's own"}
SOURCES = {"test": "Test", "schedule": "Scheduled check", "execution": "Execution"}
# Longer than a test takes, and than a few of them in a queue: after that, a row no longer asks for its result.
WATCHED = timedelta(minutes=3)
# Of a row's looks in an address, which holds those of a long list too: one change of 4,096 is seen with the next one only.
_LOOK = 3


@dataclass(frozen=True, slots=True)
class Line:
    """A credential as people see it.

    up, down: whether it can be moved there; ordered: whether any of its scope can be.
    instead: whether it is the first that is tried, because the default one is switched off.
    circuits: those that are not closed, that of the whole credential first.
    awaited: the moment since when a test that a worker runs is waited for.
    """

    credential: Credential
    offer: Offer | None
    health: str
    reason: str | None
    place: int
    up: bool
    down: bool
    ordered: bool
    instead: bool
    day: Day
    circuits: tuple[Breaker, ...] = ()
    awaited: datetime | None = None

    @property
    def drilled(self) -> bool:
        """Whether a failure drill is going on."""
        return self.credential.drill_until is not None and self.credential.drill_until > now()

    @property
    def trouble(self) -> str:
        """What keeps executions from asking it in its place, in a few words; "" where nothing does."""
        if self.drilled:
            return "Failure drill"
        if not self.circuits:
            return ""
        still_open = [circuit for circuit in self.circuits if not half_open(circuit)]
        if not still_open:
            return "Tried by the next"
        return "Asked last" if still_open[0].model == "" else "Circuit open"

    @property
    def provider(self) -> Provider | None:
        """The provider, None where this release does not know it."""
        return self.offer.provider if self.offer else None

    @property
    def scope(self) -> str:
        """Whose it is: "workspace" or "personal"."""
        return keeping.scope_of(self.credential.owner_id)

    @property
    def label(self) -> str:
        """The provider's name."""
        return self.provider.label if self.provider else self.credential.provider

    @property
    def monogram(self) -> str:
        """The provider's two letters."""
        return self.provider.monogram if self.provider else "?"

    @property
    def place_note(self) -> str:
        """Where the calls go, if that is not the provider's own address."""
        if self.provider and self.credential.base_url == self.provider.base_url and self.provider.place != "own":
            return ""
        return urlsplit(self.credential.base_url).netloc if self.credential.base_url.startswith("http") else ""

    @property
    def model(self) -> str:
        """The model that it answers with unless another one is asked for."""
        return self.credential.preferred_model or (self.offer.default_model if self.offer else "")

    @property
    def offered(self) -> tuple[str, ...]:
        """The models to choose from: the allowed ones, else what the provider listed, else what it is known for."""
        credential = self.credential
        known = credential.models or (self.offer.models if self.offer else ())
        return tuple(credential.allowed_models or to_chat_with(known, self.provider))

    @property
    def reason_words(self) -> str:
        """Why it is not healthy, for people."""
        return health.REASONS.get(self.reason or "", "Not tested" if self.health == "unknown" else "")


def lines(access: Access, awaited: datetime | None = None, owner_id: str | None = None) -> list[Line]:
    """Return the workspace's credentials, or the personal ones of `owner_id`, in fallback order."""
    rows = order.in_order(access.workspace.id, owner_id)
    days, offered, circuits = checks.days(access.workspace.id), offers(), _circuits(access)
    return [_line(access, row, rows, days, circuits, offered.get(row.provider), awaited) for row in rows]


def line(access: Access, credential_id: str, awaited: datetime | None = None) -> Line:
    """Return one of `lines` that the asking person may know of. Raises NotFound."""
    found = keeping.find(access, credential_id)
    rows = order.in_order(access.workspace.id, found.owner_id)
    days = checks.days(access.workspace.id, credential_id)
    return _line(access, found, rows, days, _circuits(access), offer(found.provider), awaited)


def _circuits(access: Access) -> list[Breaker]:
    """Return the circuits of the workspace that are not closed, by model."""
    found = (one for one in breakers.of(access.workspace.id).values() if one.state(now()) != "closed")
    return sorted(found, key=lambda one: one.model)


def _line(
    access: Access,
    row: Credential,
    rows: Sequence[Credential],
    days: Mapping[str, Day],
    circuits: Sequence[Breaker],
    offered: Offer | None,
    awaited: datetime | None,
) -> Line:
    state, reason = selection.health_of(access.workspace, row)
    place, first = rows.index(row), 1 if rows[0].is_default else 0
    return Line(
        credential=row,
        offer=offered,
        health=state,
        reason=reason,
        place=place,
        up=place > first,
        down=first <= place < len(rows) - 1,
        ordered=len(rows) - first > 1,
        instead=place > 0 and row is next((one for one in rows if one.active), None),
        day=days.get(row.id, Day()),
        circuits=tuple(one for one in circuits if one.credential_id == row.id),
        awaited=awaited if awaited and _test_runs(row) else None,
    )


def state_of(lines: Sequence[Line]) -> str:
    """Return a short text that changes with which credentials there are and with how one of them is: see news_since."""
    rows = sorted(lines, key=lambda line: line.credential.id)
    return _digest([line.credential.id for line in rows], 16) + "".join(_look(line) for line in rows)


def news_since(lines: Sequence[Line], known: str) -> list[Line] | None:
    """Return those that changed since `known` was their state_of; None where it was that of other credentials."""
    rows, state = sorted(lines, key=lambda line: line.credential.id), state_of(lines)
    if known[:16] != state[:16] or len(known) != len(state):
        return None
    looks = range(16, len(state), _LOOK)
    return [line for line, at in zip(rows, looks, strict=True) if known[at : at + _LOOK] != state[at : at + _LOOK]]


def _look(line: Line) -> str:
    shown = (line.health, line.reason, line.credential.active, line.credential.last_tested_at, line.day, line.trouble)
    return _digest([str(each) for each in shown], _LOOK)


def _digest(parts: Sequence[str], length: int) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:length]


def _test_runs(row: Credential) -> bool:
    asked, tested = row.test_asked_at, row.last_tested_at
    return row.active and asked is not None and (tested is None or tested < asked)


def awaited_since() -> datetime | None:
    """Return the moment in `?since=`, where tests were started recently enough to be waited for."""
    try:
        since = datetime.fromisoformat(request.args.get("since", ""))
    except ValueError:
        return None
    if since.tzinfo is None or not timedelta() <= now() - since < WATCHED:
        return None
    return since


def half_open(circuit: Breaker) -> bool:
    """Whether the next execution tries what a circuit kept out."""
    return circuit.state(now()) == "half_open"


def api_choices(provider: Provider) -> list[tuple[str, str]]:
    """Return the APIs of a provider as a field's choices; an empty value is its first."""
    first, *others = provider.apis
    return [("", f"{API_NAMES.get(first, first)} (default)"), *((api, API_NAMES.get(api, api)) for api in others)]


@blueprint.context_processor
def words() -> dict[str, Any]:
    """Give the templates of this feature the names of steps, and how a hint becomes HTML."""
    return {
        "step_names": STEP_NAMES,
        "step_questions": STEP_QUESTIONS,
        "sources": SOURCES,
        "reasons": health.REASONS,
        "api_choices": api_choices,
        "half_open": half_open,
        "marked": marked,
        "to_chat_with": to_chat_with,
    }
