"""Files in the browser: out as a zip, in after a look at the plan; what is a trap is refused in plain words."""

from __future__ import annotations

import base64
import io
import json
import re
import stat
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from aiapp.audit import AuditEvent
from aiapp.extensions import db
from aiapp.prompt_files import archives, reading
from aiapp.prompt_files.found import Refused
from aiapp.prompt_templates import actions, drafts, library, publishing_rules
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.prompt_templates.text import documents

LIBRARY = "/w/acme/prompt-templates"
IMPORT = f"{LIBRARY}/import"
ALPHA = "---\nname: Alpha\n---\nHello {{name}}\n"
SignIn = Callable[[str], Any]


def zipped(**files: str | bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_MACOSX", "__MACOSX") + ".md", content)
    return buffer.getvalue()


def bring(client: Any, *files: tuple[str, bytes], **fields: str) -> Any:
    """Upload files, as the first form does."""
    parts = [(f'name="{name}"', value.encode()) for name, value in {"csrf_token": client.csrf(), **fields}.items()]
    parts += [(f'name="file"; filename="{name}"', content) for name, content in files]
    body = b"".join(
        b"--edge\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (about.encode(), content)
        for about, content in parts
    )
    return client.post(IMPORT, data=body + b"--edge--\r\n", content_type="multipart/form-data; boundary=edge")


def agree(client: Any, page: str, **fields: Any) -> Any:
    """Send the second form as it came, all ticked unless `chosen` says otherwise."""
    inputs = dict(re.findall(r'name="(digest|publish)" value="([^"]*)"', page))
    chosen = re.findall(r'name="chosen"\s+value="([^"]+)"', page)
    import html

    upload = html.unescape(re.findall(r'<textarea name="upload"[^>]*>(.*?)</textarea>', page, re.DOTALL)[0])
    data = {**inputs, "chosen": chosen, "upload": upload, **fields}
    return client.submit(IMPORT, data, content_type="multipart/form-data")


def slugs(app: Flask) -> list[str]:
    with app.app_context():
        return sorted(db.session.scalars(sa.select(PromptTemplate.slug)))


def test_files_are_looked_at_first_and_then_imported(app: Flask, sign_in: SignIn, team: Any) -> None:
    bob = sign_in("bob")
    shown = bring(bob, ("alpha.md", ALPHA.encode()), ("more.zip", zipped(beta=ALPHA.replace("Alpha", "Beta"))))
    page = shown.get_data(as_text=True)
    assert shown.status_code == 200
    assert "2 to create" in page
    assert slugs(app) == []
    done = agree(bob, page, message="From the old tool")
    assert done.location == LIBRARY
    assert slugs(app) == ["alpha", "beta"]
    with app.app_context():
        access = team.access("bob")
        version = library.version(access, library.find(access, "alpha"), 1)
        assert (version.status, version.body) == ("draft", "Hello {{name}}")
    again = bring(bob, ("alpha.md", ALPHA.encode())).get_data(as_text=True)
    assert "1 unchanged" in again
    assert 'name="chosen"' not in again


def test_what_is_published_and_what_is_left_out_is_the_readers_choice(app: Flask, sign_in: SignIn, team: Any) -> None:
    bob = sign_in("bob")
    files = ("a.md", ALPHA.encode()), ("b.md", ALPHA.replace("Alpha", "Beta").encode())
    page = bring(bob, *files, publish="1").get_data(as_text=True)
    assert "published as v1" in page.lower()
    assert agree(bob, page, chosen=["b"]).location == LIBRARY
    with app.app_context():
        access = team.access("bob")
        assert library.published(access, library.find(access, "b")).number == 1
    assert slugs(app) == ["b"]
    fresh = bring(bob, *files, publish="1").get_data(as_text=True)
    assert "Tick at least one" in agree(bob, fresh, chosen=[]).get_data(as_text=True)


def test_a_plan_that_is_out_of_date_is_shown_again(app: Flask, sign_in: SignIn, team: Any) -> None:
    bob = sign_in("bob")
    page = bring(bob, ("alpha.md", ALPHA.encode())).get_data(as_text=True)
    with app.app_context():
        actions.create(team.access("bob"), {"name": "Alpha", "body": "Something else"})
    answer = agree(bob, page)
    assert answer.status_code == 409
    assert "changed meanwhile" in answer.get_data(as_text=True)
    assert "1 to change" in answer.get_data(as_text=True)


def test_what_a_colleague_renames_meanwhile_is_not_overwritten(app: Flask, sign_in: SignIn, team: Any) -> None:
    bob = sign_in("bob")
    with app.app_context():
        actions.create(team.access("bob"), {"name": "Alpha", "body": "Hello {{name}}"})
    renamed = ("alpha.md", ALPHA.replace("Alpha", "Alpha 2\nslug: alpha").encode())
    page = bring(bob, renamed).get_data(as_text=True)
    assert "1 to change" in page
    with app.app_context():
        access = team.access("adam")
        actions.change(access, library.find(access, "alpha"), {"name": "Alpha of Adam"})
        db.session.commit()
    answer = agree(bob, page)
    assert answer.status_code == 409
    with app.app_context():
        assert library.find(team.access("bob"), "alpha").name == "Alpha of Adam"
    assert agree(bob, answer.get_data(as_text=True)).location == LIBRARY


def test_what_a_colleague_writes_meanwhile_is_looked_at_again(app: Flask, sign_in: SignIn, team: Any) -> None:
    bob = sign_in("bob")
    with app.app_context():
        actions.create(team.access("bob"), {"name": "Alpha", "body": "Some words {{name}}"})
    page = bring(bob, ("alpha.md", ALPHA.encode())).get_data(as_text=True)
    with app.app_context():
        access = team.access("bob")
        version = library.version(access, library.find(access, "alpha"), 1)
        drafts.save_draft(access, version, {"body": "Other words {{name}}"}, version.lock_version)
    answer = agree(bob, page)
    assert (answer.status_code, "1 to change" in answer.get_data(as_text=True)) == (409, True)


@pytest.mark.parametrize(("was", "put"), [("Hello", "Howdy"), ("Alpha", "Gamma\nslug: alpha")])
def test_a_second_form_with_another_file_is_shown_first(app: Flask, sign_in: SignIn, was: str, put: str) -> None:
    bob = sign_in("bob")
    page = bring(bob, ("alpha.md", ALPHA.encode())).get_data(as_text=True)
    other = base64.urlsafe_b64encode(ALPHA.replace(was, put).encode()).decode()
    answer = agree(bob, page, upload=json.dumps([["alpha.md", other]]))
    assert (answer.status_code, "1 to create" in answer.get_data(as_text=True)) == (409, True)
    assert slugs(app) == []


def test_a_file_that_cannot_be_read_says_why_and_the_others_can_be_imported(app: Flask, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    wrong = "---\nname: Beta\noutput_format: pdf\n---\nHi"
    page = bring(bob, ("alpha.md", ALPHA.encode()), ("b.md", wrong.encode()), ("c.exe", b"MZ\xff")).get_data(
        as_text=True
    )
    assert "output_format: Choose one of" in page
    assert "not text in UTF-8" in page
    assert agree(bob, page).location == LIBRARY
    assert slugs(app) == ["alpha"]


def test_an_import_that_cannot_be_published_changes_nothing(app: Flask, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    page = bring(bob, ("a.md", ALPHA.encode()), ("b.md", b"---\nname: Beta\n---\n"), publish="1").get_data(as_text=True)
    answer = agree(bob, page)
    assert answer.status_code == 422
    assert "user part is empty" in answer.get_data(as_text=True)
    assert slugs(app) == []


def test_where_publishing_needs_an_approval_it_is_not_offered(app: Flask, sign_in: SignIn, team: Any) -> None:
    assert 'name="publish"' in sign_in("bob").get(IMPORT).get_data(as_text=True)
    with app.app_context():
        publishing_rules.set_rule(team.access("alice"), "admin")
    assert 'name="publish"' not in sign_in("bob").get(IMPORT).get_data(as_text=True)


def test_nothing_chosen_and_a_broken_second_form_are_answered_in_words(sign_in: SignIn) -> None:
    bob = sign_in("bob")
    assert "Choose a file first" in bring(bob).get_data(as_text=True)
    for upload in ("nonsense", '["a"]', '[["a", 1]]', "[" * 100_000):
        answer = bob.submit(IMPORT, {"upload": upload, "digest": "x"})
        assert (answer.status_code, "did not arrive" in answer.get_data(as_text=True)) == (422, True)


HALF = "\ud800"  # of a surrogate pair: JSON can say it, UTF-8 and a page cannot


@pytest.mark.parametrize(
    "prompt",
    [
        {"name": "a", "prompt": "Hi", "labels": [HALF]},
        {"name": HALF, "prompt": "Hi"},
        {"name": HALF, "versions": [1]},
        {"name": "a", "prompt": "Hi", "config": {HALF: 1}},
        {"name": "a", "prompt": [{"type": "placeholder", "name": HALF}]},
        {"name": "a", "prompt": [{"role": HALF, "content": "Hi"}]},
        {"name": "a", "prompt": f"@@@langfusePrompt:name={HALF}|label=x@@@"},
        {"name": "a", "prompt": f"{{{{a|{HALF}}}}}"},
        {"prompts": [{"label": HALF, "raw": "Hi"}], "providers": [HALF]},
        {"prompts": [f"file://{HALF}"], "tests": []},
    ],
)
def test_half_of_a_surrogate_pair_is_refused_in_words(sign_in: SignIn, prompt: dict[str, Any]) -> None:
    bob = sign_in("bob")
    shown = bring(bob, ("a.json", json.dumps(prompt).encode()))
    page = shown.get_data(as_text=True)
    assert (shown.status_code, "half of a surrogate pair" in page) == (200, True)
    assert 'name="chosen"' not in page
    assert agree(bob, page, chosen=["a"]).status_code == 422


def test_half_of_a_surrogate_pair_in_messages_that_are_text_stays_text(sign_in: SignIn) -> None:
    messages = json.dumps([{"role": HALF, "content": "Hi"}, {"type": "placeholder", "name": HALF}])
    config = {"prompts": [messages], "tests": []}
    shown = bring(sign_in("bob"), ("a.json", json.dumps(config).encode()))
    assert shown.status_code == 200
    assert "no JSON as it stands" in shown.get_data(as_text=True)


def test_pairs_of_surrogates_are_letters_like_others() -> None:
    (found,) = reading.read("a.json", rb'{"name": "a", "prompt": "\ud83d\ude00"}')
    assert found.template is not None
    assert found.template["body"] == "\U0001f600"


def test_a_second_form_whose_file_has_no_name_that_can_be_shown_is_refused(sign_in: SignIn) -> None:
    for name in (HALF, 1, None, "\0"):
        answer = sign_in("bob").submit(IMPORT, {"upload": json.dumps([[name, "SGk="]]), "digest": "x"})
        assert (answer.status_code, "did not arrive" in answer.get_data(as_text=True)) == (422, True)


def test_only_editors_import(sign_in: SignIn) -> None:
    vera = sign_in("vera")
    assert vera.get(IMPORT).status_code == 403
    assert bring(vera, ("a.md", ALPHA.encode())).status_code == 403


def test_hostile_names_in_files_are_shown_as_text(sign_in: SignIn) -> None:
    text = "---\nname: <script>alert(1)</script>\nslug: x\n---\nHi"
    page = bring(sign_in("bob"), ("<script>.md", text.encode())).get_data(as_text=True)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_a_zip_of_all_comes_back_as_it_went(app: Flask, sign_in: SignIn, team: Any) -> None:
    with app.app_context():
        access = team.access("bob")
        for name in ("Alpha", "Beta"):
            actions.create(access, {"name": name, "body": f"{name} {{{{x}}}}"})
    vera, bob = sign_in("vera"), sign_in("bob")
    answer = vera.submit(f"{LIBRARY}/export")
    assert answer.mimetype == "application/zip"
    assert "attachment" in answer.headers["Content-Disposition"]
    assert answer.get_data() == vera.submit(f"{LIBRARY}/export").get_data()
    files = archives.unpack(answer.get_data())
    assert [name for name, _ in files] == ["alpha.md", "beta.md"]
    assert documents.parse(files[0][1].decode())["body"] == "Alpha {{x}}"
    assert "2 unchanged" in bring(bob, ("all.zip", answer.get_data())).get_data(as_text=True)
    one = archives.unpack(vera.submit(f"{LIBRARY}/export", {"slug": ["beta"]}).get_data())
    assert [name for name, _ in one] == ["beta.md"]
    assert vera.submit(f"{LIBRARY}/export", {"slug": ["nothing"]}).status_code == 404
    with app.app_context():
        noted = db.session.scalars(sa.select(AuditEvent).where(AuditEvent.action == "prompt_template.export")).all()
        assert [event.subject for event in noted] == ["2 prompt templates", "2 prompt templates", "1 prompt templates"]


def test_nothing_leaves_as_files_without_a_word_in_the_audit_trail(app: Flask, sign_in: SignIn, team: Any) -> None:
    with app.app_context():
        actions.create(team.access("bob"), {"name": "Alpha", "body": "Hi"})
    vera = sign_in("vera")
    assert vera.get(f"{LIBRARY}/export").status_code in (404, 405)
    page = vera.get(LIBRARY).get_data(as_text=True)
    form = re.search(rf'<form method="post" action="{LIBRARY}/export"[^>]*>(.*?)</form>', page, re.DOTALL)
    assert form
    assert "Export all" in form[1]
    token = re.findall(r'name="csrf_token" value="([^"]+)"', form[1])
    answer = vera.post(f"{LIBRARY}/export", data={"csrf_token": token})  # as a browser sends it, without a script
    assert (answer.status_code, answer.mimetype) == (200, "application/zip")
    with app.app_context():
        action = AuditEvent.action == "prompt_template.export"
        assert db.session.scalars(sa.select(AuditEvent.subject).where(action)).all() == ["1 prompt templates"]


def entry(name: str, mode: int = 0) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, "x")
    return buffer.getvalue()


def many() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(10_000):
            archive.writestr(f"{number}.md", b"")
    return buffer.getvalue()


def encrypted() -> bytes:
    data = bytearray(zipped(a="x"))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


def nameless() -> bytes:
    """A zip file whose entry has an empty name, as no tool writes it."""
    data = entry("a")
    at = data.index(b"PK\x01\x02")
    first, listed = bytearray(data[:at]), bytearray(data[at:])
    first[26], listed[28] = 0, 0  # the lengths of the names
    del first[30], listed[46]
    end = listed.index(b"PK\x05\x06")
    listed[end + 12 : end + 20] = end.to_bytes(4, "little") + len(first).to_bytes(4, "little")
    return bytes(first + listed)


def lying() -> bytes:
    """A bomb whose list says that it is small."""
    data = bytearray(zipped(a=b"\0" * 20_000_000))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (100).to_bytes(4, "little")
    return bytes(data)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: zipped(a=b"\0" * 11_000_000), "unpacks to more than"),
        (lambda: zipped(**{f"a{n}": b"\0" * 1_000_000 for n in range(9)}), "unpacks to more than"),
        (lying, "unpacks to more than|damaged"),
        (many, "more than 1,000 entries"),
        (lambda: zipped(a=zipped(b="x")), "another one in it"),
        (encrypted, "encrypted"),
        (lambda: entry("../evil.md"), "leads out"),
        (lambda: entry("a/../../evil.md"), "leads out"),
        (lambda: entry("/etc/evil.md"), "leads out"),
        (lambda: entry("C:evil.md"), "leads out"),
        (lambda: entry("a\\..\\evil.md"), "leads out"),
        (lambda: entry("link.md", stat.S_IFLNK | 0o777), "link or a device"),
        (lambda: entry("pipe.md", stat.S_IFIFO), "link or a device"),
        (nameless, "without a name"),
        (lambda: zipped(a="x")[:-30], "damaged"),
        (lambda: b"PK\x03\x04" + b"\xff" * 100, "damaged"),
    ],
)
def test_a_zip_that_is_a_trap_is_refused_whole(
    app: Flask, sign_in: SignIn, make: Callable[[], bytes], words: str
) -> None:
    data = make()
    with pytest.raises(Refused, match=words):
        archives.unpack(data)
    answer = bring(sign_in("bob"), ("x.zip", data))
    assert (answer.status_code, "Nothing is imported" in answer.get_data(as_text=True)) in {(422, True), (413, False)}


