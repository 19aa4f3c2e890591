"""The pages of credentials through a browser's eyes: what each role sees and may do, with htmx and without scripts."""

from __future__ import annotations

import html
import json
import re
from datetime import timedelta

import pytest
import sqlalchemy as sa

from aiapp import queue
from aiapp.audit import AuditEvent
from aiapp.columns import now
from aiapp.credentials import actions, checks
from aiapp.credentials.health import Verdict
from aiapp.credentials.models import Credential
from aiapp.credentials.wording import marked
from aiapp.extensions import db
from aiapp.installation.models import ProviderSetting

KEY = "sk-canary-4f9a8b7c6d5e4f3a2b1c9x7Z"
HOME = "/w/acme/credentials"
FORM = {
    "provider": "openai",
    "name": "team-key",
    "api_key": KEY,
    "preferred_model": "",
    "temperature": "",
    "max_tokens": "",
    "system_prompt": "",
    "extra": "",
    "stream": "",
}


PASSED = {"ok": True, "steps": [], "error_class": None}


@pytest.fixture
def form(server):
    return {**FORM, "base_url": server.url}


@pytest.fixture
def ids(app, team):
    """Three demo credentials of acme and one of rival, by name."""
    with app.app_context():
        access, rival = team.access("adam"), team.access("charlie")
        made = {name: actions.create(access, {"provider": "demo", "name": name}).id for name in ("one", "two", "three")}
        made["theirs"] = actions.create(rival, {"provider": "demo", "name": "theirs"}).id
    return made


@pytest.fixture
def stored(app, team, openai):
    """A credential with a key, for the loopback provider."""
    with app.app_context():
        return actions.create(team.access("adam"), openai)


@pytest.fixture
def switch_off(app, team, ids):
    """`switch_off("two")`, as adam."""

    def switch_off(*names):
        with app.app_context():
            for name in names:
                actions.set_active(team.access("adam"), ids[name], False)

    return switch_off


def text(answer):
    return html.unescape(answer.get_data(as_text=True))


def names(answer):
    rows = re.findall(r'<tbody id="credential-.*?</tbody>', text(answer), re.S)
    return [re.search(r'class="inline">(?:<a[^>]*>)?([^<]+)', row)[1].strip() for row in rows]


def advanced(page):
    """Whether the folded part of the form is open, and its summary."""
    folds = re.findall(r'<details class="fold"([^>]*)>\s*<summary>(.*?)</summary>', page, re.S)
    return next((state.strip(), summary) for state, summary in folds if "Advanced" in summary)


def one(app, name="team-key"):
    """The stored credential of this name. No context stays open: requests would share its `g`."""
    with app.app_context():
        return db.session.scalars(sa.select(Credential).where(Credential.name == name)).first()


def count(app):
    with app.app_context():
        return db.session.scalar(sa.select(sa.func.count()).select_from(Credential))


def connection(app):
    return app.extensions["aiapp.redis"]


# ---------- who may look and who may act ----------

PAGES = [
    "",
    "/new",
    "/new/demo",
    "/{one}",
    "/{one}/delete",
    "/_health",
    "/_options",
    "/{one}/_row",
    "/_validate?name=x",
]
SHARED = {"", "/_health", "/_options", "/{one}/_row"}
POSTS = ["", "/test", "/_test", "/_order", "/{one}", "/{one}/_test", "/{one}/default", "/{one}/active", "/{one}/delete"]


@pytest.mark.parametrize("person", ["alice", "adam", "bob", "vera"])
def test_everybody_sees_the_list_and_only_admins_the_rest(sign_in, ids, person):
    browser = sign_in(person)
    for path in PAGES:
        answer = browser.get(HOME + path.format(**ids))
        admin = person in {"alice", "adam"}
        assert answer.status_code == (200 if admin or path in SHARED else 403), path
        if answer.status_code == 403:
            assert "admin role" in text(answer)


@pytest.mark.parametrize("person", ["bob", "vera"])
def test_only_admins_change_anything(app, sign_in, ids, person):
    browser = sign_in(person)
    for path in POSTS:
        answer = browser.submit(HOME + path.format(**ids), {"move": "up", "active": "0", "then": "save", **FORM})
        assert answer.status_code == 403, path
    assert count(app) == 4
    assert connection(app).keys("rq:*") == []


