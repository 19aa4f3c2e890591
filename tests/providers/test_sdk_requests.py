"""The same call by our dialect and by the provider's own client: both send the same, but for what is listed with its reason."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest
from sdk_calls import OLLAMA_CASES, SCHEMA, SCHEMA_HINT, TEXTS, USER, WAYS, Way, system
from sdk_recorder import KEY, Asked, Clients, Recorder

from aiapp.providers.registry import PROVIDERS, provider
from aiapp.providers.transport import Transport
from aiapp.providers.types import Message, Request, Target


class _Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()


@dataclass(frozen=True)
class Difference:
    """Something that one of both sends and the other does not: where, what each sends, and why it stays so.

    `where` is `path`, `query.NAME`, `header.NAME` or `body.FIELD.FIELD`; a `*` in it and in paths stands for anything. `options`
    are the cases in which it shows, all of them where none are named.
    """

    way: str
    where: str
    ours: Any
    theirs: Any
    reason: str
    options: frozenset[str] = frozenset()


def where(*options: str) -> frozenset[str]:
    return frozenset(options)


DIFFERENCES = (
    Difference(
        "openai",
        "body.encoding_format",
        ABSENT,
        "float",
        "Numbers are what the API answers with unasked; the client has to say so, because it asks for base64 itself.",
        where("embeddings"),
    ),
    Difference("azure", "body.encoding_format", ABSENT, "float", "As with OpenAI.", where("embeddings")),
    Difference(
        "groq",
        "body.response_format.type",
        "json_object",
        "json_schema",
        "Only some of Groq's models take a schema, the others refuse the request: all are told in words.",
        where("json schema"),
    ),
    Difference(
        "groq",
        "body.response_format.json_schema",
        ABSENT,
        {"name": "answer", "schema": SCHEMA},
        "The schema that is told in words.",
        where("json schema"),
    ),
    Difference(
        "groq",
        "body.messages",
        [system(SCHEMA_HINT), USER],
        [USER],
        "The words.",
        where("json schema"),
    ),
    Difference(
        "anthropic",
        "header.anthropic-version",
        "2023-06-01",
        "2026-10-21",
        "The version that the client speaks has no temperature and no top_p (400) for models that do take them; in all else that "
        "is asked and read here both are the same (platform.claude.com/docs/en/api/migration-2026-10-21).",
    ),
    Difference(
        "anthropic",
        "header.x-api-key",
        KEY,
        ABSENT,
        "The header of keys in the API's reference, in both versions; gateways that speak this dialect know it best.",
    ),
    Difference("anthropic", "header.authorization", ABSENT, f"Bearer {KEY}", "The key is in x-api-key."),
    Difference(
        "anthropic",
        "body.temperature",
        0.3,
        ABSENT,
        "Gone from the client with version 2026-10-21; claude-haiku-4-5 takes it in ours.",
        where("temperature"),
    ),
    Difference("anthropic", "body.top_p", 0.9, ABSENT, "As temperature.", where("top p")),
    Difference(
        "google",
        "path",
        "/v1beta/models*",
        "/v1/models*",
        "Names such as gemini-flash-latest exist in v1beta alone, says the client's own manual: it has all that v1 has.",
    ),
    Difference(
        "google",
        "body.systemInstruction.role",
        ABSENT,
        "user",
        "A system instruction has no role: the API reads its text only.",
        where("system", "everything"),
    ),
    Difference(
        "google",
        "body.generationConfig",
        {},
        ABSENT,
        "Empty where nothing was chosen, and so the same.",
        where("nothing", "turns", "stream"),
    ),
    Difference(
        "google",
        "body.requests.*.content.role",
        ABSENT,
        "user",
        "A text that is embedded has no role.",
        where("embeddings"),
    ),
    Difference("google", "header.content-type", ABSENT, "application/json", "A GET has no content.", where("models")),
    Difference(
        "ollama",
        "body.options",
        {},
        ABSENT,
        "Empty where nothing was chosen, and so the same.",
        where("nothing", "system", "turns", "json", "json schema", "stream", "tools"),
    ),
    Difference(
        "ollama",
        "body.tools",
        ABSENT,
        [],
        "Empty where there are none, and so the same.",
        where(*OLLAMA_CASES) - {"tools"},
    ),
    Difference(
        "ollama",
        "body.tools.0.function.parameters.additionalProperties",
        False,
        ABSENT,
        "The client drops what its own type of a schema does not name; we send extra settings as they are.",
        where("tools"),
    ),
    Difference("ollama", "header.content-type", ABSENT, "application/json", "A GET has no content.", where("models")),
)

# What says who asks, in which version, and what is sent; the rest is each client's own business.
HEADERS = ("authorization", "x-api-key", "api-key", "x-goog-api-key", "anthropic-version", "content-type")
OPTIONS = [(way, option) for way, what in WAYS.items() for option in what.cases]
OPTIONS += [(way, "embeddings") for way, what in WAYS.items() if what.embed]
OPTIONS += [(way, "models") for way, what in WAYS.items() if what.models]


def parts(asked: Asked) -> dict[str, Any]:
    """What of a request is compared."""
    headers = {name: asked.headers[name] for name in HEADERS if name in asked.headers}
    body = {} if asked.body is None else {"body": asked.body}
    return {"method": asked.method, "path": asked.path, "query": asked.query, "header": headers, **body}


def apart(ours: Any, theirs: Any, place: str = "") -> dict[str, tuple[Any, Any]]:
    """Where two values differ, as deep inside as they can be told apart."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        names: Any = sorted(ours.keys() | theirs.keys())
        pairs = [(name, ours.get(name, ABSENT), theirs.get(name, ABSENT)) for name in names]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = list(zip(range(len(ours)), ours, theirs, strict=True))
    else:
        alike = ours == theirs and isinstance(ours, bool) == isinstance(theirs, bool)
        return {} if alike else {place: (ours, theirs)}
    found: dict[str, tuple[Any, Any]] = {}
    for name, one, other in pairs:
        found |= apart(one, other, f"{place}.{name}" if place else str(name))
    return found