def test_too_much_for_one_form_is_refused_with_a_way_out(sign_in: SignIn) -> None:
    answer = bring(sign_in("bob"), ("a.md", b"x" * 1_600_000))
    assert answer.status_code == 422
    assert "push it by command" in answer.get_data(as_text=True)


def test_what_a_mac_and_an_editor_leave_behind_is_passed_over() -> None:
    files = archives.unpack(zipped(**{"_MACOSX__a": "x", "prompts__.hidden": "x", "prompts__a": "x"}))
    assert [name for name, _ in files] == ["prompts/a.md"]


LANGFUSE = [
    {
        "name": "Movie Critic",
        "type": "text",
        "version": 1,
        "prompt": "As a {{ criticLevel }} critic, {{movie-name}}? @@@langfusePrompt:name=Base Rules|label=production@@@",
        "config": {"model": "gpt-4o", "temperature": 0.5, "supported_languages": ["en"]},
        "labels": ["production", "staging"],
        "tags": ["movies"],
    },
    {"name": "Movie Critic", "type": "text", "version": 2, "prompt": "newer", "labels": ["latest"], "tags": []},
    {
        "name": "helper",
        "type": "chat",
        "version": 3,
        "prompt": [
            {"role": "system", "content": "You are {{who}}."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"type": "placeholder", "name": "history"},
            {"role": "user", "content": "{{question}}"},
        ],
        "config": {
            "max_tokens": 50,
            "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}},
        },
    },
]