def test_a_stranger_gets_the_404_of_a_workspace_that_does_not_exist(sign_in, ids):
    browser = sign_in("charlie")
    for path in PAGES:
        assert browser.get(HOME + path.format(**ids)).status_code == 404, path
    for path in POSTS:
        assert browser.submit(HOME + path.format(**ids), FORM).status_code == 404, path


def test_another_workspaces_credential_is_404_like_any_unknown_one(app, sign_in, ids):
    browser = sign_in("alice")
    for credential_id in (ids["theirs"], "0" * 32):
        for path in ("", "/delete", "/_row"):
            assert browser.get(f"{HOME}/{credential_id}{path}").status_code == 404
        for path in ("", "/_test", "/default", "/active", "/delete"):
            assert browser.submit(f"{HOME}/{credential_id}{path}", FORM).status_code == 404
        assert browser.submit(f"{HOME}/_test", {**FORM, "credential_id": credential_id}).status_code == 404
        assert browser.submit(f"{HOME}/_order", {"credential_id": credential_id, "move": "up"}).status_code == 404
    assert browser.submit(f"{HOME}/_order", {"id": list(ids.values())}).status_code == 409
    assert one(app, "theirs") is not None


def test_an_anonymous_visitor_is_sent_to_the_login_page(visitor, ids):
    assert "/login" in visitor().get(HOME).headers["Location"]


def test_a_post_without_a_csrf_token_changes_nothing(app, sign_in, ids):
    client = sign_in("alice")
    for path in POSTS:
        assert client.post(HOME + path.format(**ids), data=FORM).status_code == 400, path
    assert count(app) == 4


# ---------- the list ----------


def test_members_see_names_and_health_but_no_keys_addresses_or_actions(sign_in, stored):
    page = text(sign_in("vera").get(HOME))
    assert "team-key" in page
    assert "Not tested" in page
    for absent in (KEY[-4:], "127.0.0.1", "Test", "Make default", f"/credentials/{stored.id}"):
        assert absent not in page, absent
    page = text(sign_in("adam").get(HOME))
    assert f"…{KEY[-4:]}" in page
    assert "127.0.0.1" in page


def test_without_credentials_the_page_says_what_they_are_for(sign_in):
    page = text(sign_in("adam").get(HOME))
    assert "No credentials yet" in page
    assert f'href="{HOME}/new"' in page
    assert "<table" not in page
    page = text(sign_in("vera").get(HOME))
    assert "an admin of the workspace" in page
    assert f"{HOME}/new" not in page


def test_rows_move_become_default_and_switch_off_with_htmx_and_without(sign_in, ids):
    browser = sign_in("adam")
    answer = browser.swap(f"{HOME}/_order", {"credential_id": ids["three"], "move": "up"})
    assert names(answer) == ["one", "three", "two"]
    assert "<html" not in text(answer)
    answer = browser.submit(f"{HOME}/_order", {"credential_id": ids["three"], "move": "down"})
    assert (answer.status_code, answer.headers["Location"]) == (303, HOME)
    assert names(browser.get(HOME)) == ["one", "two", "three"]
    answer = browser.swap(f"{HOME}/{ids['two']}/default")
    assert names(answer) == ["two", "one", "three"]
    assert "two is tried first now" in answer.headers["HX-Trigger"]
    answer = browser.swap(f"{HOME}/{ids['one']}/active", {"active": "0"})
    assert ">Off<" in text(answer)
    assert "Switch on" in text(answer)
    answer = browser.submit(f"{HOME}/{ids['one']}/active", {"active": "1", "page": ids["one"]})
    assert answer.headers["Location"] == f"{HOME}/{ids['one']}"
    for foreign in (ids["theirs"], "//evil.example", "x"):
        answer = browser.submit(f"{HOME}/{ids['one']}/active", {"active": "1", "page": foreign})
        assert answer.headers["Location"] == HOME
    answer = browser.swap(f"{HOME}/_order", {"id": [ids["two"], ids["three"], ids["one"]]})
    assert names(answer) == ["two", "three", "one"]


def test_while_the_default_one_is_off_the_list_says_which_is_tried_first(sign_in, ids, switch_off):
    browser = sign_in("adam")

    def tags():
        rows = re.findall(r'<tbody id="credential-.*?</tbody>', text(browser.get(HOME)), re.S)
        return [re.findall(r'class="tag">([^<]+)', row) for row in rows]

    assert tags() == [["Default"], [], []]
    switch_off("one", "two")
    assert tags() == [["Default"], [], ["Tried first"]]


