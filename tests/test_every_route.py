"""Every route, walked: strangers, anonymous visitors, forms without a token, foreign ids. A new route is covered at once."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa

from aiapp.batches.models import Batch
from aiapp.credentials.models import Credential
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion, Tag
from aiapp.webhooks.models import EVENTS, Webhook, WebhookDelivery
from aiapp.workspaces.models import Invitation, Membership

# Open to everyone, each with its reason.
PUBLIC = {
    "static": "style sheets and scripts",
    "accounts.login": "signing in",
    "accounts.sign_in": "signing in",
    "accounts.logout": "harmless without a session",
    "accounts.reset_help": "how a reset link is had",
    "accounts.reset": "guarded by the link's secret",
    "accounts.set_password": "guarded by the link's secret",
    "accounts.theme": "a cookie of one's own",
    "workspaces.root": "sends people on",
    "workspaces.sign_up": "signing up, where it is switched on",
    "workspaces.create_account": "signing up, where it is switched on",
    "workspaces.invitation": "guarded by the link's secret",
    "workspaces.accept": "guarded by the link's secret",
    "preview.show": "guarded by the link's secret, which runs out",
    "api.openapi": "the description of the API",
    "api.docs": "the description of the API",
    "health.healthz": "for supervisors and load balancers",
    "health.readyz": "for supervisors and load balancers",
}
UNKNOWN = "0" * 32


def rules(app):
    return [rule for rule in app.url_map.iter_rules() if not rule.rule.startswith("/api/")]


def fill(rule, workspace, values):
    """The rule's path with real values of another workspace where they exist."""

    def value(match):
        converter, name = match.group(1) or "", match.group(2)
        if name == "workspace":
            return workspace
        if name in values:
            return str(values[name])
        if converter.startswith("id"):
            return UNKNOWN
        if converter.startswith("int"):
            return "1"
        return values.get("any", "x")

    return re.sub(r"<(?:([a-z]+(?:\([^)]*\))?):)?([a-z_]+)>", value, rule.rule)


@pytest.fixture
def rows(app, team):
    """One row of each kind in acme, by the names that routes give their ids."""
    with app.app_context():
        workspace_id = team.acme_id
        author = team.access("bob").user
        credential = Credential(workspace_id=workspace_id, provider="demo", name="demo", base_url="demo://local")
        template = PromptTemplate(workspace_id=workspace_id, slug="greeting", name="Greeting", last_number=1)
        tag = Tag(workspace_id=workspace_id, name="mail")
        db.session.add_all([credential, template, tag])
        db.session.flush()
        version = PromptVersion(
            workspace_id=workspace_id,
            prompt_template_id=template.id,
            number=1,
            body="Hi",
            status="published",
            author_id=author.id,
        )
        db.session.add(version)
        db.session.flush()
        execution = Execution(
            workspace_id=workspace_id,
            user_id=author.id,
            source="page",
            status="completed",
            output="Hello",
            body="Hi",
            prompt_template_id=template.id,
            prompt_version_id=version.id,
        )
        db.session.add(execution)
        from datetime import timedelta

        from aiapp.columns import now

        invitation = Invitation(
            workspace_id=workspace_id,
            secret_hash="x" * 64,
            email="x@example.com",
            role="viewer",
            expires_at=now() + timedelta(days=1),
        )
        webhook = Webhook(workspace_id=workspace_id, url="https://127.0.0.1/", secret=b"-", events=list(EVENTS))
        db.session.add_all([invitation, webhook])
        db.session.flush()
        batch = Batch(workspace_id=workspace_id, name="March", size=1, columns=["name"], at_once=1)
        db.session.add(batch)
        delivery = WebhookDelivery(workspace_id=workspace_id, webhook_id=webhook.id, event=EVENTS[0], payload={})
        db.session.add(delivery)
        db.session.flush()
        from aiapp.accounts.tokens import make

        token, _ = make(workspace_id=workspace_id, user_id=author.id, name="t", scope="read")
        db.session.commit()
        membership_id = db.session.scalar(
            sa.select(Membership.id).where(Membership.workspace_id == workspace_id, Membership.user_id == author.id)
        )
        return {
            "credential_id": credential.id,
            "slug": "greeting",
            "number": 1,
            "version": 1,
            "execution_id": execution.id,
            "batch_id": batch.id,
            "invitation_id": invitation.id,
            "token_id": token.id,
            "tag_id": tag.id,
            "membership_id": membership_id,
            "webhook_id": webhook.id,
            "delivery_id": delivery.id,
        }


