"""What encrypting texts costs: writing an execution, reading one, and a page of the list, encrypted and not, and their ratio.

A SQLite file of its own; the texts have 4,000 and 2,000 characters. Prints medians in milliseconds.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median

import sqlalchemy as sa

from aiapp import config, create_app, sealing
from aiapp.accounts.models import User
from aiapp.columns import now
from aiapp.credentials import vault
from aiapp.executions.lists.listing import list_executions
from aiapp.executions.models import Attempt, Execution
from aiapp.extensions import Base, db, reading
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Workspace

TIMES = 300
PROMPT, ANSWER = "Please answer the customer. " * 143, "Thank you for your message. " * 72


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median of TIMES calls, each with a session of its own."""
    taken = []
    for _ in range(TIMES):
        db.session.remove()
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    db.session.remove()
    return median(taken)


def write(access: Access) -> str:
    """Store an execution with an attempt as a page and a worker do together; return its id."""
    made = Execution(
        workspace_id=access.workspace.id,
        user_id=access.user.id,
        source="page",
        template=PROMPT,
        body=PROMPT,
        context={"message": ANSWER},
        status="completed",
        completed_at=now(),
        output=ANSWER,
    )
    made.attempts = [
        Attempt(
            workspace_id=access.workspace.id,
            number=1,
            provider="demo",
            model="m",
            status="completed",
            started_at=now(),
            raw=ANSWER,
        )
    ]
    db.session.add(made)
    db.session.commit()
    return made.id


def read(access: Access, execution_id: str) -> None:
    """Read an execution as its page does."""
    with reading():
        row = access.get(Execution, execution_id)
        assert row.output == ANSWER
        assert [attempt.raw for attempt in row.attempts] == [ANSWER]


def read_list(access: Access) -> None:
    """Read a page of the list."""
    with reading():
        assert len(list_executions(access, texts=False, openings=True).rows) == 50


def measure(encrypted: bool) -> dict[str, float]:
    """Return what each verb takes in a workspace of its own."""
    workspace = Workspace(slug=f"encrypted-{int(encrypted)}", name="Bench", seals_texts=encrypted)
    user = User(email=f"{int(encrypted)}@example.com", name="Bench", password_hash="")
    db.session.add_all([workspace, user])
    db.session.flush()
    vault.make_data_key(workspace)
    db.session.commit()
    access = Access(workspace, user, "owner")
    ids = [write(access) for _ in range(60)]
    stored = db.session.scalar(sa.select(Execution.body).where(Execution.id == ids[0]))
    assert sealing.is_sealed(stored) == encrypted
    return {
        "write an execution": milliseconds(lambda: write(access)),
        "read an execution": milliseconds(lambda: read(access, ids[0])),
        "read a page of the list": milliseconds(lambda: read_list(access)),
    }


def main() -> None:
    """Measure both, in turns, and print a table."""
    with tempfile.TemporaryDirectory() as folder:
        environ = {"AIAPP_HOME": folder, "DATABASE_URL": f"sqlite:///{Path(folder) / 'bench.db'}"}
        app = create_app(replace(config.load(environ), log_level="warning"))
        with app.app_context():
            Base.metadata.create_all(db.engine)
            plain, encrypted = measure(False), measure(True)
            print(f"{'':26}{'plain':>10}{'encrypted':>11}{'ratio':>8}")
            for what, ms in plain.items():
                print(f"{what:26}{ms:>8.2f}ms{encrypted[what]:>9.2f}ms{encrypted[what] / ms:>8.2f}")


if __name__ == "__main__":
    main()