def test_news_bring_the_cells_of_changed_rows_alone(app, team, sign_in, ids):
    browser = sign_in("adam")

    def news(page):
        return browser.get(re.search(r'hx-get="([^"]+/_news[^"]*)"', text(page))[1])

    page = browser.get(HOME)
    assert news(page).status_code == 204
    with app.app_context():
        checks.record_test(db.session.get_one(Credential, ids["two"]), PASSED, Verdict("healthy"), source="schedule")
    answer = news(page)
    targets = re.findall(r'hx-target="#([^"]+)"', text(answer))
    assert targets == [f"{cell}-{ids['two']}" for cell in ("health", "day", "p95", "checked")]
    assert news(answer).status_code == 204
    browser.submit(f"{HOME}/{ids['two']}/delete")
    assert "The list has changed" in text(news(answer))


def test_an_impossible_move_is_refused(sign_in, ids):
    browser = sign_in("adam")
    assert browser.submit(f"{HOME}/_order", {"credential_id": ids["one"], "move": "sideways"}).status_code == 422
    assert browser.submit(f"{HOME}/_order", {}).status_code == 404


def test_a_row_offers_only_the_moves_that_are_possible(sign_in, ids):
    page = text(sign_in("adam").get(HOME))
    rows = re.findall(r'<tbody id="credential-.*?</tbody>', page, re.S)
    assert [("Move up" in row, "Move down" in row, "Make default" in row) for row in rows] == [
        (False, False, False),
        (False, True, True),
        (True, False, True),
    ]


def test_deleting_asks_first(app, sign_in, ids):
    browser = sign_in("adam")
    assert "Delete two" in text(browser.get(f"{HOME}/{ids['two']}/delete"))
    assert one(app, "two") is not None
    answer = browser.submit(f"{HOME}/{ids['two']}/delete")
    assert answer.headers["Location"] == HOME
    assert one(app, "two") is None
    assert "two is deleted" in text(browser.get(HOME))


# ---------- tests from the list ----------


