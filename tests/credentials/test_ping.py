"""The ladder, against real servers that fail at one rung each: where it stops, what it says, what it leaves behind."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from provider_server import says, streams

from aiapp.credentials import actions, jobs, ping, schedule, selection
from aiapp.credentials.rungs import LEVELS
from aiapp.errors import NotFound
from aiapp.extensions import db
from aiapp.providers.types import Target

KEY = "sk-canary-4f9a8b7c6d5e4f3a2b1c9x7Z"


def states(climbed):
    return [(step.step, step.ok) for step in climbed.steps]


def target(server, **more):
    values = {"provider": "openai", "base_url": server.url, "model": "gpt-6-luna", "api_key": KEY, **more}
    return Target(**values)


NETWORK, AUTH, MODELS, COMPLETION, STREAM, JSON = LEVELS
PASSED = [(name, True) for name in LEVELS]


def stopped_at(name):
    """The states of a climb that broke at this rung and had decided all before it."""
    place = LEVELS.index(name)
    return [(one, True if at < place else False if at == place else None) for at, one in enumerate(LEVELS)]


def step_of(climbed, name):
    return next(step for step in climbed.steps if step.step == name)


def test_a_provider_that_works_is_climbed_to_the_top(stage, server, at_home):
    server.works()
    at_home("openai")
    climbed = ping.climb(target(server))
    assert climbed.ok
    assert climbed.error is None
    assert states(climbed) == PASSED
    assert [step.detail for step in climbed.steps][:4] == [
        "127.0.0.1 answered",
        "The key is accepted",
        "2 models listed, gpt-6-luna among them",
        "gpt-6-luna answered with 3 tokens",
    ]
    assert climbed.steps[4].detail.startswith("2 pieces, the first after ")
    assert climbed.steps[5].detail == "gpt-6-luna wrote JSON"
    assert all(isinstance(step.ms, int) for step in climbed.steps)
    assert climbed.models == ("gpt-6-luna", "gpt-6.1-sol")
    assert [line for line, _, _ in server.seen] == ["GET /v1/models"] + ["POST /v1/chat/completions"] * 3


def test_the_test_asks_for_little_and_leaves_the_credentials_system_prompt_out(stage, server):
    server.works()
    ping.climb(target(server, system_prompt="A very long one.", max_tokens=8000, settings={"extra": {"seed": 7}}))
    bodies = [json.loads(body) for _, _, body in server.seen[1:]]
    assert [body["max_completion_tokens"] for body in bodies] == [64, 64, 256]
    assert [body["stream"] for body in bodies] == [False, True, False]
    for body in bodies:
        assert "A very long one." not in json.dumps(body["messages"])
        assert body["seed"] == 7


def test_the_demo_provider_needs_no_server(stage):
    climbed = ping.climb(Target("demo", "demo://scripted", "demo-instant"))
    assert climbed.ok
    assert [step.detail for step in climbed.steps][:1] == ["Answered by this server itself"]
    assert climbed.steps[1].detail.startswith("No key asked for")


@pytest.mark.parametrize("level", LEVELS)
def test_a_test_climbs_no_further_than_it_is_told(stage, server, level):
    climbed = ping.climb(target(server.works()), level)
    assert climbed.steps[-1].step == level
    assert climbed.ok
    asked = {NETWORK: 0, AUTH: 1, MODELS: 1, COMPLETION: 2, STREAM: 3, JSON: 4}
    assert len(server.seen) == asked[level]


def test_a_key_that_may_not_list_models_is_judged_by_the_completion(stage, server):
    missing = (403, {"error": {"message": "You have insufficient permissions. Missing scopes: api.model.read"}})
    server.works().answers["GET /v1/models"] = missing
    climbed = ping.climb(target(server))
    assert climbed.ok
    assert dict(states(climbed))[AUTH] is True, "the completion was answered with it"
    server.answers["POST /v1/chat/completions"] = missing
    climbed = ping.climb(target(server))
    assert states(climbed)[:4] == [(NETWORK, True), (AUTH, None), (MODELS, None), (COMPLETION, False)]
    assert "permissions" in climbed.steps[3].hint


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("Country, region, or territory not supported", "does not serve the country"),
        ("Project proj_1 does not have access to this.", "permissions"),
    ],
)
def test_a_refused_region_is_told_from_a_refused_permission(stage, server, words, advice):
    server.answers["GET /v1/models"] = server.answers["POST /v1/chat/completions"] = (
        403,
        {"error": {"message": words}},
    )
    assert advice in ping.climb(target(server)).steps[3].hint


def test_an_answer_with_nothing_in_it_is_none(stage, server):
    nothing = {"choices": [{"index": 0, "message": {"role": "assistant", "content": ""}}]}
    server.works().answers["POST /v1/chat/completions"] = (200, nothing)
    climbed = ping.climb(target(server))
    assert dict(states(climbed))[COMPLETION] is False


def test_others_can_write_while_the_test_of_a_form_waits_for_a_server(app, team, sign_in, server):
    server.works()
    with app.app_context():
        patience = {"timeout": 1} if db.engine.dialect.name == "sqlite" else {}
        others = sa.create_engine(db.engine.url, connect_args=patience, poolclass=sa.NullPool)
    wrote = []

    def write(line):
        with others.begin() as connection:
            connection.execute(sa.text("UPDATE workspace SET name = 'meanwhile' WHERE slug = 'acme'"))
        wrote.append(line)

    server.before = write
    typed = {"provider": "openai_compatible", "name": "typed", "api_key": KEY, "base_url": server.url, "then": "test"}
    answer = sign_in("adam").submit("/w/acme/credentials/_test", typed, headers={"HX-Request": "true"})
    assert "answered with 3 tokens" in answer.get_data(as_text=True)
    assert len(wrote) == len(server.seen) == 4


@pytest.mark.parametrize(
    ("refusal", "words", "error_class"),
    [
        (
            (401, {"error": {"message": "Incorrect API key.", "code": "invalid_api_key"}}),
            ["api-keys", "project"],
            "auth",
        ),
        ((429, {"error": {"message": "Quota.", "code": "insufficient_quota"}}), ["out of credit", "billing"], "quota"),
        ((429, {"error": {"message": "Slow down."}}), ["Wait"], "rate_limit"),
        ((503, {"error": {"message": "Busy."}}), ["provider's own trouble"], "overloaded"),
        ((500, "oops"), ["provider's own trouble"], "server"),
        ((400, {"error": {"message": "Bad."}}), ["tells nothing of the key"], "bad_request"),
    ],
)
def test_a_refused_model_list_stops_at_auth_and_says_what_to_do(stage, server, refusal, words, error_class):
    server.answers["GET /v1/models"] = refusal
    climbed = ping.climb(target(server))
    assert states(climbed) == stopped_at(AUTH)
    assert climbed.error.error_class == error_class
    for word in words:
        assert word in climbed.steps[1].hint
    assert climbed.steps[2].detail == "Skipped"


PAGE = "<html><title>Welcome to nginx!</title></html>"


@pytest.mark.parametrize("answer", [(200, PAGE), (302, "moved"), (200, {"hello": "world"}), (200, {"data": 7})])
def test_a_list_that_is_none_is_left_to_the_completion(stage, server, answer):
    server.works().answers["GET /v1/models"] = answer
    climbed = ping.climb(target(server))
    assert states(climbed) == [*PASSED[:2], (MODELS, None), *PASSED[3:]]
    assert climbed.steps[2].detail.startswith("The list is unavailable (")
    assert climbed.models is None
    free = ping.climb(target(server), MODELS)
    assert states(free) == [(NETWORK, True), (AUTH, None), (MODELS, None)]


@pytest.mark.parametrize("completion", [(200, PAGE), (405, "<html>Method Not Allowed</html>"), (404, PAGE), (302, "")])
def test_a_web_page_where_both_the_list_and_the_completion_should_be_is_not_an_api(stage, server, completion):
    server.answers = {"GET /v1/models": (200, PAGE), "POST /v1/chat/completions": completion}
    climbed = ping.climb(target(server))
    assert states(climbed)[1:4] == [(AUTH, None), (MODELS, None), (COMPLETION, False)]
    assert climbed.error.error_class == "bad_response"
    assert "is not OpenAI's API" in climbed.steps[3].hint
    no_model = ping.climb(target(server, provider="openai_compatible", model=""))
    assert states(no_model)[1:4] == [(AUTH, None), (MODELS, False), (COMPLETION, None)]


def test_what_refuses_a_completion_as_an_api_does_is_one_whatever_its_list_is(stage, server):
    missing = (404, {"error": {"message": "The model x does not exist.", "code": "model_not_found"}})
    server.answers = {"GET /v1/models": (200, PAGE), "POST /v1/chat/completions": missing}
    assert ping.climb(target(server)).error.error_class == "model_not_found"


def test_azure_is_asked_for_deployments_and_lists_none(stage, server):
    url = server.url.removesuffix("/v1")
    names = {"provider": "azure", "base_url": url, "settings": {"api_version": "2024-10-21"}}
    completions = "POST /openai/deployments/prod-chat/chat/completions?api-version=2024-10-21"
    server.answers[completions] = server.only()
    server.answers["GET /openai/models?api-version=2024-10-21"] = (200, {"data": [{"id": "gpt-4o"}]})
    climbed = ping.climb(target(server, **names, model="prod-chat"))
    assert climbed.ok
    assert climbed.steps[2].detail.startswith("Azure OpenAI lists no deployments")
    assert climbed.models is None
    unnamed = ping.climb(target(server, **names, model=""))
    assert unnamed.steps[2].hint == "Type the name of your deployment as the preferred model."
    gone = (404, {"error": {"code": "DeploymentNotFound", "message": "The API deployment does not exist."}})
    server.answers[completions] = gone
    assert (
        "type the name that your deployment has" in ping.climb(target(server, **names, model="prod-chat")).steps[3].hint
    )


def test_an_own_server_without_any_model_stops_there_and_says_how_it_gets_one(stage, server):
    server.answers["GET /api/tags"] = (200, {"models": []})
    climbed = ping.climb(target(server, provider="ollama", base_url=server.url.removesuffix("/v1"), model=""))
    assert climbed.steps[2].ok is False
    assert "ollama pull" in climbed.steps[2].hint


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            (200, streams("one, ", "two").removesuffix(b"data: [DONE]\n\n").rpartition(b"data: ")[0][:-40]),
            "proxy_buffering off",
        ),
        ((200, b"data: {not json\n\n"), "Stream answers"),
        ((400, {"error": {"message": "stream is not supported"}}), "Stream answers"),
        ((429, {"error": {"message": "Slow down."}}), "Wait"),
    ],
)
def test_a_stream_that_breaks_stops_there_and_says_what_to_do(stage, server, answer, words):
    server.works().answers["POST /v1/chat/completions"] = server.only(STREAM, answer)
    climbed = ping.climb(target(server))
    assert states(climbed) == stopped_at(STREAM)
    assert words in climbed.steps[4].hint


def test_a_stream_that_nobody_wants_is_not_asked_for(stage, server):
    server.works().answers["POST /v1/chat/completions"] = server.only(STREAM, (400, {}))
    climbed = ping.climb(target(server, settings={"stream": False}))
    assert climbed.ok
    assert (climbed.steps[4].ok, climbed.steps[4].detail) == (None, "Switched off, here or for the installation")


REFUSED_MODE = {"error": {"message": "'response_format.type' must be 'json_schema' or 'text'"}}


@pytest.mark.parametrize(
    ("answer", "words"),
    [((200, says("Sure! Here it is.")), "another preferred model"), ((400, REFUSED_MODE), "whatever the model")],
)
def test_a_model_or_server_that_keeps_to_no_json_stops_there_and_says_what_to_do(stage, server, answer, words):
    server.works().answers["POST /v1/chat/completions"] = server.only(JSON, answer)
    climbed = ping.climb(target(server, provider="openai_compatible"))
    assert climbed.steps[5].ok is False
    assert words in climbed.steps[5].hint
    assert ("as LM Studio" in climbed.steps[5].hint) is (answer[0] == 400)


def test_a_model_that_thinks_until_its_tokens_are_spent_is_not_blamed(stage, server):
    spent = {**says(""), "usage": {"prompt_tokens": 12, "completion_tokens": 256, "total_tokens": 268}}
    server.works().answers["POST /v1/chat/completions"] = server.only(JSON, (200, spent))
    climbed = ping.climb(target(server))
    assert climbed.ok
    assert climbed.steps[5].ok is None


def test_a_server_that_is_slow_at_what_a_credential_may_do_without_has_not_failed(stage, server, monkeypatch):
    monkeypatch.setattr(ping, "SECONDS", 2.0)
    released = threading.Event()

    def slow(body):
        if body.get("stream"):
            released.wait(20)
        return server.only()(body)

    server.works().answers["POST /v1/chat/completions"] = slow
    climbed = ping.climb(target(server))
    released.set()
    assert climbed.ok
    assert [climbed.steps[place].ok for place in (3, 4)] == [True, None]
    assert "Not waited for" in climbed.steps[4].detail


def test_a_list_elsewhere_than_at_the_providers_own_address_proves_no_key(stage, server, at_home):
    gateway = ping.climb(target(server.works(), provider="groq"), MODELS)
    assert step_of(gateway, AUTH).ok is None
    assert step_of(gateway, AUTH).detail.startswith("This is not Groq's own address")
    assert step_of(ping.climb(target(server, provider="groq")), AUTH).ok is True
    server.answers["GET /v1/models"] = (401, {"error": {"message": "No."}})
    assert step_of(ping.climb(target(server, provider="groq"), MODELS), AUTH).ok is False
    at_home("groq")
    assert step_of(ping.climb(target(server.works(), provider="groq"), AUTH), AUTH).detail == "The key is accepted"


def test_a_list_that_is_open_to_everybody_proves_no_key(stage, server, at_home):
    at_home("openrouter")
    server.works().answers["GET /v1/key"] = (401, {"error": {"message": "No auth credentials found", "code": 401}})
    refused = ping.climb(target(server, provider="openrouter"))
    assert states(refused) == stopped_at(AUTH)
    server.answers["GET /v1/key"] = (200, {"data": {"label": "sk-or-…"}})
    assert step_of(ping.climb(target(server, provider="openrouter")), AUTH).detail == "The key is accepted"


def test_where_only_a_completion_tells_of_the_key_it_does(stage, server):
    free = ping.climb(target(server.works(), provider="huggingface"), MODELS)
    assert step_of(free, AUTH).ok is None
    assert "open to everybody" in step_of(free, AUTH).detail
    whole = ping.climb(target(server, provider="huggingface"))
    assert (step_of(whole, AUTH).ok, step_of(whole, AUTH).detail) == (True, "The completion was answered with it")
    server.answers["POST /v1/chat/completions"] = (401, {"error": {"message": "No."}})
    refused = ping.climb(target(server, provider="huggingface"))
    assert (step_of(refused, AUTH).ok, step_of(refused, COMPLETION).ok) == (None, False)
    assert "mistyped or revoked" in step_of(refused, COMPLETION).hint


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        ((401, {"error": {"message": "No.", "code": "invalid_api_key"}}), ["mistyped or revoked"]),
        (
            (404, {"error": {"message": "The model x is not there.", "code": "model_not_found"}}),
            ["gpt-6.1-sol", "2 more"],
        ),
        ((402, {"error": {"message": "Insufficient balance"}}), ["out of credit"]),
        ((400, {"error": {"message": "Unknown field"}}), ["preferred model", "advanced"]),
        ((200, "<html></html>"), ["is not OpenAI's API"]),
        ((200, {"choices": []}), ["is not OpenAI's API"]),
    ],
)
def test_a_refused_completion_stops_there_and_says_what_to_do(stage, server, refusal, words):
    server.works().answers["POST /v1/chat/completions"] = refusal
    server.answers["GET /v1/models"] = (200, {"data": [{"id": f"gpt-6.1-sol{'x' * n}"} for n in range(7)]})
    climbed = ping.climb(target(server))
    assert states(climbed)[3:] == [(COMPLETION, False), (STREAM, None), (JSON, None)]
    for word in words:
        assert word in climbed.steps[3].hint


def test_the_providers_own_words_are_shown_without_the_key(stage, server):
    words = f"Incorrect API key provided: {KEY}. See Bearer {KEY}"
    server.answers["GET /v1/models"] = (401, {"error": {"message": words, "code": "invalid_api_key"}})
    climbed = ping.climb(target(server))
    assert climbed.steps[1].detail.startswith("401 invalid_api_key: Incorrect API key provided: …")
    assert KEY[:-4] not in json.dumps(climbed.as_json())


def test_a_server_without_a_model_list_is_judged_by_the_completion(stage, server):
    server.works()
    del server.answers["GET /v1/models"]
    climbed = ping.climb(target(server))
    assert climbed.ok
    assert states(climbed)[:4] == [(NETWORK, True), (AUTH, True), (MODELS, None), (COMPLETION, True)]
    free = ping.climb(target(server), MODELS)
    assert states(free) == [(NETWORK, True), (AUTH, None), (MODELS, None)]
    assert "No model list" in free.steps[1].detail


@pytest.mark.parametrize(
    ("provider", "path", "words"),
    [
        ("openai_compatible", "", "/v1 may be missing: try http://127.0.0.1:{port}/v1"),
        ("openai_compatible", "/v1/v1", "try http://127.0.0.1:{port}/v1"),
        ("openai_compatible", "/proxy/v1/v1", "try http://127.0.0.1:{port}/proxy/v1"),
        ("openai_compatible", "/v1/chat/completions", "try http://127.0.0.1:{port}/v1"),
        ("openai_compatible", "/gateway", "/v1 may be missing: try http://127.0.0.1:{port}/gateway/v1"),
        ("openai_compatible", "/api/paas/v4", "Check the base URL."),
        ("anthropic", "/v1", "try http://127.0.0.1:{port} · Anthropic's own base URL is https://api.anthropic.com"),
        ("ollama", "/v1", "try http://127.0.0.1:{port}"),
        ("ollama", "/api/chat", "try http://127.0.0.1:{port}"),
        ("ollama", "/api", "try http://127.0.0.1:{port}"),
        ("groq", "/v1", "Groq's own base URL is https://api.groq.com/openai/v1"),
        ("azure", "/v1", "Azure OpenAI wants the bare host: try http://127.0.0.1:{port}"),
        ("azure", "/openai/deployments/x", "try http://127.0.0.1:{port} with the preferred model x"),
        ("azure", "", "looks like https://your-resource.openai.azure.com"),
    ],
)
def test_a_wrong_path_is_recognised(stage, server, provider, path, words):
    url = f"http://127.0.0.1:{server.port}{path}"
    climbed = ping.climb(target(server, provider=provider, base_url=url))
    assert not climbed.ok
    failed = next(step for step in climbed.steps if step.ok is False)
    assert failed.hint.endswith(words.format(port=server.port))


def test_the_first_model_of_the_list_is_tried_where_none_is_chosen(stage, server):
    climbed = ping.climb(target(server.works(), provider="openai_compatible", model=""))
    assert climbed.steps[2].detail == "2 models listed; none is chosen, gpt-6-luna is asked"
    assert climbed.steps[3].detail == "gpt-6-luna answered with 3 tokens"


def test_where_there_is_no_model_at_all_one_has_to_be_chosen(stage, server):
    server.works().answers["GET /v1/models"] = (200, {"data": []})
    climbed = ping.climb(target(server, provider="openai_compatible", model=""))
    assert states(climbed)[:4] == [(NETWORK, True), (AUTH, None), (MODELS, False), (COMPLETION, None)]
    assert climbed.steps[2].hint == "Choose the preferred model."


def test_a_missing_v1_is_recognised_before_any_model_is_chosen(stage, server):
    server.works()
    url = server.url.replace("/v1", "/good")
    climbed = ping.climb(target(server, provider="openai_compatible", base_url=url, model=""))
    assert step_of(climbed, COMPLETION).hint.startswith(f"/v1 may be missing: try {url}/v1")


def test_a_status_that_is_the_code_too_is_said_once(stage, server):
    server.answers["GET /v1/models"] = (401, {"error": {"message": "No.", "code": "401"}})
    assert step_of(ping.climb(target(server)), AUTH).detail == "401: No."


def test_a_keyless_server_that_asks_for_a_key_says_so(stage, server):
    server.answers["GET /v1/models"] = (401, {"error": "Unauthorized"})
    climbed = ping.climb(target(server, provider="lmstudio", api_key=None))
    assert "asks for a key" in climbed.steps[1].hint


def test_a_demo_model_that_refuses_its_key_leads_to_the_field_that_there_is(stage):
    climbed = ping.climb(Target("demo", "demo://scripted", "demo-bad-key"))
    failed = next(step for step in climbed.steps if step.ok is False)
    assert "preferred model" in failed.hint
    assert "enter" not in failed.hint


def test_a_closed_port_and_a_refused_address_read_alike(stage, free_port):
    texts = set()
    for url in (
        f"http://127.0.0.1:{free_port}/v1",
        "https://127.0.0.2/v1",
        "https://10.1.2.3/v1",
        "https://169.254.169.254/v1",
    ):
        climbed = ping.climb(Target("openai_compatible", url, "m", KEY))
        assert states(climbed) == stopped_at(NETWORK)
        texts.add((climbed.steps[0].detail, climbed.error.error_class))
    assert len(texts) == 1


@pytest.mark.parametrize(
    ("provider", "url", "words"),
    [
        ("ollama", "http://localhost:11434", ["container", "host.docker.internal:11434", "OLLAMA_HOST=0.0.0.0"]),
        ("lmstudio", "https://[::1]:1234/v1", ["container", "Local Network"]),
        ("ollama", "https://10.1.2.3:11434", ["OLLAMA_HOST"]),
        ("openai_compatible", "https://10.1.2.3/v1", ["running there"]),
        ("openai", "https://10.1.2.3/v1", ["https://api.openai.com/v1"]),
    ],
)
def test_what_cannot_be_reached_is_answered_with_what_to_look_at(stage, monkeypatch, provider, url, words):
    climbed = ping.climb(Target(provider, url, "m", KEY))
    assert states(climbed)[0] == (NETWORK, False)
    for word in words:
        assert word in climbed.steps[0].hint


@contextmanager
def listening(answer):
    """A port that accepts and then does what `answer(connection)` does."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        held = []

        def serve():
            while True:
                try:
                    connection, _ = door.accept()
                except OSError:
                    return
                held.append(connection)
                answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for connection in held:
            connection.close()


