"""Personal credentials: used before the workspace's, for their owner's own executions alone, and known to nobody else."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from aiapp.audit import AuditEvent
from aiapp.credentials import actions, keeping, order, selection
from aiapp.credentials.models import Credential
from aiapp.errors import Denied, InvalidInput, NotFound
from aiapp.extensions import db
from aiapp.providers.types import ProviderError
from aiapp.workspaces import actions as workspaces
from aiapp.workspaces.models import Membership

HOME = "/w/acme/credentials"
OWN = {"provider": "demo", "name": "mine", "scope": "personal", "preferred_model": "demo-instant"}
TEAM = {"provider": "demo", "name": "team", "preferred_model": "demo-good"}


@pytest.fixture
def bob(stage, team):
    return team.access("bob")


@pytest.fixture
def vera(stage, team):
    return team.access("vera")


def names(targets):
    return [(target.credential_name, target.model) for target in targets]


def test_an_editor_keeps_credentials_of_their_own_and_a_viewer_does_not(bob, vera, adam):
    made = actions.create(bob, OWN)
    assert (made.owner_id, made.is_default) == (bob.user.id, True)
    for who in (vera, bob):
        with pytest.raises(Denied):
            actions.create(who, {**OWN, "scope": "personal" if who is vera else "workspace"})
    with pytest.raises(InvalidInput):
        actions.create(adam, {**OWN, "scope": "planet"})


def test_it_is_tried_first_and_for_its_owner_alone(bob, adam):
    actions.create(adam, TEAM)
    actions.create(bob, OWN)
    workspace_id = adam.workspace.id
    mine = selection.targets_for(workspace_id, user_id=bob.user.id)
    assert names(mine) == [("Personal credential", "demo-instant"), ("team", "demo-good")]
    assert [target.reason for target in mine] == ["Personal credential of whoever ran it", "Default credential"]
    assert names(selection.targets_for(workspace_id, user_id=adam.user.id)) == [("team", "demo-good")]
    assert names(selection.targets_for(workspace_id)) == [("team", "demo-good")]


def test_it_waits_unused_while_its_owner_is_a_viewer(bob, adam):
    actions.create(bob, OWN)
    member = db.session.scalars(sa.select(Membership).where(Membership.user_id == bob.user.id)).one()
    member.role = "viewer"
    db.session.commit()
    with pytest.raises(ProviderError):
        selection.targets_for(adam.workspace.id, user_id=bob.user.id)
    member.role = "editor"
    db.session.commit()
    assert names(selection.targets_for(adam.workspace.id, user_id=bob.user.id)) == [
        ("Personal credential", "demo-instant")
    ]


@pytest.mark.parametrize(
    "change",
    [{"active": False}, {"allowed_models": ["demo-good"], "preferred_model": "demo-good"}],
    ids=["off", "model"],
)
def test_no_refusal_names_it(bob, change):
    made = actions.create(bob, {**OWN, "name": "SECRETNAME"})
    actions.update(bob, made.id, change)
    with pytest.raises(ProviderError) as refusal:
        selection.targets_for(bob.workspace.id, user_id=bob.user.id, credential_id=made.id, model="demo-instant")
    assert "SECRETNAME" not in str(refusal.value.message)


def test_somebody_elses_is_unknown_to_every_verb(bob, adam):
    made = actions.create(bob, OWN)
    for verb in (
        lambda: actions.update(adam, made.id, {"name": "x"}),
        lambda: actions.delete(adam, made.id),
        lambda: actions.move(adam, made.id, "up"),
        lambda: actions.set_default(adam, made.id),
        lambda: keeping.find(adam, made.id),
    ):
        with pytest.raises(NotFound):
            verb()
    with pytest.raises(ProviderError) as refusal:
        selection.targets_for(adam.workspace.id, user_id=adam.user.id, credential_id=made.id)
    assert refusal.value.error_class == "no_credential"
    assert keeping.others_personal(adam) == 1
    assert keeping.others_personal(bob) == 0


def test_names_and_orders_of_one_person_are_no_ones_else(bob, adam):
    actions.create(adam, {**OWN, "scope": "workspace"})
    actions.create(adam, OWN)
    first, second = actions.create(bob, OWN), actions.create(bob, {**OWN, "name": "second"})
    with pytest.raises(InvalidInput):
        actions.create(bob, OWN)
    actions.set_default(bob, second.id)
    assert [row.id for row in order.in_order(bob.workspace.id, bob.user.id)] == [second.id, first.id]
    assert [row.name for row in order.in_order(bob.workspace.id)] == ["mine"]


def test_its_scope_cannot_be_changed(bob):
    made = actions.create(bob, OWN)
    assert actions.update(bob, made.id, {"scope": "personal", "name": "still mine"}).name == "still mine"
    with pytest.raises(InvalidInput):
        actions.update(bob, made.id, {"scope": "workspace"})


def test_the_audit_trail_says_that_it_exists_and_no_more(bob):
    made = actions.create(bob, {**OWN, "name": "my-secret-project"})
    actions.update(bob, made.id, {"name": "another-secret", "temperature": 1})
    actions.delete(bob, made.id)
    events = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action.startswith("credential."))).all()
    assert [event.action for event in events] == ["credential.create", "credential.delete"]
    for event in events:
        assert event.subject == "Personal credential"
        assert "secret" not in f"{event.before} {event.after}"


def test_who_leaves_takes_theirs_along(bob, adam):
    actions.create(bob, OWN)
    kept = actions.create(adam, TEAM).id
    membership = db.session.scalars(adam.select(Membership).where(Membership.user_id == bob.user.id)).one()
    workspaces.remove_member(adam, membership.id)
    db.session.expire_all()
    assert db.session.scalars(sa.select(Credential.id)).all() == [kept]


def test_only_allowed_models_are_asked_for(adam):
    limited = {**TEAM, "allowed_models": ["demo-good", "demo-instant"]}
    actions.create(adam, limited)
    workspace_id = adam.workspace.id
    assert names(selection.targets_for(workspace_id, model="demo-instant")) == [("team", "demo-instant")]
    with pytest.raises(ProviderError) as refusal:
        selection.targets_for(workspace_id, model="demo-slow")
    assert "does not allow demo-slow" in refusal.value.message
    actions.create(adam, {**TEAM, "name": "free", "preferred_model": "demo-slow"})
    assert names(selection.targets_for(workspace_id, model="demo-slow")) == [("free", "demo-slow")]
    with pytest.raises(InvalidInput):
        actions.create(adam, {**limited, "name": "odd", "preferred_model": "demo-slow"})


def test_without_a_preferred_model_the_first_allowed_one_answers(adam):
    actions.create(adam, {**TEAM, "preferred_model": "", "allowed_models": "demo-instant\n\n demo-slow "})
    assert names(selection.targets_for(adam.workspace.id)) == [("team", "demo-instant")]


def test_the_pages_of_ones_own(app, sign_in):
    bob, vera = sign_in("bob"), sign_in("vera")
    assert "No credentials of your own" in bob.get(f"{HOME}/personal").get_data(as_text=True)
    assert vera.get(f"{HOME}/personal").status_code == 403
    assert 'value="personal"' in bob.get(f"{HOME}/new/demo?scope=personal").get_data(as_text=True)
    made = bob.submit(HOME, {**OWN, "then": "save"})
    assert made.status_code == 303
    assert made.headers["Location"].startswith(f"{HOME}/personal?since=")
    page = bob.get(f"{HOME}/personal").get_data(as_text=True)
    assert "mine" in page
    assert bob.get(f"{HOME}/new/demo").status_code == 403
    with app.app_context():
        own = db.session.scalars(sa.select(Credential)).one().id
    assert "Yours alone" in bob.get(f"{HOME}/{own}").get_data(as_text=True)
    tested = bob.swap(f"{HOME}/{own}/_test").get_data(as_text=True)
    assert "Completion" in tested
    assert f'value="{own}"' in bob.get(f"{HOME}/_options").get_data(as_text=True)


def test_an_admin_sees_that_there_are_some(app, team, sign_in):
    with app.app_context():
        own = actions.create(team.access("bob"), {**OWN, "name": "my-secret-project"}).id
    adam = sign_in("adam")
    page = adam.get(HOME).get_data(as_text=True)
    assert "Members also keep 1 personal credential" in " ".join(page.split())
    assert "my-secret-project" not in page
    for path in ("", "/_checks", "/_row", "/delete"):
        assert adam.get(f"{HOME}/{own}{path}").status_code == 404
    for path in ("", "/_test", "/default", "/active", "/delete"):
        assert adam.submit(f"{HOME}/{own}{path}").status_code == 404
    assert "my-secret-project" not in adam.get(f"{HOME}/_options").get_data(as_text=True)


def test_the_api_keeps_them_apart(api):
    bob, adam = api("bob"), api("adam")
    made = bob("POST", "/credentials", OWN)
    assert (made.status_code, made.json["scope"]) == (201, "personal")
    own = made.json["id"]
    assert bob("POST", "/credentials", {**OWN, "scope": "workspace"}).status_code == 403
    assert [one["scope"] for one in bob("GET", "/credentials").json["data"]] == ["personal"]
    assert adam("GET", "/credentials").json["data"] == []
    for verb, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/test")):
        assert adam(verb, f"/credentials/{own}{path}", {} if verb != "GET" else None).status_code == 404
    assert bob("POST", f"/credentials/{own}/test", {}).json["ok"]
    refused = adam("POST", "/executions", {"template": "Hello", "context": {}, "credential_id": own})
    assert refused.status_code == 404
    assert bob("POST", "/executions", {"template": "Hello", "context": {}, "credential_id": own}).status_code == 202


def test_somebody_elses_pin_is_let_go_when_an_execution_is_run_again(app, team, api):
    from aiapp.executions import actions as executions
    from aiapp.executions.models import Execution

    own = api("bob")("POST", "/credentials", OWN).json["id"]
    made = api("bob")("POST", "/executions", {"template": "Hello", "context": {}, "credential_id": own}).json["id"]
    with app.app_context():
        for who, pinned in (("adam", None), ("bob", own)):
            access = team.access(who)
            for verb in (executions.rerun, lambda *two: executions.regenerate(*two, {})):
                again = verb(access, access.get(Execution, made))
                assert (again.requested_credential_id, again.unpinned) == (pinned, pinned is None)
        chosen = executions.regenerate(team.access("adam"), access.get(Execution, made), {"provider": "demo"})
        assert not chosen.unpinned, "another provider was asked for"


def test_whoever_runs_somebody_elses_execution_again_is_told_that_its_pin_is_let_go(app, team, api, sign_in):
    own = api("bob")("POST", "/credentials", OWN).json["id"]
    made = api("bob")("POST", "/executions", {"template": "Hello", "context": {}, "credential_id": own}).json["id"]
    page = f"/w/acme/executions/{made}"
    browser = sign_in("adam")
    assert "A re-run by you asks those in the fallback order instead" in browser.get(page).text
    assert "Another credential will answer" in browser.get(f"{page}/changes").text
    assert "A re-run by you" not in sign_in("bob").get(page).text
    for path in ("rerun", "changes"):
        shown = browser.get(browser.submit(f"{page}/{path}", {"context": "{}"}).headers["Location"]).text
        assert shown.count("The execution that it repeats asked one credential") == 2, "a toast now, a fact for good"
    assert api("adam")("POST", f"/executions/{made}/rerun", {}).json["unpinned"] is True
    assert api("bob")("POST", f"/executions/{made}/rerun", {}).json["unpinned"] is False