def test_a_test_opens_beneath_its_row_and_is_kept(app, sign_in, server, stored):
    server.answers["GET /v1/models"] = (401, {"error": {"message": f"Bad key {KEY}", "code": "invalid_api_key"}})
    browser = sign_in("adam")
    answer = browser.swap(f"{HOME}/{stored.id}/_test")
    shown = text(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert shown.lstrip().startswith(f'<tbody id="credential-{stored.id}"')
    assert 'class="row-detail"' in shown
    for words in ("Key refused", "127.0.0.1 answered", "401 invalid_api_key", "Replace key", "4 more steps", "Skipped"):
        assert words in shown, words
    assert one(app).health_reason == "bad_key"
    assert "Key refused" in text(browser.get(HOME))


def test_without_scripts_a_test_leads_to_the_page_with_its_result(sign_in, server, stored):
    server.works()
    browser = sign_in("adam")
    answer = browser.submit(f"{HOME}/{stored.id}/_test")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{HOME}/{stored.id}")
    assert "gpt-6-luna answered with 3 tokens" in text(browser.get(f"{HOME}/{stored.id}"))


def test_testing_all_leaves_a_job_a_credential_and_rows_that_ask_for_their_result(app, sign_in, ids, switch_off):
    switch_off("three")
    browser = sign_in("adam")
    answer = browser.submit(f"{HOME}/test")
    assert answer.status_code == 303
    deliveries = [connection(app).hgetall(key) for key in connection(app).keys("rq:job:*")]
    assert len(deliveries) == 2
    assert {delivery[b"description"] for delivery in deliveries} == {b"aiapp.credentials.jobs.test"}
    page = text(browser.get(answer.headers["Location"]))
    assert page.count('hx-trigger="every 2s"') == 2
    assert page.count("Testing<") == 2
    since = now().isoformat()
    answer = browser.get(f"{HOME}/{ids['one']}/_row", query_string={"since": since})
    assert "every 2s" in text(answer)
    failed = {"ok": False, "steps": [{"step": "network", "ok": False, "ms": 5, "detail": "Closed", "hint": ""}]}
    with app.app_context():
        tested = db.session.get_one(Credential, ids["one"])
        checks.record_test(tested, {**failed, "error_class": "network"}, Verdict("down", "unreachable"))
    answer = browser.get(f"{HOME}/{ids['one']}/_row", query_string={"since": since})
    assert "every 2s" not in text(answer)
    assert "Closed" in text(answer)
    assert "Closed" not in text(sign_in("vera").get(f"{HOME}/{ids['one']}/_row", query_string={"since": since}))


def test_rows_stop_asking_for_a_result_that_does_not_come(sign_in, ids):
    browser = sign_in("adam")
    for since in (
        (now() - timedelta(minutes=10)).isoformat(),
        (now() + timedelta(hours=1)).isoformat(),
        "x",
        "2026-01-01",
    ):
        answer = browser.get(HOME, query_string={"since": since})
        assert "every 2s" not in text(answer), since


# ---------- adding ----------


def test_the_catalogue_lists_every_provider_and_finds_them(sign_in):
    browser = sign_in("adam")
    page = text(browser.get(f"{HOME}/new"))
    for label in ("OpenAI", "Anthropic", "Ollama", "LM Studio", "OpenAI-compatible", "Demo", "On your machines"):
        assert label in page
    assert "Ollama" not in re.search(r'id="providers".*', text(browser.get(f"{HOME}/new?q=groq")), re.S)[0]
    assert "Groq" not in re.search(r'id="providers".*', text(browser.get(f"{HOME}/new?place=own")), re.S)[0]
    assert "No provider of that name" in text(browser.get(f"{HOME}/new?q=<script>"))
    assert browser.get(f"{HOME}/new/nobody").status_code == 404


def test_every_provider_has_a_form_with_its_guide(sign_in):
    from aiapp.providers.registry import PROVIDERS

    browser = sign_in("adam")
    for kind, provider in PROVIDERS.items():
        page = browser.get(f"{HOME}/new/{kind}").get_data(as_text=True)
        assert str(marked(provider.guide[-1])) in page, kind
        assert re.search(f'name="name"\\s+type="text"\\s+value="{provider.label}"', page), kind
        assert ('name="api_key"' in page) == (kind != "demo"), kind


def test_test_and_save_stores_what_works(app, sign_in, server, form):
    server.works()
    browser = sign_in("adam")
    answer = browser.swap(HOME, {**form, "then": "test", "temperature": "0.5", "extra": '{"seed": 1}'})
    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, HOME)
    credential = one(app)
    assert (credential.health, credential.temperature, credential.settings) == (
        *("healthy", 0.5, {"extra": {"seed": 1}}),
    )
    assert credential.last_test["ok"]
    assert "team-key is saved and works" in text(browser.get(HOME))


@pytest.mark.parametrize("post", ["swap", "submit"])
def test_where_no_model_was_chosen_the_one_that_answered_is_kept(app, sign_in, server, form, post):
    server.works()
    browser = sign_in("adam")
    getattr(browser, post)(HOME, {**form, "provider": "openai_compatible", "then": "test"})
    assert (one(app).preferred_model, one(app).health) == ("gpt-6-luna", "healthy")
    assert "works with gpt-6-luna" in text(browser.get(HOME))