def test_langfuse_prompts_become_prompt_templates() -> None:
    critic, helper = reading.read("prompts.json", json.dumps(LANGFUSE).encode())
    assert critic.template is not None
    assert helper.template is not None
    assert critic.template["slug"] == "movie-critic"
    assert critic.template["body"] == "As a {{criticLevel}} critic, {{movie_name}}? {{> base-rules}}"
    assert (critic.template["model"], critic.template["temperature"]) == ("gpt-4o", 0.5)
    assert critic.template["tags"] == ["movies"]
    said = " ".join(critic.notes)
    assert all(word in said for word in ("production", "staging", "supported_languages", "movie_name", "Base Rules"))
    assert helper.template["system"] == "You are {{who}}."
    assert helper.template["body"] == "{{question}}"
    assert [message["role"] for message in helper.template["messages"]] == ["user", "assistant"]
    assert (helper.template["output_format"], helper.template["json_schema"]) == ("json", {"type": "object"})
    assert helper.template["max_tokens"] == 50
    assert "history" in " ".join(helper.notes)


def test_braces_and_spaces_without_end_are_read_once() -> None:
    for prompt in ("{{" + " " * 1_000_000, "{{ " * 40_000):  # a pattern that goes back over the spaces takes hours
        (found,) = reading.read("x.json", json.dumps({"name": "a", "prompt": prompt}).encode())
        assert found.template is not None
        assert found.template["body"].startswith(prompt[:3])


