"""The demo workspace: two demo-provider credentials of which the first refuses its key, six prompt templates, a few executions.

Nothing in it is made up after the fact: its prompt templates are written and published, and its executions submitted, by the same
actions that people use; a worker answers them.
"""

from __future__ import annotations

import sqlalchemy as sa

from aiapp.accounts.models import User
from aiapp.accounts.passwords import hash_password
from aiapp.credentials import actions as credentials
from aiapp.credentials.models import Credential
from aiapp.executions import actions as executions
from aiapp.executions.submission import Submission
from aiapp.extensions import db
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library
from aiapp.prompt_templates.starters import featured
from aiapp.prompt_templates.workbench import sample_context
from aiapp.workspaces import actions as workspaces
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Workspace

EMAIL, PASSWORD, SLUG = "demo@example.com", "demo", "demo"
EXECUTED = ("support-reply", "invoice-extraction", "release-notes")


def workspace() -> Workspace | None:
    """Return the demo workspace, if there is one."""
    return db.session.scalar(sa.select(Workspace).where(Workspace.slug == SLUG))


def seed() -> bool:
    """Make the demo workspace with its user; return False, and change nothing, where there is one already."""
    if workspace() is not None:
        return False
    user = db.session.scalar(sa.select(User).where(User.email == EMAIL))
    if user is None:
        user = User(email=EMAIL, name="Demo", password_hash=hash_password(PASSWORD))  # shorter than people may choose
        db.session.add(user)
        db.session.flush()
    access = Access(workspaces.create("Demo", user, SLUG), user, "owner")
    working = _add_credentials(access)
    for starter in featured():
        template = prompt_templates.create(access, starter.given)
        version = library.version(access, template, 1)
        prompt_templates.publish(access, version, "First version")
        if template.slug in EXECUTED:
            context = sample_context(version)
            # The first credential is not asked by these: whose key was refused is asked last, and who comes next shall see it.
            submission = Submission(prompt_template=template.slug, context=context, credential_id=working.id)
            executions.submit(access, submission)
    return True


def reset() -> None:
    """Delete the demo workspace, where there is one, and make it anew."""
    db.session.execute(sa.delete(Workspace).where(Workspace.slug == SLUG))
    db.session.commit()
    seed()


def _add_credentials(access: Access) -> Credential:
    """Make one credential that refuses and then one that answers, which is returned."""
    first = {"name": "expired key", "preferred_model": "demo-bad-key"}
    second = {"name": "working key", "preferred_model": "demo-good"}
    _, working = [credentials.create(access, {"provider": "demo", **values}) for values in (first, second)]
    return working
