"""One row of each kind in the workspace acme, for the tests that walk over all routes."""

from __future__ import annotations

from typing import Any

from flask import Flask

from aiapp.batches import drafts as batches
from aiapp.batches import tables
from aiapp.batches.wishes import Wish
from aiapp.columns import new_id, now
from aiapp.credentials import actions as credentials
from aiapp.executions import actions as executions
from aiapp.executions.lists import saved_views
from aiapp.executions.models import Attempt
from aiapp.executions.submission import Submission
from aiapp.extensions import db
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import approvals, labels, library, preview_links, revisions
from aiapp.webhooks import sealing
from aiapp.webhooks.models import EVENTS, Webhook
from aiapp.workspaces import api_tokens, invitations
from aiapp.workspaces.models import Membership


def one_of_each(app: Flask, team: Any) -> dict[str, str]:
    """Make the rows, and return their ids by the names that routes give them. The execution is pending."""
    with app.app_context():
        alice, bob = team.access("alice"), team.access("bob")
        credential = credentials.create(
            alice, {"provider": "demo", "name": "Demo", "preferred_model": "demo-instant", "is_default": True}
        )
        template = prompt_templates.create(bob, {"name": "Greeting", "body": "Say hello.", "tags": ["mail"]})
        draft = library.version(bob, template, 1)
        prompt_templates.save_draft(bob, draft, {"body": "Say hello to {{name}}."}, 1)
        revision = revisions.listed(bob, draft)[0]
        prompt_templates.publish(bob, library.version(bob, template, 1), "First")
        version = library.version(bob, template, 1)
        staging, production = (labels.create(alice, name, name == "production") for name in ("staging", "production"))
        labels.move(bob, template, staging, version)
        approval = approvals.ask(bob, version, label=production)
        link, _ = preview_links.create(bob, version, "1h")
        execution = executions.submit(bob, Submission(prompt_template="greeting", context={"name": "Ada"}))
        asked = {"provider": "demo", "model": "demo-overloaded", "status": "failed", "started_at": now(), "raw": "{}"}
        attempt = Attempt(workspace_id=bob.workspace.id, execution_id=execution.id, number=1, **asked)
        db.session.add(attempt)
        table = tables.from_rows([{"name": "Ada"}])
        batch = batches.create(bob, table, Wish(prompt_template="greeting"))
        invitation, _ = invitations.invite(alice, "new@example.com", "viewer")
        token, _ = api_tokens.create(bob, "bob's", "read")
        webhook = Webhook(id=new_id(), workspace_id=alice.workspace.id, url="https://127.0.0.1/", events=list(EVENTS))
        sealing.seal_new(alice.workspace, webhook)
        db.session.add(webhook)
        view = saved_views.create(bob, "Failures", {"status": "failed"}, shared=True)
        db.session.commit()
        membership = db.session.scalars(bob.select(Membership).where(Membership.user_id == bob.user.id)).one()
        ids = {
            "credential_id": credential.id,
            "label": staging.name,
            "label_id": staging.id,
            "approval_id": approval.id,
            "link_id": link.id,
            "revision_id": revision.id,
            "execution_id": execution.id,
            "batch_id": batch.id,
            "other_id": execution.id,
            "number": str(attempt.number),
            "invitation_id": invitation.id,
            "token_id": token.id,
            "tag_id": template.tags[0].id,
            "membership_id": membership.id,
            "webhook_id": webhook.id,
            "view_id": view.id,
        }
        db.session.remove()
    return ids