def test_spaces_and_hyphens_inside_of_braces_do_not_count() -> None:
    prompt = "{{ a }}{{-b-}}{{- c\n -}}{{> d}}{{ - }}{{e|safe}}{{f  |  trim}}"
    (found,) = reading.read("x.json", json.dumps({"name": "a", "prompt": prompt}).encode())
    assert found.template is not None
    assert found.template["body"] == "{{a}}{{b}}{{c}}{{> d}}{{ - }}{{e}}{{f}}"


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: {"data": [one]}, lambda one: {"prompts": [one]}])
def test_langfuse_prompts_are_known_in_each_of_their_wrappings(wrap: Callable[[Any], Any]) -> None:
    found = reading.read("x.json", json.dumps(wrap(LANGFUSE[1])).encode())
    assert [one.template and one.template["body"] for one in found] == ["newer"]


def test_a_list_of_langfuse_names_says_that_the_texts_are_missing() -> None:
    found = reading.read("x.json", b'{"data": [{"name": "a", "versions": [1, 2], "labels": []}]}')
    assert "text is missing" in found[0].problems[0]


PROMPTFOO = """\
# yaml-language-server: $schema=https://promptfoo.dev/config-schema.json
description: Translations
prompts:
  - 'Translate to {{language}}: {{ text | upper }}'
  - file://prompts/a.txt
  - id: chat
    label: Chat
    raw: |
      [{"role": "system", "content": "You are {{ role }}."}, {"role": "user", "content": "{{q}}"}]
  - '{% if premium %}Priority{% endif %} {{issue}}'
  - 'Translate to {{language}}: {{ text | upper }}'
providers:
  - id: openai:chat:gpt-4o
    config: {temperature: 0.3, seed: 7}
defaultTest:
  vars: {role: a pirate}
tests:
  - vars: {language: [French, German], text: "Hello\\nworld", q: {a: 1}, issue: 3}
"""