def allow(stage, port):
    from dataclasses import replace

    settings = stage.extensions["aiapp.settings"]
    stage.extensions["aiapp.settings"] = replace(settings, outbound_allow=frozenset({f"127.0.0.1:{port}"}))


@pytest.mark.parametrize(
    ("scheme", "rung", "words"),
    [("http", COMPLETION, "ended the connection"), ("https", NETWORK, "plain http: try http://127.0.0.1")],
)
def test_a_server_that_hangs_up_is_told_from_one_that_is_not_there(stage, scheme, rung, words):
    def hang_up(connection):
        connection.recv(1)
        connection.close()

    with listening(hang_up) as port:
        allow(stage, port)
        climbed = ping.climb(Target("openai_compatible", f"{scheme}://127.0.0.1:{port}/v1", "m"))
    failed = next(step for step in climbed.steps if step.ok is False)
    assert words in failed.hint
    assert "container" not in failed.hint


def test_a_server_that_speaks_no_http_is_not_an_api(stage):
    with listening(lambda connection: connection.sendall(b"220 mail.example ESMTP\r\n")) as port:
        allow(stage, port)
        climbed = ping.climb(Target("openai_compatible", f"http://127.0.0.1:{port}/v1", "m"))
    assert states(climbed)[:4] == [(NETWORK, True), (AUTH, None), (MODELS, None), (COMPLETION, False)]
    assert "is not an OpenAI-compatible API" in climbed.steps[3].hint