def test_a_failed_test_stores_nothing_and_leaves_the_typed_key_in_the_browser(app, sign_in, server, form):
    server.answers["GET /v1/models"] = (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
    answer = sign_in("adam").swap(HOME, {**form, "then": "test"})
    shown = text(answer)
    assert answer.status_code == 200
    assert 'id="test"' in shown
    assert "<form" not in shown
    assert "Nothing is saved yet" in shown
    assert KEY[:-4] not in shown
    assert one(app) is None


def test_save_anyway_stores_first_and_has_a_worker_test_it_alone(app, sign_in, server, form, ids):
    browser = sign_in("adam")
    with app.app_context():
        checks.record_test(db.session.get_one(Credential, ids["one"]), PASSED, Verdict("healthy"))
    answer = browser.swap(HOME, {**form, "then": "save"})
    assert answer.headers["HX-Redirect"].startswith(f"{HOME}?since=")
    saved = one(app, name="team-key")
    assert (saved.health, server.seen) == ("unknown", [])
    page = text(browser.get(answer.headers["HX-Redirect"]))
    assert "A test of it runs" in page
    assert page.count(">Testing<") == page.count('hx-trigger="every 2s"') == 1
    with app.app_context():
        assert queue.waiting() == {saved.id}


def test_without_scripts_it_is_stored_and_its_page_shows_what_failed(app, sign_in, server, form):
    server.answers["GET /v1/models"] = (401, {"error": {"message": "No."}})
    browser = sign_in("adam")
    answer = browser.submit(HOME, {**form, "then": "test"})
    assert answer.headers["Location"] == f"{HOME}/{one(app).id}"
    page = text(browser.get(answer.headers["Location"]))
    assert "its test failed" in page
    assert "mistyped or revoked" in page
    server.works()
    answer = browser.submit(HOME, {**form, "name": "second", "then": "test"})
    assert answer.headers["Location"] == HOME


def test_testing_what_is_typed_stores_nothing_and_lists_the_models(app, sign_in, server, form):
    server.works()
    answer = sign_in("adam").swap(f"{HOME}/_test", form)
    assert "gpt-6-luna answered" in text(answer)
    assert '<hx-partial hx-target="#known-models"' in text(answer)
    assert 'value="gpt-6.1-sol"' in text(answer)
    assert one(app) is None


@pytest.mark.parametrize("path", ["", "/_test"])
@pytest.mark.parametrize("then", ["test", "save"])
def test_mistakes_are_shown_at_their_fields_and_the_key_is_not_sent_back(app, sign_in, server, form, path, then):
    wrong = {**form, "name": " ", "base_url": "https://10.0.0.1/v1", "temperature": "hot", "extra": "", "then": then}
    browser = sign_in("adam")
    answer = browser.swap(HOME + path, wrong)
    shown = text(answer)
    assert (answer.status_code, answer.headers["HX-Retarget"]) == (422, "#credential-form")
    assert 'id="name-error"' in shown
    assert 'id="temperature-error"' in shown
    assert 'value="hot"' in shown
    assert "hx-preserve" in shown
    assert KEY not in shown
    answer = browser.submit(HOME + path, wrong)
    assert answer.status_code == 422
    assert "<html" in text(answer)
    assert KEY not in text(answer)
    assert (one(app), server.seen) == (None, [])


@pytest.mark.parametrize("extra", ["{", "[1]", "5", '"x"', "null", '{"a": NaN}', "{" * 50_000])
def test_extra_fields_that_are_no_json_object_are_refused_at_their_field(sign_in, form, extra):
    answer = sign_in("adam").swap(HOME, {**form, "extra": extra, "then": "save"})
    assert answer.status_code == 422
    assert 'id="extra-error"' in text(answer)


def test_an_unknown_provider_is_404(sign_in, form):
    assert sign_in("adam").submit(HOME, {**form, "provider": "nobody"}).status_code == 404


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"name": "one"}, "already"),
        ({"name": "free"}, ""),
        ({"name": ""}, "1 to 100"),
        ({"base_url": "https://10.0.0.1/v1", "provider": "openai"}, "could not be reached"),
        ({"base_url": "http://api.openai.com/v1", "provider": "openai"}, "https://"),
        (
            {
                "base_url": "https://8.8.8.8/openai/deployments/prod/chat/completions?api-version=2024-10-21",
                "provider": "azure",
            },
            "try https://8.8.8.8 with the preferred model prod and the API version 2024-10-21 under Advanced",
        ),
        ({"base_url": "https://8.8.8.8/v1?x=1", "provider": "openai"}, "must not have a query"),
        ({"base_url": "", "provider": "openai"}, ""),
        ({}, ""),
    ],
)
def test_a_field_is_checked_while_the_form_is_filled_in(sign_in, ids, query, words):
    answer = sign_in("adam").get(f"{HOME}/_validate", query_string=query)
    assert answer.status_code == 200
    assert (words in text(answer)) if words else not text(answer).strip()


def test_a_credentials_own_name_is_free_for_itself(sign_in, ids):
    answer = sign_in("adam").get(f"{HOME}/_validate", query_string={"name": "one", "credential_id": ids["one"]})
    assert not text(answer).strip()


def test_every_mistake_of_the_form_is_named_at_once(sign_in, form):
    wrong = {**form, "temperature": "9", "max_tokens": "abc", "extra": "{bad", "then": "save"}
    answer = sign_in("adam").swap(HOME, wrong)
    assert set(re.findall(r'id="([a-z_]+)-error"', text(answer))) == {"temperature", "max_tokens", "extra"}
    assert advanced(text(answer))[0] == "open"
    assert "{bad" in text(answer)