def test_promptfoo_prompts_become_prompt_templates() -> None:
    plain, elsewhere, chat, conditional, twin = reading.read("promptfooconfig.yaml", PROMPTFOO.encode())
    assert plain.template is not None
    assert chat.template is not None
    assert twin.template is not None
    assert plain.template["body"] == "Translate to {{language}}: {{text}}"
    samples = {spec["name"]: (spec["type"], spec["sample"]) for spec in plain.template["variables"]}
    assert samples == {"language": ("text", "French"), "text": ("long_text", "Hello\nworld")}
    assert (plain.template["provider"], plain.template["model"]) == ("openai", "gpt-4o")
    assert plain.template["temperature"] == 0.3
    assert "filter upper" in " ".join(plain.notes)
    assert "seed" in " ".join(plain.notes)
    assert "file://prompts/a.txt is not in this file" in elsewhere.problems[0]
    assert (chat.template["name"], chat.template["system"]) == ("Chat", "You are {{role}}.")
    assert {spec["name"]: spec["sample"] for spec in chat.template["variables"]} == {"role": "a pirate", "q": {"a": 1}}
    assert "sent as written" in " ".join(conditional.notes)
    assert twin.template["slug"] != plain.template["slug"]


def test_a_prompt_of_many_file_names_is_read_once() -> None:
    long = "a.txt" * 180_000 + " x"  # a pattern that begins again at each of them takes half an hour
    config = {"prompts": [{"raw": long}, {"raw": "{{q}}"}], "tests": [{"vars": {"q": long}}]}
    named, asked = reading.read("x.json", json.dumps(config).encode())
    assert named.template is not None
    assert asked.template is not None
    assert named.template["body"] == long
    assert asked.template["variables"][0]["sample"] == long


