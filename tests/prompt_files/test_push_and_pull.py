"""Pulling and pushing: a law, one transaction, and what people read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aiapp.audit import AuditEvent
from aiapp.errors import Conflict, Denied, InvalidInput
from aiapp.extensions import db
from aiapp.processes.cli import main
from aiapp.prompt_files import actions, folders, plans
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library, publishing_rules, starters
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.text import documents
from aiapp.workspaces.access import Access


@pytest.fixture
def bob(app: Flask, team: Any) -> Iterator[Access]:
    with app.app_context():
        yield team.access("bob")


def push(access: Access, folder: Path, *, publish: bool = False, message: str = "") -> int:
    return actions.carry_out(
        access, plans.plan(access, folders.read(folder), publish=publish), message, through="command line"
    )


def pull(access: Access, folder: Path, **options: Any) -> folders.Pulled:
    return folders.write(folder, actions.documents_of(access), **options)


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in folder.glob("*.md")}


def put(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text, "utf-8")


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    """A folder of all starters."""
    for one in starters.starters():
        put(tmp_path, f"{one.slug}.md", documents.write(one.given))
    return tmp_path


@pytest.mark.parametrize("publish", [False, True])
def test_pull_after_push_changes_nothing_and_push_after_pull_neither(
    bob: Access, gallery: Path, tmp_path_factory: pytest.TempPathFactory, publish: bool
) -> None:
    before = written(gallery)
    assert push(bob, gallery, publish=publish) == len(before)
    assert pull(bob, gallery).written == ()
    assert written(gallery) == before
    assert push(bob, gallery, publish=publish) == 0
    fresh = tmp_path_factory.mktemp("fresh")
    pull(bob, fresh)
    assert push(bob, fresh, publish=publish) == 0
    assert set(written(fresh)) == set(before)


TEXT = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00") | st.sampled_from("\n\r #@\\-{}"), max_size=60
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(system=TEXT, body=TEXT, example=TEXT, description=TEXT, sample=TEXT)
def test_whatever_a_template_says_comes_back_as_it_was(
    bob: Access, tmp_path: Path, system: str, body: str, example: str, description: str, sample: str
) -> None:
    given = {"name": "Any", "description": description, "system": system, "body": body + "{{x}}"}
    given["messages"] = [{"role": "user", "content": example}]
    given["variables"] = [{"name": "x", "sample": sample}]
    template = prompt_templates.create(bob, given)
    try:
        before = actions.documents_of(bob, [template.slug])
        folders.write(tmp_path, before)
        assert push(bob, tmp_path) == 0
        prompt_templates.delete(bob, template)
        assert push(bob, tmp_path) == 1
        assert actions.documents_of(bob, [template.slug]) == before
    finally:
        for path in tmp_path.glob("*.md"):
            path.unlink()
        prompt_templates.delete(bob, library.find(bob, template.slug))


def test_a_push_says_first_what_it_would_do_and_then_does_that(bob: Access, tmp_path: Path) -> None:
    put(tmp_path, "a.md", "---\nname: Alpha\n---\nHello {{name}}\n")
    push(bob, tmp_path, publish=True)
    put(tmp_path, "a.md", "---\nname: Alpha two\ntags: [x]\ntemperature: 1\n---\nHello {{name}}\nBye {{who}}\n")
    put(tmp_path, "b.md", "---\nname: Beta\n---\nHi\n")
    plan = plans.plan(bob, folders.read(tmp_path))
    assert [(step.action, step.slug, step.what) for step in plan.steps] == [
        ("change", "a", ("name, tags changed", "new draft: User +1 −0, Temperature, 1 variable")),
        ("create", "b", ("new, v1 is a draft",)),
    ]
    assert plan.summary() == "1 to create, 1 to change"
    actions.carry_out(bob, plan, "Say goodbye")
    template = library.find(bob, "a")
    assert (template.name, [tag.name for tag in template.tags]) == ("Alpha two", ["x"])
    draft = library.version(bob, template, 2)
    assert (draft.status, draft.message, draft.body) == ("draft", "Say goodbye", "Hello {{name}}\nBye {{who}}")
    assert library.published(bob, template).number == 1
    assert plans.plan(bob, folders.read(tmp_path)).work == ()


def test_a_push_that_publishes_takes_the_draft_that_says_it_already(bob: Access, tmp_path: Path) -> None:
    put(tmp_path, "a.md", "---\nname: Alpha\n---\nHello\n")
    push(bob, tmp_path)
    plan = plans.plan(bob, folders.read(tmp_path), publish=True)
    assert plan.steps[0].what == ("v1 says this already: published",)
    actions.carry_out(bob, plan)
    published = library.published(bob, library.find(bob, "a"))
    assert (published.number, published.published_by_id) == (1, bob.user.id)
    assert push(bob, tmp_path, publish=True) == 0


def test_a_branch_is_neither_pulled_nor_published_and_keeps_nothing_else_from_it(bob: Access, tmp_path: Path) -> None:
    put(tmp_path, "a.md", "---\nname: Alpha\n---\nMain line\n")
    put(tmp_path, "b.md", "---\nname: Beta\n---\nHello\n")
    push(bob, tmp_path)
    first = library.version(bob, library.find(bob, "a"), 1)
    prompt_templates.new_draft(bob, first, "", {"body": "On the branch"}, branch="other")
    pull(bob, tmp_path)
    assert documents.parse(written(tmp_path)["a.md"])["body"] == "Main line"
    put(tmp_path, "a.md", "---\nname: Alpha\n---\nOn the branch\n")
    plan = plans.plan(bob, folders.read(tmp_path), publish=True)
    assert [step.action for step in plan.steps] == ["left out", "change"]
    assert plan.steps[0].notes == ("v2 says this already, and is on the branch other: not published",)
    assert actions.carry_out(bob, plan) == 1
    assert library.published(bob, library.find(bob, "a")) is None
    assert library.published(bob, library.find(bob, "b")) is not None


def test_what_is_included_is_published_before_what_includes_it(bob: Access, tmp_path: Path) -> None:
    put(tmp_path, "a.md", "---\nname: A\n---\n{{> b}} and {{> c}}\n")
    put(tmp_path, "b.md", "---\nname: B\n---\nBe {{tone}}. {{> c}}\n")
    put(tmp_path, "c.md", "---\nname: C\n---\nC.\n")
    assert push(bob, tmp_path, publish=True) == 3
    assert push(bob, tmp_path, publish=True) == 0
    assert push(bob, tmp_path) == 0


def test_files_leave_out_variables_that_only_what_is_included_declares(bob: Access, tmp_path: Path) -> None:
    tone = "variables:\n  - name: tone\n    type: number\n"
    put(tmp_path, "a.md", "---\nname: A\nvariables:\n  - name: mood\n    description: Ours\n---\n{{> b}} {{own}}\n")
    put(tmp_path, "b.md", f"---\nname: B\n{tone}---\nBe {{{{tone}}}} and {{{{mood}}}}.\n")
    assert push(bob, tmp_path, publish=True) == 2
    pull(bob, tmp_path / "fresh")
    told = documents.parse(written(tmp_path / "fresh")["a.md"])["variables"]
    assert [(spec["name"], spec["description"]) for spec in told] == [("own", ""), ("mood", "Ours")]
    assert push(bob, tmp_path / "fresh", publish=True) == 0


@pytest.mark.parametrize(
    "second",
    [
        "---\nname: B\n---\n",  # cannot be published: no user part
        "---\nname: B\n---\n{{> nowhere}}\n",
        "---\nname: B\noutput_format: pdf\n---\nHi\n",
        "---\nname: B\nslug: a\n---\nHi\n",
        "---\nname: B\nslug: Not One\n---\nHi\n",
        "---\nname: B\nslug: gallery\n---\nHi\n",
        "---\nnmae: B\n---\nHi\n",
    ],
)
def test_a_push_does_all_or_nothing(bob: Access, tmp_path: Path, second: str) -> None:
    put(tmp_path, "a.md", "---\nname: A\n---\nHi\n")
    put(tmp_path, "b.md", second)
    with pytest.raises(InvalidInput) as refusal:
        push(bob, tmp_path, publish=True)
    assert "b.md" in [error["field"] for error in refusal.value.errors]
    for table in (PromptTemplate, PromptVersion, AuditEvent):
        names = db.session.scalars(sa.select(table).where(table.workspace_id == bob.workspace.id)).all()
        assert names == []


def test_a_workspace_that_asks_for_approval_is_not_published_to(bob: Access, team: Any, tmp_path: Path) -> None:
    publishing_rules.set_rule(team.access("alice"), "second_person")
    put(tmp_path, "a.md", "---\nname: A\n---\nHi\n")
    with pytest.raises(Conflict, match="needs an approval"):
        push(bob, tmp_path, publish=True)
    assert push(bob, tmp_path) == 1


def test_a_viewer_pushes_nothing(bob: Access, team: Any, tmp_path: Path) -> None:
    put(tmp_path, "a.md", "---\nname: A\n---\nHi\n")
    with pytest.raises(Denied):
        push(team.access("vera"), tmp_path)


def test_who_pushed_what_is_in_the_audit_trail(bob: Access, tmp_path: Path) -> None:
    put(tmp_path, "a.md", "---\nname: A\n---\nHi\n")
    push(bob, tmp_path, publish=True, message="From git")
    events = db.session.scalars(sa.select(AuditEvent).order_by(AuditEvent.id)).all()
    assert [event.action for event in events] == [
        "prompt_template.create",
        "prompt_template.publish",
        "prompt_template.import",
    ]
    assert events[2].after == {"through": "command line", "publish": True}
    assert {event.actor_id for event in events} == {bob.user.id}


def test_a_pull_keeps_what_is_not_its_own(bob: Access, tmp_path: Path) -> None:
    prompt_templates.create(bob, {"name": "Alpha", "body": "Hi"})
    put(tmp_path, "README.md", "# Our prompts\n")
    put(tmp_path, "gone.md", "---\nname: Gone\n---\nHi\n")
    put(tmp_path, "renamed.md", "---\nname: Alpha\nslug: alpha\n---\nOld\n")
    pulled = pull(bob, tmp_path)
    assert (pulled.written, pulled.deleted) == (("renamed.md",), ())
    assert set(written(tmp_path)) == {"README.md", "gone.md", "renamed.md"}
    assert pull(bob, tmp_path, delete=True).deleted == ("gone.md",)
    assert set(written(tmp_path)) == {"README.md", "renamed.md"}


def test_a_pull_leaves_a_file_that_says_the_same_in_other_words(bob: Access, tmp_path: Path) -> None:
    text = "---\n# ours\nname: Alpha\nslug: alpha\n---\n# @user\nHi\n"
    put(tmp_path, "alpha.md", text)
    push(bob, tmp_path)
    assert pull(bob, tmp_path).unchanged == ("alpha.md",)
    assert written(tmp_path)["alpha.md"] == text


def test_archived_templates_are_pulled_only_by_name(bob: Access, tmp_path: Path) -> None:
    template = prompt_templates.create(bob, {"name": "Alpha", "body": "Hi"})
    prompt_templates.update(bob, template, {"active": False})
    assert actions.documents_of(bob) == []
    assert [one["slug"] for one in actions.documents_of(bob, ["alpha"])] == ["alpha"]


@pytest.fixture
def aiapp(app: Flask, team: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`aiapp("push", folder, "--yes")`: the command, on the test's own database."""
    monkeypatch.setattr("aiapp.create_app", lambda: app)

    def run(*words: Any, answer: str = "") -> Any:
        with app.app_context():
            db.session.remove()
        return CliRunner().invoke(main, ["prompt-templates", *map(str, words)], input=answer)

    return run