def test_a_server_that_never_answers_is_given_up_within_the_tests_own_time(stage, monkeypatch):
    monkeypatch.setattr(ping, "SECONDS", 0.5)
    with listening(lambda connection: None) as port:
        allow(stage, port)
        climbed = ping.climb(Target("ollama", f"http://127.0.0.1:{port}", "qwen3"))
    assert climbed.error.error_class == "timeout"
    assert "takes connections and does not answer" in climbed.steps[1].hint
    assert ping.SECONDS < 60


def test_a_stored_credentials_test_is_kept_with_its_health(adam, server, openai):
    server.works()
    credential = actions.create(adam, openai)
    climbed = ping.check(adam.workspace.id, credential.id)
    db.session.expire_all()
    assert {**credential.last_test, "at": None} == {**climbed.as_json(), "at": None}
    assert set(credential.last_test["steps"][0]) == {"step", "ok", "ms", "detail", "hint"}
    assert (credential.health, credential.health_reason) == ("healthy", None)
    assert credential.last_tested_at is not None
    assert server.seen[0][1]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("refusal", "health"),
    [
        ((401, {}), ("down", "bad_key")),
        ((402, {}), ("down", "out_of_credit")),
        ((403, {}), ("down", "not_allowed")),
        ((429, {}), ("degraded", "rate_limited")),
        ((503, {}), ("degraded", "overloaded")),
        ((500, {}), ("degraded", "server_error")),
        ((504, {}), ("degraded", "timeout")),
        ((404, {"error": {"code": "model_not_found"}}), ("degraded", "model_not_found")),
        ((200, "<html></html>"), ("down", "not_an_api")),
        ((400, {}), ("degraded", "request_refused")),
    ],
)
def test_health_has_a_reason(adam, server, openai, refusal, health):
    server.works().answers["POST /v1/chat/completions"] = refusal
    credential = actions.create(adam, openai)
    ping.check(adam.workspace.id, credential.id)
    db.session.expire_all()
    assert (credential.health, credential.health_reason) == health


