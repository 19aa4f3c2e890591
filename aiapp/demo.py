"""The demo workspace: two demo-provider credentials of which the first refuses its key, six prompt templates of which one has
grown, executions with votes, a batch.

Nothing in it is made up after the fact: prompt templates are written and published, executions submitted and rated, by the same
actions that people use. A worker answers what was submitted; what is rated was answered at once before.
"""

from __future__ import annotations

import json

import sqlalchemy as sa

from aiapp.accounts.models import User
from aiapp.accounts.passwords import hash_password
from aiapp.batches import drafts as batches
from aiapp.batches.tables import Table
from aiapp.batches.wishes import Wish
from aiapp.credentials import actions as credentials
from aiapp.credentials.models import Credential
from aiapp.executions import actions as executions
from aiapp.executions import jobs
from aiapp.executions.models import Execution
from aiapp.executions.submission import Submission
from aiapp.extensions import db
from aiapp.feedback import actions as feedback
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import drafts, library
from aiapp.prompt_templates.starters import featured
from aiapp.prompt_templates.workbench import sample_context
from aiapp.workspaces import actions as workspaces
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Workspace

EMAIL, PASSWORD, SLUG = "demo@example.com", "demo", "demo"
EXECUTED = ("support-reply", "invoice-extraction", "release-notes")
# The prompt template that people have worked on, and what they said of its answers: version, rating, reasons, comment.
GROWN = "release-notes"
SHORTER = "Write at most five lines, each of which says what people can do now:"
FRIENDLIER = "Address the reader as you. Write at most five lines, each of which says what they can do now:"
VOTES = (
    (1, "up", ["Complete"], ""),
    (1, "down", ["Too long"], "Nobody reads a page of release notes."),
    (1, "down", ["Too long", "Wrong tone"], ""),
    (2, "up", ["Well written"], "Short, and it names what matters."),
    (2, "up", ["Right format"], ""),
    (2, "down", ["Incomplete"], "The breaking change is missing."),
)
# One of these is refused, and no other credential is asked: a failure that says nothing about a key, and opens no circuit.
CLASSIFYING, REFUSING = "text-classification", "demo-careful"
MESSAGES = (
    "Since Monday the export stops at page 3. Is that on purpose?",
    "I was charged twice for the invoice of March.",
    "My password is hunter2 and I still cannot sign in.",
    "How do I add a second member to my team?",
    "Please cancel my plan at the end of the month.",
)
PATIENCE = 10.0  # seconds, where a worker took an execution first


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
    _grow(access, working)
    _run_batch(access, working)
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


def _grow(access: Access, working: Credential) -> None:
    """Give a prompt template a second version and a third that is a draft, and rate what the first two answered."""
    template = library.find(access, GROWN)
    first = library.version(access, template, 1)
    last = first.body.index("Write:")
    second = drafts.new_draft(access, first, "Shorter", {"body": first.body[:last] + SHORTER})
    for number, rating, reasons, comment in VOTES:
        if number == 2 and second.status == "draft":
            prompt_templates.publish(access, second, "Shorter")
        execution = _answered(access, number, working)
        if execution.finished:
            feedback.rate(access, execution, rating, comment, reasons)
    drafts.new_draft(access, second, "Friendlier", {"body": first.body[:last] + FRIENDLIER})


def _answered(access: Access, number: int, working: Credential) -> Execution:
    """Run a version of the grown prompt template at once, by a model that takes no time."""
    version = library.version(access, library.find(access, GROWN), number)
    asked = Submission(
        prompt_template=GROWN,
        version=number,
        context=sample_context(version),
        credential_id=working.id,
        model="demo-instant",
    )
    made = executions.submit(access, asked).id
    jobs.run(made)
    executions.wait(made, PATIENCE)
    return access.get(Execution, made)


def _run_batch(access: Access, working: Credential) -> None:
    """Start a batch of which a row will fail."""
    classes = sample_context(library.version(access, library.find(access, CLASSIFYING), 1))["classes"]
    table = Table(columns=["text"], rows=[{"text": text} for text in MESSAGES])
    wish = Wish(prompt_template=CLASSIFYING, credential_id=working.id, model=REFUSING, name="Messages of Monday")
    batches.create(access, table, wish, mapping={"classes": {"value": json.dumps(classes)}}, start=True)