def test_prompts_and_values_in_other_files_of_the_upload_are_read() -> None:
    config = """\
prompts: [file://../prompts/a.txt, {id: 'file://chat.yaml', label: Chat}, '../prompts/*.j2', file://../../../etc/passwd.txt, file://a.py]
tests: file://tests.yaml
"""
    files = {
        "x/conf/promptfooconfig.yaml": config,
        "x/conf/chat.yaml": "- {role: system, content: 'Be {{role}}.'}\n- {role: user, content: '{{q}}'}\n",
        "x/conf/tests.yaml": "- vars: {q: file://values/q.txt, role: file://values/none.txt, long: file://values/long.txt}\n",
        "x/conf/values/q.txt": "Why?\n",
        "x/conf/values/long.txt": "x" * 30_000,
        "x/conf/a.py": "print()",
        "x/prompts/a.txt": "One {{q}}\n---\nTwo {{long}}\n",
        "x/prompts/b.j2": "Three {{ role }}",
        "etc/passwd.txt": "secret",
    }
    found = reading.read_all((name, text.encode()) for name, text in files.items())
    templates = [one.template for one in found if one.template]

    assert [(one["name"], one["system"], one["body"]) for one in templates] == [
        ("a", "", "One {{q}}"),
        ("a", "", "Two {{long}}"),
        ("Chat", "Be {{role}}.", "{{q}}"),
        ("b", "", "Three {{role}}"),
    ]
    assert [spec["sample"] for one in templates for spec in one["variables"]] == ["Why?", "Why?"]
    left = {one.source: " ".join((*one.problems, *one.notes)) for one in found if not one.template}
    assert set(left) == {"x/conf/promptfooconfig.yaml", "x/conf/a.py", "etc/passwd.txt"}
    problems = [problem for one in found for problem in one.problems]
    assert "file://../../../etc/passwd.txt is not in this file" in problems[0]
    assert "file://a.py is not in this file" in problems[1]