class Comparison:
    """Asks both and tells what differs; each pair is asked once."""

    def __init__(self, recorder: Recorder, clients: Clients) -> None:
        self._recorder = recorder
        self._clients = clients
        self._transport = Transport(frozenset({recorder.place}))
        self._found: dict[tuple[str, str], dict[str, tuple[Any, Any]]] = {}

    def close(self) -> None:
        self._transport.close()

    def differences(self, way: str, option: str) -> dict[str, tuple[Any, Any]]:
        if (way, option) not in self._found:
            ours, theirs = self._ours(WAYS[way], option), self._theirs(WAYS[way], option)
            self._found[way, option] = apart(parts(ours), parts(theirs))
        return self._found[way, option]

    def _ours(self, way: Way, option: str) -> Asked:
        entry = provider(way.provider)
        case = dict(way.cases[option].ours) if option in way.cases else {}
        settings = {**way.settings, **({"extra": case.pop("extra")} if "extra" in case else {})}
        target = Target(entry.kind, self._recorder.url + way.path, way.model, api_key=KEY, settings=settings)
        dialect = entry.dialect_for(settings)
        if option == "embeddings":
            assert entry.embedder is not None
            request = entry.embedder.embed_request(TEXTS, target, "document")
        elif option == "models":
            request = dialect.models_request(target)
        else:
            request = dialect.build(
                Request(**{"messages": (Message("user", "Hello"),), "stream": False, **case}), target
            )
        self._recorder.forget()
        self._recorder.answer(b"{}")
        with self._transport.send(request) as answer:
            answer.read()
        return self._recorder.asked()

    def _theirs(self, way: Way, option: str) -> Asked:
        self._recorder.forget()
        case = way.cases[option].theirs if option in way.cases else {}
        if option == "embeddings":
            assert way.embed is not None
            self._recorder.answer(way.answer)
            way.embed(self._clients)
        elif option == "models":
            assert way.models is not None
            self._recorder.answer(way.answer)
            way.models(self._clients)
        elif case.get("stream"):
            self._recorder.answer(b"", content_type="text/event-stream")
            list(way.ask(self._clients, case))
        else:
            self._recorder.answer(way.answer)
            way.ask(self._clients, case)
        return self._recorder.asked()


def same(listed: Any, found: Any, place: str) -> bool:
    return fnmatchcase(found, listed) if place == "path" else bool(listed == found)


def listed(way: str, option: str, place: str, pair: tuple[Any, Any]) -> bool:
    return any(
        each.way == way
        and (not each.options or option in each.options)
        and fnmatchcase(place, each.where)
        and same(each.ours, pair[0], place)
        and same(each.theirs, pair[1], place)
        for each in DIFFERENCES
    )


@pytest.fixture(scope="module")
def comparison():
    recorder = Recorder()
    clients = Clients(recorder.url)
    compared = Comparison(recorder, clients)
    yield compared
    compared.close()
    clients.close()
    recorder.close()


@pytest.mark.parametrize(("way", "option"), OPTIONS)
def test_both_send_the_same_but_for_what_is_listed(comparison, way, option):
    found = comparison.differences(way, option)
    assert {place: pair for place, pair in found.items() if not listed(way, option, place, pair)} == {}


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda each: f"{each.way}-{each.where}")
def test_what_is_listed_is_still_so_in_every_case_that_it_names(comparison, difference):
    assert difference.reason
    for option in difference.options or {option for way, option in OPTIONS if way == difference.way}:
        found = comparison.differences(difference.way, option)
        assert any(fnmatchcase(place, difference.where) for place in found), option


def test_every_dialect_is_compared():
    asked = {type(provider(way.provider).dialect_for(way.settings)) for way in WAYS.values()}
    theirs = {
        type(dialect) for entry in PROVIDERS.values() if entry.place != "demo" for dialect in entry.dialects.values()
    }
    assert asked == theirs
    embedders = {type(provider(way.provider).embedder) for way in WAYS.values() if way.embed}
    assert embedders == {type(entry.embedder) for entry in PROVIDERS.values() if entry.embeds}