def test_the_advanced_part_is_open_and_named_where_something_is_set(app, team, sign_in):
    values = {"provider": "demo", "name": "set", "temperature": 0.5, "settings": {"stream": False}}
    with app.app_context():
        made = [
            actions.create(team.access("adam"), each).id for each in (values, {"provider": "demo", "name": "plain"})
        ]
    folds = [advanced(text(sign_in("adam").get(f"{HOME}/{credential_id}"))) for credential_id in made]
    assert [state for state, _ in folds] == ["open", ""]
    assert "set: temperature, streaming" in folds[0][1]


def test_allowed_models_are_ticked_or_typed_and_none_that_embeds_is_suggested(app, sign_in, server, stored, form):
    models = [{"id": name} for name in ("gpt-6-luna", "text-embedding-3-small", "org/bge-m3")]
    server.works().answers["GET /v1/models"] = (200, {"data": models})
    browser = sign_in("adam")
    listed = text(browser.swap(f"{HOME}/{stored.id}/_models", {**form, "allowed_models": ["gpt-6-luna", "own\r\n"]}))
    ticks = re.findall(r'name="allowed_models"\s+value="([^"]+)"( checked)?', listed)
    assert ticks == [("gpt-6-luna", " checked"), ("own", " checked")]
    assert "embedding" not in listed
    assert "embedding" not in text(browser.get(f"{HOME}/_options"))
    change = {**form, "api_key": "", "allowed_models": ["gpt-6-luna", "other\r\n gpt-6-luna"], "then": "save"}
    browser.swap(f"{HOME}/{stored.id}", change)
    assert one(app).allowed_models == ["gpt-6-luna", "other"]


def test_without_scripts_a_passed_test_switches_on_what_the_first_one_switched_off(app, sign_in, server, form):
    server.answers["GET /v1/models"] = (401, {"error": {"message": "No."}})
    browser = sign_in("adam")
    browser.submit(HOME, {**form, "then": "test"})
    assert not one(app).active
    server.works()
    browser.submit(f"{HOME}/{one(app).id}", {**form, "then": "test"})
    assert one(app).active
    assert "It is switched on" in text(browser.get(HOME))


# ---------- changing ----------


def test_the_time_beside_a_result_is_that_of_the_result(app, sign_in, ids):
    browser = sign_in("adam")
    path = f"{HOME}/{ids['one']}"

    def tested():
        return re.search(r'>tested <time datetime="([^"]+)"', text(browser.get(path)))

    browser.submit(f"{path}/_test")
    earlier = now() - timedelta(hours=3)
    with app.app_context():
        credential = db.session.get_one(Credential, ids["one"])
        credential.last_test = {**credential.last_test, "at": earlier.isoformat()}
        db.session.commit()
        checks.record_test(credential, PASSED, Verdict("healthy"), source="schedule")
    assert tested()[1] == earlier.strftime("%Y-%m-%dT%H:%M:%SZ")
    with app.app_context():
        credential = db.session.get_one(Credential, ids["one"])
        credential.last_test = {name: value for name, value in credential.last_test.items() if name != "at"}
        db.session.commit()
    assert tested() is None


def test_the_audit_trail_keeps_settings_as_json(app, team, ids):
    with app.app_context():
        actions.update(team.access("adam"), ids["one"], {"settings": {"stream": False}})
        event = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "credential.update")).one()
        assert json.loads(event.after["settings"]) == {"stream": False}


def test_a_long_message_of_a_provider_is_folded(sign_in, server, stored):
    server.answers["GET /v1/models"] = (401, {"error": {"message": "word " * 200}})
    assert "Show all" in text(sign_in("adam").swap(f"{HOME}/{stored.id}/_test"))


def test_a_change_keeps_the_key_and_its_page_never_shows_it(app, sign_in, stored, form):
    browser = sign_in("adam")
    page = text(browser.get(f"{HOME}/{stored.id}"))
    assert KEY not in page
    assert f"stored, ends in …{KEY[-4:]}" in page
    before = one(app).api_key
    change = {**form, "api_key": "", "name": "renamed", "max_tokens": "77", "stream": "off", "then": "save"}
    assert browser.swap(f"{HOME}/{stored.id}", change).headers["HX-Redirect"].startswith(f"{HOME}?since=")
    credential = one(app, "renamed")
    assert (credential.api_key, credential.max_tokens, credential.settings) == (before, 77, {"stream": False})
    page = text(browser.get(f"{HOME}/{stored.id}"))
    assert 'value="77"' in page