def test_one_file_that_is_named_very_often_is_read_within_bounds() -> None:
    config = json.dumps({"prompts": ["big.txt"] * 400, "tests": []})
    found = reading.read_all([("c.json", config.encode()), ("big.txt", b"a\n" * 500_000)])
    assert sum(one.template is not None for one in found) == 10


@pytest.mark.parametrize("name", ["file://a", "exec:run", "prompts/*.md", "a.py:fn", "a.b.txt", "x.txt.txt"])
def test_prompts_in_other_files_are_told_by_their_names(name: str) -> None:
    (found,) = reading.read("x.json", json.dumps({"prompts": [name], "tests": []}).encode())
    assert "is not in this file" in found.problems[0]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.json", b"{", "not JSON"),
        ("a.json", b"{}", "neither"),
        ("a.json", b"[" * 200_000, "too much"),
        ("a.yaml", b"a: *x", "aliases"),
        ("a.yaml", b"x: !!python/object/apply:os.system [id]", "Tags"),
        ("a.yaml", b"just words", "neither"),
        ("a.pdf", b"%PDF", "kind of file"),
        ("a.md", b"\xff\xfe", "UTF-8"),
        ("a.md", b"---\n" + b"x" * 3_000_000, "larger than"),
    ],
)
def test_other_files_are_refused_in_plain_words(name: str, data: bytes, words: str) -> None:
    (found,) = reading.read(name, data)
    assert found.template is None
    assert words in found.problems[0]


def test_imports_of_both_tools_go_through_the_page(app: Flask, sign_in: SignIn) -> None:
    bob = sign_in("bob")
    page = bring(bob, ("l.json", json.dumps(LANGFUSE).encode()), ("p.yaml", PROMPTFOO.encode())).get_data(as_text=True)
    assert "filter upper is not applied" in page
    assert agree(bob, page).location == LIBRARY
    assert {"movie-critic", "helper", "chat"} <= set(slugs(app))