def test_an_anonymous_visitor_meets_the_login_page_everywhere(app, visitor, rows):
    client = visitor()
    for rule in rules(app):
        if rule.endpoint in PUBLIC or "GET" not in rule.methods:
            continue
        answer = client.get(fill(rule, "acme", rows))
        assert answer.status_code in {302, 303}, f"{rule}: {answer.status_code}"
        assert answer.headers["Location"].startswith("/login"), f"{rule}"


def test_the_public_list_names_only_routes_that_exist(app):
    assert set(PUBLIC) - {rule.endpoint for rule in app.url_map.iter_rules()} == set()


def test_a_stranger_gets_404_for_everything_of_another_workspace(app, sign_in, rows):
    charlie = sign_in("charlie")
    for rule in rules(app):
        if "<workspace>" not in rule.rule:
            continue
        path = fill(rule, "acme", rows)
        if "GET" in rule.methods:
            assert charlie.get(path).status_code == 404, f"GET {rule}"
        else:
            assert charlie.submit(path).status_code == 404, f"POST {rule}"


def test_a_foreign_id_under_ones_own_workspace_is_404_like_an_unknown_one(app, sign_in, rows):
    charlie = sign_in("charlie")
    for rule in rules(app):
        if "<workspace>" not in rule.rule or rule.rule.count("<") == 1:
            continue
        for values in (rows, {"any": "x"}):
            path = fill(rule, "rival", values)
            answer = charlie.get(path) if "GET" in rule.methods else charlie.submit(path)
            assert answer.status_code == 404, f"{rule}: {answer.status_code}"


def test_no_post_passes_without_a_csrf_token(app, sign_in, rows):
    alice = sign_in("alice")
    for rule in rules(app):
        if "POST" in rule.methods:
            assert alice.post(fill(rule, "acme", rows)).status_code == 400, f"{rule}"


def test_state_is_changed_by_post_only(app):
    for rule in rules(app):
        assert rule.methods <= {"GET", "HEAD", "OPTIONS", "POST"}, f"{rule}: a form has no other method"


def test_every_page_answers_its_member_under_the_security_headers(app, sign_in, rows):
    alice = sign_in("alice")
    for rule in rules(app):
        if "GET" not in rule.methods or rule.endpoint in {"static", "health.readyz"} or "secret" in rule.arguments:
            continue
        answer = alice.get(fill(rule, "acme", rows))
        assert answer.status_code < 500, f"{rule}: {answer.status_code}"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, f"{rule}"
        assert "unsafe-eval" not in policy, f"{rule}"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"]
        assert answer.headers["X-Request-ID"]
        if "<workspace>" in rule.rule:
            assert "no-store" in answer.headers["Cache-Control"], f"{rule}"


def test_a_fragment_is_a_fragment_and_a_page_is_a_page(app, sign_in, rows):
    alice = sign_in("alice")
    for rule in rules(app):
        if "GET" not in rule.methods or rule.endpoint == "static" or "secret" in rule.arguments:
            continue
        answer = alice.get(fill(rule, "acme", rows))
        if answer.status_code != 200 or answer.mimetype != "text/html":
            continue
        page = answer.get_data(as_text=True)
        is_fragment = rule.rule.rstrip("/").rsplit("/", 1)[-1].startswith("_")
        document = page.lstrip().lower().startswith("<!doctype html>")
        if rule.endpoint != "executions.output_document":  # a model's HTML, for its sandboxed frame only
            assert document != is_fragment, f"{rule}"
