"""Batches of 10,000 rows: a table read, looked at and stored, and the list of batches.

A SQLite file of its own; with AIAPP_BENCH_DATABASE_URL an empty PostgreSQL database. Prints rows a second of this process's CPU,
and milliseconds of it.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from aiapp import config, create_app
from aiapp.accounts.models import User
from aiapp.batches import checking, counting, drafts, feeding, listing, tables
from aiapp.batches.models import Batch, BatchRow
from aiapp.batches.wishes import Wish
from aiapp.columns import new_id
from aiapp.executions.submission import prepare
from aiapp.extensions import Base, db, reading
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Membership, Workspace

ROWS = 10_000
BATCHES = 20  # a page of the list
ROUNDS = 7
BODY = "You sort messages of customers of {{product}}.\n\n{{customer}} wrote:\n\n{{message}}\n\nName topic and mood."


def fill() -> Access:
    """Make a workspace with a prompt template."""
    workspace = Workspace(slug="bench", name="Bench")
    user = User(email="bench@example.com", name="Bench", password_hash=new_id())
    db.session.add_all([workspace, user])
    db.session.flush()
    db.session.add(Membership(workspace_id=workspace.id, user_id=user.id, role="owner"))
    db.session.commit()
    access = Access(workspace, user, "owner")
    template = prompt_templates.create(access, {"name": "Triage", "body": BODY})
    prompt_templates.publish(access, library.version(access, template, 1), "")
    return access


def table() -> bytes:
    """Return a table of about 2 MB."""
    chance = random.Random(6)
    words = ["invoice", "late", "please", "twice", "account", "where", "the", "order", "paid", "again"]
    lines = ["product,customer,message"]
    for number in range(ROWS):
        lines.append(f'Northbeam,Customer {number},"{" ".join(chance.choices(words, k=30))}, ""{number}"""')
    return "\r\n".join(lines).encode()


def seconds(work: Callable[[], object]) -> float:
    """Return how much of a CPU something takes: others may use the machine too."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> int:
    """Fill the database and print."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {"AIAPP_HOME": folder, "AIAPP_LOG_LEVEL": "error"}
        if os.environ.get("AIAPP_BENCH_DATABASE_URL"):
            environ["DATABASE_URL"] = os.environ["AIAPP_BENCH_DATABASE_URL"]
        app = create_app(config.load({**environ, "REDIS_URL": f"unix://{Path(folder) / 'none.sock'}"}))
        with app.app_context():
            Base.metadata.create_all(db.engine)
            measure(fill())
            db.session.remove()
            db.engine.dispose()
    return 0


def add_another(access: Access) -> None:
    """Add a batch of as many rows, which nobody reads."""
    shared = {"workspace_id": access.workspace.id, "batch_id": new_id()}
    batch = Batch(id=shared["batch_id"], workspace_id=access.workspace.id, name="Another", size=ROWS, at_once=8)
    batch.status = "running"
    db.session.add(batch)
    db.session.flush()
    rows = [{"id": new_id(), "number": number, "context": {}, **shared} for number in range(1, ROWS + 1)]
    db.session.execute(sa.insert(BatchRow), rows)
    db.session.commit()


def measure(access: Access) -> None:
    """Print what a table takes, and the list."""
    data, wish = table(), Wish(prompt_template="triage")
    read = tables.read(data)
    parsing = seconds(lambda: tables.read(data))
    prepared = prepare(access, wish.submission())
    mapping = checking.mapped_by_name(checking.variables(prepared), read.columns)
    rows = list(enumerate(read.rows, 1))
    db.session.commit()
    looking = seconds(lambda: checking.check(prepared, mapping, read.columns, rows))
    whole = seconds(lambda: drafts.create(access, tables.read(data), wish, start=True))
    print(
        f"a table of {ROWS:,} rows, {len(data) / 2**20:.1f} MB: read {ROWS / parsing:,.0f} rows/s, look at each ",
        end="",
    )
    print(f"{ROWS / looking:,.0f} rows/s, all with storing {ROWS / whole:,.0f} rows/s ({whole:.1f} s)")
    batch_id = db.session.scalars(sa.select(Batch.id).limit(1)).one()
    for _ in range(BATCHES - 1):
        add_another(access)
    db.session.execute(sa.update(Batch).where(Batch.id == batch_id).values(at_once=100))
    db.session.commit()
    feed = seconds(lambda: (feeding.step(batch_id), db.session.commit()))
    print(f"a step that makes {feeding.STEP} executions: {feed * 1000:.0f} ms")
    db.session.execute(sa.update(BatchRow).where(BatchRow.state == "waiting").values(state="completed"))
    db.session.commit()

    def page() -> None:
        with reading():
            found, _ = listing.batches(access, limit=BATCHES)
            counting.of(batch.id for batch in found)
            db.session.commit()

    def one() -> None:
        with reading():
            counting.of([batch_id])
            listing.lines(batch_id)
            db.session.commit()

    lists, pages = (median(seconds(work) for _ in range(ROUNDS)) * 1000 for work in (page, one))
    print(f"the list of {BATCHES} batches with {BATCHES * ROWS:,} rows: {lists:.0f} ms, one of them: {pages:.0f} ms")


if __name__ == "__main__":
    sys.exit(main())