@pytest.mark.parametrize("path", ["/{id}", "/_test"])
@pytest.mark.parametrize("then", ["test", "save"])
def test_a_stored_key_is_not_sent_to_a_new_address(app, sign_in, server, stored, form, path, then):
    """Neither stored nor tested: the test would be the theft."""
    change = {**form, "base_url": f"http://localhost:{server.port}/v1", "api_key": "", "credential_id": stored.id}
    answer = sign_in("adam").swap(HOME + path.format(id=stored.id), {**change, "then": then})
    assert answer.status_code == 422
    assert "Enter the key again" in text(answer)
    assert server.seen == []
    assert one(app).base_url == server.url


def test_testing_a_changed_form_uses_the_stored_key_at_its_own_address_only(sign_in, server, stored, form):
    server.works()
    change = {**form, "api_key": "", "preferred_model": "gpt-7", "credential_id": stored.id}
    answer = sign_in("adam").swap(f"{HOME}/_test", change)
    assert "gpt-7 answered" in text(answer)
    assert {headers["authorization"] for _, headers, _ in server.seen} == {f"Bearer {KEY}"}


def test_testing_an_unchanged_form_is_a_test_of_the_stored_credential(app, sign_in, server, stored, form):
    server.works()
    browser = sign_in("adam")
    form = {**form, "api_key": "", "credential_id": stored.id}
    for change in ({"preferred_model": "gpt-7"}, {"temperature": "1"}, {"extra": '{"a": 1}'}, {"api_key": KEY}):
        assert "answered" in text(browser.swap(f"{HOME}/_test", {**form, **change}))
        assert one(app).health == "unknown", change
    assert "tested" in text(browser.swap(f"{HOME}/_test", form))
    assert one(app).health == "healthy"


def test_replacing_the_key_and_testing_it_makes_the_credential_healthy_again(app, sign_in, server, stored, form):
    server.works()
    answer = sign_in("adam").swap(f"{HOME}/{stored.id}", {**form, "api_key": "sk-new-0123456789", "then": "test"})
    assert answer.headers["HX-Redirect"] == HOME
    assert (one(app).key_hint, one(app).health) == ("6789", "healthy")
    assert server.seen[-1][1]["authorization"] == "Bearer sk-new-0123456789"


def test_the_form_cannot_change_the_provider_or_what_is_not_a_field(app, sign_in, ids, form):
    change = {"provider": "openai", "name": "one", "workspace_id": "x", "health": "healthy", "then": "save"}
    assert sign_in("adam").submit(f"{HOME}/{ids['one']}", change).status_code == 303
    assert (one(app, "one").provider, one(app, "one").health) == ("demo", "unknown")


# ---------- for other pages ----------