def test_the_commands_show_ask_and_do(aiapp: Callable[..., Any], tmp_path: Path) -> None:
    put(tmp_path, "a.md", "---\nname: A\n---\nHi\n")
    no = aiapp("push", tmp_path, "--workspace", "acme", answer="n\n")
    assert no.exit_code == 1
    assert "+ a: new, v1 is a draft\n1 to create\n" in no.output
    assert "alice@example.com" in no.output  # the owner
    yes = aiapp("push", tmp_path, "--workspace", "acme", "--user", "bob@example.com", "--publish", answer="y\n")
    assert (yes.exit_code, "1 done" in yes.output, "bob@example.com" in yes.output) == (0, True, True)
    again = aiapp("push", tmp_path, "--workspace", "acme", "--publish")
    assert (again.exit_code, again.output) == (0, "= a\n1 unchanged\n")
    there = tmp_path / "new"
    pulled = aiapp("pull", there, "--workspace", "acme")
    assert (pulled.exit_code, pulled.output) == (0, "~ a.md\n1 written, 0 unchanged, 0 deleted\n")
    assert documents.parse(written(there)["a.md"])["body"] == "Hi"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["pull", "x"], 2),  # two workspaces: which?
        (["pull", "x", "--workspace", "acme", "--slug", "a", "--delete"], 2),
        (["pull", "x", "--workspace", "acme", "--slug", "nothing"], 1),
        (["pull", "x", "--workspace", "nowhere"], 1),
        (["push", ".", "--workspace", "acme", "--user", "vera@example.com"], 1),
        (["push", ".", "--workspace", "acme", "--user", "charlie@example.com"], 1),
        (["push", "missing", "--workspace", "acme"], 2),
        (["push", "bad", "--workspace", "acme", "--yes"], 1),
    ],
)
def test_the_commands_fail_with_one_line(
    aiapp: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "bad", "a.md", "---\nnmae: A\n---\nHi\n")
    answer = aiapp(*words)
    assert (answer.exit_code, "Traceback" in answer.output) == (code, False)


def test_a_plan_remembers_what_it_saw_while_somebody_thinks_about_it(bob: Access, tmp_path: Path) -> None:
    template = prompt_templates.create(bob, {"name": "Alpha", "body": "Hi"})
    put(tmp_path, "alpha.md", "---\nname: Beta\nslug: alpha\n---\nHi")
    shown = plans.plan(bob, folders.read(tmp_path))
    db.session.rollback()
    assert plans.plan(bob, folders.read(tmp_path)).digest == shown.digest
    prompt_templates.change(bob, template, {"name": "Gamma"})
    db.session.commit()
    assert plans.plan(bob, folders.read(tmp_path)).digest != shown.digest