def test_a_closed_port_makes_a_credential_down_and_a_shorter_test_that_passes_leaves_it_unknown(
    adam, server, free_port
):
    values = {"provider": "openai_compatible", "name": "a", "base_url": f"http://127.0.0.1:{free_port}/v1"}
    credential = actions.create(adam, values)
    ping.check(adam.workspace.id, credential.id)
    db.session.expire_all()
    assert (credential.health, credential.health_reason) == ("down", "unreachable")
    with socket.create_server(("127.0.0.1", free_port)):
        assert ping.check(adam.workspace.id, credential.id, "network").ok
    db.session.expire_all()
    assert (credential.health, credential.health_reason) == ("unknown", None)
    assert credential.last_test["ok"]


def test_an_unreadable_key_is_never_sent_and_the_credential_is_down(stage, adam, server, openai):
    from dataclasses import replace

    credential = actions.create(adam, openai)
    right = stage.extensions["aiapp.settings"]
    stage.extensions["aiapp.settings"] = replace(right, master_keys=(b"z" * 32,))
    climbed = ping.check(adam.workspace.id, credential.id)
    assert states(climbed) == stopped_at(AUTH)[1:]
    assert "cannot be read" in climbed.steps[0].detail
    assert "AIAPP_MASTER_KEYS" in climbed.steps[0].detail
    assert "enters it again" not in climbed.steps[0].detail
    db.session.expire_all()
    assert (credential.health, credential.health_reason) == ("down", "unreadable")
    assert server.seen == []
    stage.extensions["aiapp.settings"] = right
    assert selection.health_of(adam.workspace, credential) == ("unknown", None)


def test_no_transaction_is_open_while_the_provider_is_asked(adam, server, openai):
    credential = actions.create(adam, openai)
    open_while_asked = []
    session = db.session()
    server.works().before = lambda line: open_while_asked.append(session.in_transaction())
    ping.check(adam.workspace.id, credential.id)
    assert open_while_asked == [False] * 4


def test_another_workspaces_credential_cannot_be_tested(adam, charlie, server, openai):
    credential = actions.create(adam, openai)
    with pytest.raises(NotFound):
        ping.check(charlie.workspace.id, credential.id)
    assert server.seen == []


def test_a_worker_tests_what_was_asked_for_once_and_shrugs_at_one_that_is_gone(adam, server, openai):
    server.works()
    credential = actions.create(adam, openai)
    schedule.ask_tests([credential.id])
    for _ in range(2):  # a delivery may come twice
        jobs.test(credential.id)
    db.session.expire_all()
    assert credential.health == "healthy"
    assert len(server.seen) == 4
    jobs.test("0" * 32)