def test_home_sees_how_the_active_credentials_are_doing(sign_in, ids, switch_off):
    answer = sign_in("vera").get(f"{HOME}/_health")
    assert "one · Demo" in text(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    switch_off("one", "two", "three")
    assert "nothing can run" in text(sign_in("vera").get(f"{HOME}/_health"))


def test_a_run_form_is_offered_active_credentials_and_their_models(sign_in, ids, switch_off, stored):
    switch_off("two")
    browser = sign_in("vera")
    shown = text(browser.get(f"{HOME}/_options"))
    assert 'name="provider"' in shown
    assert "one · Demo" in shown
    assert "two · Demo" not in shown
    assert "theirs" not in shown
    assert 'value="gpt-6-luna"' in shown
    shown = text(browser.get(f"{HOME}/_options?provider=openai&model=gpt-6.1-sol"))
    assert "one · Demo" not in shown
    assert 'value="gpt-6.1-sol"' in shown
    shown = text(browser.get(f"{HOME}/_options?credential_id={ids['one']}"))
    assert 'placeholder="demo-good"' in shown
    shown = text(browser.get(f"{HOME}/_options?provider=nobody&credential_id={ids['theirs']}"))
    assert "theirs" not in shown


# ---------- what must hold on every page ----------


def test_an_unreadable_key_shows_as_down_and_the_pages_work(app, sign_in, stored):
    with app.app_context():
        credential = db.session.get_one(Credential, stored.id)
        credential.api_key = b"\x01" + credential.api_key[1:-1] + b"\0"
        db.session.commit()
    browser = sign_in("adam")
    assert "Key cannot be read" in text(browser.get(HOME))
    assert "Key cannot be read" in text(browser.get(f"{HOME}/_health"))
    assert browser.get(f"{HOME}/{stored.id}").status_code == 200
    assert "Replace key" in text(browser.swap(f"{HOME}/{stored.id}/_test"))


def test_what_is_not_offered_here_is_no_matter_of_its_key(app, sign_in, stored):
    with app.app_context():
        db.session.add(ProviderSetting(kind="openai", enabled=False))
        db.session.commit()
    shown = text(sign_in("adam").swap(f"{HOME}/{stored.id}/_test", {}))
    assert "is not offered in this installation" in shown
    assert "Authentication" not in shown
    assert shown.count("Replace key") == 1, "in the menu of its row alone"


def test_names_and_a_providers_words_are_text(sign_in, server, form):
    hostile = "<img src=x onerror=alert(1)>\"'{{7*7}}"
    server.answers["GET /v1/models"] = (500, {"error": {"message": hostile}})
    browser = sign_in("adam")
    browser.submit(HOME, {**form, "name": hostile, "preferred_model": hostile, "then": "test"})
    page = browser.get(HOME).get_data(as_text=True)
    assert "<img" not in page
    assert "{{7*7}}" in html.unescape(page)
    link = re.search(r'/credentials/([0-9a-f]{32})"', page)[1]
    for answer in (
        browser.get(f"{HOME}/{link}"),
        browser.swap(f"{HOME}/{link}/_test"),
        browser.get(f"{HOME}/{link}/delete"),
    ):
        assert "<img" not in answer.get_data(as_text=True)


def test_nothing_inline_stands_in_any_page(sign_in, ids, stored):
    browser = sign_in("adam")
    for path in [*PAGES, "/new/ollama", f"/{stored.id}"]:
        page = browser.get(HOME + path.format(**ids)).get_data(as_text=True)
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|hx-on|javascript:|\bjs:", page), path


def test_a_key_appears_nowhere_after_it_was_used_in_every_way(app, sign_in, server, form, capfd, team):
    server.works()
    browser = sign_in("adam")
    seen = []

    def keep(answer):
        seen.append(answer.get_data(as_text=True) + str(answer.headers))
        return answer

    keep(browser.swap(f"{HOME}/_test", form))
    keep(browser.swap(HOME, {**form, "name": " ", "then": "test"}))
    keep(browser.swap(HOME, {**form, "then": "test"}))
    credential_id = one(app).id
    for refusal in (
        (401, {"error": {"message": f"Incorrect API key provided: {KEY}", "code": KEY}}),
        (500, f"<html><title>{KEY}</title></html>"),
        (200, {"data": [{"id": KEY}]}),
        (200, {"error": {"message": f"Bearer {KEY}"}}),
    ):
        server.answers["GET /v1/models"] = refusal
        server.answers["POST /v1/chat/completions"] = refusal
        keep(browser.swap(f"{HOME}/{credential_id}/_test"))
        keep(browser.swap(f"{HOME}/_test", {**form, "credential_id": credential_id}))
        keep(browser.swap(f"{HOME}/{credential_id}", {**form, "then": "test"}))
        keep(browser.get(f"{HOME}/{credential_id}"))
        keep(browser.get(HOME))
    keep(browser.submit(f"{HOME}/test"))
    keep(browser.get(f"{HOME}/_options"))
    keep(browser.submit(f"{HOME}/{credential_id}/delete"))
    with app.app_context():
        events = db.session.scalars(sa.select(AuditEvent)).all()
        seen += [json.dumps([event.before, event.after, event.subject]) for event in events]
        for table in ("credential", "workspace"):
            seen.append(repr(db.session.execute(sa.text(f"SELECT * FROM {table}")).all()))
    store = connection(app)
    readers = {b"hash": store.hgetall, b"string": store.get, b"list": lambda key: store.lrange(key, 0, -1)}
    readers |= {b"set": store.smembers, b"zset": lambda key: store.zrange(key, 0, -1)}
    seen += [repr(key) + repr(readers[store.type(key)](key)) for key in store.keys("*")]
    seen += [*capfd.readouterr()]
    for kept in seen:
        assert KEY[:-4] not in kept
