"""The commands: what they print where, and how they end."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import tarfile
from base64 import b64encode
from contextlib import closing

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from aiapp import config, create_app
from aiapp.accounts import tokens
from aiapp.accounts.actions import find_user, sign_in
from aiapp.accounts.models import ApiToken
from aiapp.credentials import vault
from aiapp.credentials.models import Credential
from aiapp.extensions import db
from aiapp.processes import doctor
from aiapp.processes.cli import main
from aiapp.workspaces.models import Membership, Workspace


@pytest.fixture
def environ(tmp_path, empty_database, redis_url):
    """A home with an empty database of the newest schema."""
    home = tmp_path / "home"
    home.mkdir()
    shutil.copyfile(empty_database, home / "aiapp.db")
    return {"AIAPP_HOME": str(home), "REDIS_URL": redis_url, "DATABASE_URL": "", "AIAPP_LOG_LEVEL": "error"}


@pytest.fixture
def aiapp(environ):
    """Run a command; the result has exit_code, stdout and stderr."""
    return lambda *words, **more: CliRunner().invoke(main, words, env=environ, **more)


@pytest.fixture
def inside(environ):
    """The app of the same home."""
    app = create_app(config.load(environ))
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()


@pytest.fixture
def alice(aiapp):
    aiapp("user", "create", "alice@example.com", "--name", "Alice", "--password-stdin", input="correct horse battery\n")
    aiapp("workspace", "create", "acme", "--owner", "alice@example.com")


def test_an_account_with_a_password_can_sign_in(aiapp, inside):
    result = aiapp("user", "create", "ann@example.com", "--password-stdin", "--admin", input="correct horse battery\n")
    assert (result.exit_code, result.stdout) == (0, "")
    assert find_user("ann@example.com").is_admin
    assert sign_in("ann@example.com", "correct horse battery", ip="", user_agent="")


def test_an_account_without_a_password_gets_a_link_that_sets_one(aiapp, inside):
    result = aiapp("user", "create", "ann@example.com")
    assert result.exit_code == 0
    path = result.stdout.strip().removeprefix("http://127.0.0.1:8000")
    assert path.startswith("/reset/")
    assert inside.test_client().get(path).status_code == 200


def test_a_reset_link_names_the_public_address(aiapp, alice, environ):
    environ["AIAPP_BASE_URL"] = "https://ai.example.com"
    assert aiapp("user", "reset", "alice@example.com").stdout.startswith("https://ai.example.com/reset/")


def test_a_workspace_has_the_owner_it_was_made_for(aiapp, alice, inside):
    membership = db.session.scalars(sa.select(Membership).join(Workspace).where(Workspace.slug == "acme")).one()
    assert (membership.user.email, membership.role) == ("alice@example.com", "owner")


def asked_with(text):
    """The token that a request with this text is recognised by."""
    return db.session.scalars(sa.select(ApiToken).where(ApiToken.secret_hash == tokens.hash_of(text))).one()


def test_a_token_is_all_that_is_printed_and_it_works(aiapp, alice, inside):
    result = aiapp("token", "create", "--workspace", "acme", "--user", "alice@example.com", "--name", "ci")
    assert result.exit_code == 0
    token = asked_with(result.stdout.removesuffix("\n"))
    assert (token.name, token.scope) == ("ci", "run")


def test_of_several_scopes_the_widest_counts(aiapp, alice, inside):
    scopes = ("--scope", "write", "--scope", "read")
    result = aiapp("token", "create", "--workspace", "acme", "--user", "alice@example.com", "--name", "ci", *scopes)
    assert asked_with(result.stdout.strip()).scope == "write"


def test_a_role_that_is_too_small_for_a_token_is_told_which_one_is_needed(aiapp, alice, inside):
    membership = db.session.scalars(sa.select(Membership)).one()
    membership.role = "viewer"
    db.session.commit()
    words = ("--workspace", "acme", "--user", "alice@example.com", "--name", "ci", "--scope", "admin")
    result = aiapp("token", "create", *words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "aiapp: this needs the admin role. An admin of the workspace can give it to you.\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["user", "create", "nonsense"], "aiapp: email: This is not an email address."),
        (["user", "create", "ALICE@example.com"], "aiapp: This email address has an account already."),
        (["user", "reset", "nobody@example.com"], "aiapp: nobody with the address nobody@example.com can sign in"),
        (["workspace", "create", "acme", "--owner", "alice@example.com"], "aiapp: Another workspace has this address"),
        (["workspace", "create", "x", "--owner", "nobody@example.com"], "aiapp: nobody has the address"),
        (
            ["token", "create", "--workspace", "none", "--user", "alice@example.com", "--name", "n"],
            "aiapp: alice@example.com is not a member of the workspace none",
        ),
    ],
)
def test_what_fails_says_why_in_one_line(aiapp, alice, words, line):
    result = aiapp(*words)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["up", "--port", "70000"],
        ["up", "--workers", "0"],
        ["worker", "--queues", "high,urgent"],
        ["worker", "--queues", ","],
        ["worker", "--concurrency", "none"],
        ["user", "create"],
        ["token", "create", "--scope", "everything"],
        ["restore", "no-such-file.tar"],
    ],
)
def test_wrong_usage_ends_with_2(aiapp, words):
    assert aiapp(*words).exit_code == 2


def test_a_wrong_setting_is_named(aiapp, environ):
    environ["AIAPP_MAX_RETRIES"] = "many"
    result = aiapp("user", "create", "ann@example.com")
    assert result.exit_code == 1
    assert result.stderr == "aiapp: AIAPP_MAX_RETRIES must be a number, not 'many'\n"


def test_an_empty_database_is_told_from_a_broken_one(aiapp, environ, tmp_path):
    environ["DATABASE_URL"] = f"sqlite:///{tmp_path}/new.db"
    assert "run aiapp db upgrade" in aiapp("user", "create", "ann@example.com").stderr
    (tmp_path / "new.db").write_text("this is not a database, however long it may be")
    result = aiapp("user", "create", "ann@example.com")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_migrations_go_up_and_down_by_command(aiapp, environ, tmp_path):
    environ["DATABASE_URL"] = f"sqlite:///{tmp_path}/new.db"
    assert "none" in aiapp("db", "current").stdout
    assert aiapp("db", "upgrade").exit_code == 0
    newest = aiapp("db", "current").stdout
    assert "newest" not in newest
    assert aiapp("db", "downgrade").exit_code == 0
    assert aiapp("db", "current").stdout != newest


def master_key(byte):
    return b64encode(bytes([byte]) * 32).decode()


@pytest.fixture
def credential(aiapp, alice, environ):
    """A key of acme that was stored with the first master key."""
    environ["AIAPP_MASTER_KEYS"] = master_key(1)
    app = create_app(config.load(environ))
    with app.app_context():
        workspace = db.session.scalars(sa.select(Workspace).where(Workspace.slug == "acme")).one()
        row = Credential(workspace_id=workspace.id, provider="demo", name="first", base_url="", id="c" * 32)
        row.api_key = vault.encrypt(workspace, row.id, "api_key", "sk-secret")
        db.session.add(row)
        db.session.commit()
        db.session.remove()
        db.engine.dispose()


def stored_key(environ):
    app = create_app(config.load(environ))
    with app.app_context():
        row = db.session.get(Credential, "c" * 32)
        workspace = db.session.get(Workspace, row.workspace_id)
        try:
            return vault.decrypt(workspace, row.id, "api_key", row.api_key)
        finally:
            db.session.remove()
            db.engine.dispose()


def test_rotating_the_master_key_makes_the_old_one_needless(aiapp, credential, environ):
    environ["AIAPP_MASTER_KEYS"] = f"{master_key(2)},{master_key(1)}"
    assert aiapp("key", "rotate").stdout == "1 wrapped anew, 0 were already\n"
    assert aiapp("key", "rotate").stdout == "0 wrapped anew, 1 were already\n"
    environ["AIAPP_MASTER_KEYS"] = master_key(2)
    assert stored_key(environ) == "sk-secret"


def test_a_rotation_without_the_old_key_fails_and_names_the_workspace(aiapp, credential, environ):
    environ["AIAPP_MASTER_KEYS"] = master_key(2)
    result = aiapp("key", "rotate")
    assert result.exit_code == 1
    assert "acme" in result.stderr


def test_what_a_lost_master_key_closed_can_be_given_up_and_entered_again(aiapp, credential, environ):
    kept = aiapp("key", "reset", "acme", "--yes")
    assert kept.exit_code == 1
    assert "nothing to give up" in kept.stderr
    environ["AIAPP_MASTER_KEYS"] = master_key(2)
    assert aiapp("key", "reset", "nobody", "--yes").exit_code == 1
    assert aiapp("key", "reset", "acme", "--yes").exit_code == 0
    app = create_app(config.load(environ))
    with app.app_context():
        row = db.session.get(Credential, "c" * 32)
        workspace = db.session.get(Workspace, row.workspace_id)
        with pytest.raises(vault.Unreadable):
            vault.decrypt(workspace, row.id, "api_key", row.api_key)
        blob = vault.encrypt(workspace, row.id, "api_key", "sk-new")
        assert vault.decrypt(workspace, row.id, "api_key", blob) == "sk-new"
        db.session.remove()
        db.engine.dispose()


def parts(result):
    """What the doctor says, by part: whether it is fine, and the rest of the line."""
    lines = [line for line in result.stdout.splitlines() if not line.startswith(" ")]
    return {line.split()[1]: (line.startswith("ok"), line[18:]) for line in lines}


def test_the_doctor_finds_what_is_broken_and_says_what_to_do(aiapp, credential, environ, connection):
    environ["AIAPP_MASTER_KEYS"] = master_key(2)
    environ["AIAPP_OUTBOUND_ALLOW"] = "no.such.host.invalid:443"
    result = aiapp("doctor")
    found = parts(result)
    assert result.exit_code == 1
    assert found["redis"][0]
    assert found["workers"] == (False, "none is alive, 0 jobs wait")
    assert found["scheduler"][0] is False
    assert found["keys"] == (False, "credentials of acme cannot be read")
    assert found["outbound"][0] is False
    assert "AIAPP_MASTER_KEYS" in result.stdout


def test_the_doctor_tells_an_old_schema_and_an_absent_redis(aiapp, environ, tmp_path):
    environ.update(DATABASE_URL=f"sqlite:///{tmp_path}/new.db", REDIS_URL="")
    found = parts(aiapp("doctor"))
    assert "schema is empty" in found["database"][1]
    assert found["redis"] == (False, "the embedded Redis does not run")
    assert [found[part][0] for part in ("workers", "scheduler", "keys")] == [False] * 3
    environ["REDIS_URL"] = f"unix://{tmp_path}/none.sock"
    assert "cannot be reached" in parts(aiapp("doctor"))["redis"][1]


def test_the_doctor_sees_a_secret_that_others_may_read_and_a_full_disk(aiapp, environ, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "LEAST_FREE_BYTES", 2**70)
    (tmp_path / "home" / "master_key").write_text(master_key(1))
    (tmp_path / "home" / "master_key").chmod(0o644)
    result = aiapp("doctor")
    assert "chmod 600" in result.stdout
    assert parts(result)["disk"][0] is False


def test_the_doctor_misses_a_style_sheet(aiapp, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.assets, "VENDOR", tmp_path)
    assert parts(aiapp("doctor"))["assets"][0] is False


def rows(file):
    with closing(sqlite3.connect(file)) as database:
        return sorted(database.execute("SELECT email FROM user"))


def stamped(home):
    """Mark the database of the tests, which no migration made, as being of the newest version."""
    with closing(sqlite3.connect(home / "aiapp.db")) as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        database.execute("INSERT INTO alembic_version VALUES ('0001')")
        database.commit()


def test_a_backup_restores_to_the_original_even_into_an_empty_home(aiapp, credential, environ, tmp_path):
    stamped(tmp_path / "home")
    saved = aiapp("backup", str(tmp_path / "saved.tar"))
    assert saved.exit_code == 0, saved.output
    assert f"saved {tmp_path / 'home' / 'aiapp.db'} to {tmp_path / 'saved.tar'}, " in saved.stdout
    assert "iB: 1 workspace, 1 account, 1 credential, 0 prompt templates, 0 executions\n" in saved.stdout
    assert "the master key is not in it" in saved.stderr
    assert "(it is in AIAPP_MASTER_KEYS)" in saved.stderr
    assert (tmp_path / "saved.tar").stat().st_mode & 0o777 == 0o600
    environ.update(AIAPP_HOME=str(tmp_path / "other"))
    restored = aiapp("restore", str(tmp_path / "saved.tar"))
    assert restored.exit_code == 0
    assert f"to {tmp_path / 'other' / 'aiapp.db'}: 1 workspace, 1 account, 1 credential, 0" in restored.stdout
    assert "the key there opens all 1 stored keys" in restored.stdout
    assert "what was there before" not in restored.stdout
    assert not (tmp_path / "other" / "aiapp.db.before-restore").exists()
    assert "looked for in AIAPP_MASTER_KEYS\n" in restored.stderr
    assert rows(tmp_path / "other" / "aiapp.db") == rows(tmp_path / "home" / "aiapp.db") == [("alice@example.com",)]
    assert stored_key(environ) == "sk-secret"


def test_secrets_are_in_a_backup_only_when_asked_for(aiapp, alice, environ, tmp_path):
    stamped(tmp_path / "home")
    aiapp("backup", str(tmp_path / "plain.tar"))
    aiapp("backup", str(tmp_path / "full.tar"), "--with-secrets")
    with tarfile.open(tmp_path / "plain.tar") as plain, tarfile.open(tmp_path / "full.tar") as full:
        assert set(plain.getnames()) == {"manifest.json", "database"}
        assert set(full.getnames()) - set(plain.getnames()) == {"secrets/secret_key", "secrets/master_key"}
    environ.update(AIAPP_HOME=str(tmp_path / "other"))
    restored = aiapp("restore", str(tmp_path / "full.tar"))
    assert restored.exit_code == 0
    assert f"secret_key and master_key were in it, and are in {tmp_path / 'other'}" in restored.stdout
    assert "master key" not in restored.stderr
    for name in ("secret_key", "master_key"):
        assert (tmp_path / "other" / name).read_text() == (tmp_path / "home" / name).read_text()
        assert (tmp_path / "other" / name).stat().st_mode & 0o777 == 0o600


def test_a_restore_replaces_data_only_when_told_to_and_keeps_it_beside(aiapp, alice, tmp_path):
    stamped(tmp_path / "home")
    aiapp("backup", str(tmp_path / "saved.tar"))
    aiapp("user", "create", "later@example.com")
    refused = aiapp("restore", str(tmp_path / "saved.tar"))
    assert (refused.exit_code, refused.stderr) == (1, "aiapp: there is data already: --replace replaces it\n")
    restored = aiapp("restore", str(tmp_path / "saved.tar"), "--replace")
    assert restored.exit_code == 0
    assert f"what was there before is in {tmp_path / 'home' / 'aiapp.db.before-restore'}" in restored.stdout
    assert rows(tmp_path / "home" / "aiapp.db") == [("alice@example.com",)]
    assert len(rows(tmp_path / "home" / "aiapp.db.before-restore")) == 2
    assert aiapp("restore", str(tmp_path / "saved.tar"), "--replace").exit_code == 0
    assert len(rows(tmp_path / "home" / "aiapp.db.before-restore")) == 2  # still there
    assert len(rows(tmp_path / "home" / "aiapp.db.before-restore-2")) == 1


def test_a_restore_with_another_master_key_says_whose_credentials_are_lost(aiapp, credential, environ, tmp_path):
    stamped(tmp_path / "home")
    aiapp("backup", str(tmp_path / "saved.tar"))
    environ.update(AIAPP_HOME=str(tmp_path / "other"), AIAPP_MASTER_KEYS="")
    restored = aiapp("restore", str(tmp_path / "saved.tar"))
    assert restored.exit_code == 0
    assert f"looked for in {tmp_path / 'other' / 'master_key'} (AIAPP_MASTER_KEYS is not set)" in restored.stderr
    assert "does not open the credentials of acme" in restored.stderr


def test_the_demo_command_says_what_there_is_and_how_to_sign_in(aiapp, environ):
    first, again = aiapp("demo"), aiapp("demo")
    assert first.exit_code == again.exit_code == 0
    assert first.stdout.startswith("the demo workspace is made: 2 credentials, 6 prompt templates, 9 executions\n")
    assert again.stdout.startswith("the demo workspace is made anew: 2 credentials, 6 prompt templates, 9 executions\n")
    assert "http://127.0.0.1:8000/w/demo, sign in with demo@example.com / demo" in again.stdout
    assert "that password is public" in again.stderr
    environ["AIAPP_DEMO"] = "1"
    assert aiapp("demo").stderr == ""


def test_a_backup_never_overwrites(aiapp, tmp_path):
    (tmp_path / "saved.tar").write_text("something else")
    assert aiapp("backup", str(tmp_path / "saved.tar")).exit_code == 1
    assert (tmp_path / "saved.tar").read_text() == "something else"


def rewritten(source, target, **changes):
    """Copy a backup with other facts in its manifest."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            content = old.extractfile(member).read()
            if member.name == "manifest.json":
                content = json.dumps({**json.loads(content), **changes}).encode()
                member.size = len(content)

            new.addfile(member, io.BytesIO(content))
    return str(target)


def test_a_backup_that_does_not_fit_changes_nothing(aiapp, alice, tmp_path):
    stamped(tmp_path / "home")
    aiapp("backup", str(tmp_path / "saved.tar"))
    (tmp_path / "nonsense.tar").write_bytes(b"\0" * 2048)
    refusals = {
        str(tmp_path / "nonsense.tar"): "not a backup",
        rewritten(tmp_path / "saved.tar", tmp_path / "1.tar", format=2): "another version",
        rewritten(tmp_path / "saved.tar", tmp_path / "2.tar", sha256="0"): "damaged",
        rewritten(tmp_path / "saved.tar", tmp_path / "3.tar", database="postgresql"): "DATABASE_URL names sqlite",
        rewritten(tmp_path / "saved.tar", tmp_path / "4.tar", revision="9999"): "newer aiapp",
    }
    for file, reason in refusals.items():
        result = aiapp("restore", file, "--replace")
        assert result.exit_code == 1
        assert reason in result.stderr
    assert rows(tmp_path / "home" / "aiapp.db") == [("alice@example.com",)]


def test_nothing_is_restored_under_a_running_aiapp(aiapp, alice, connection, start_worker, inside, tmp_path):
    from stage import eventually

    from aiapp import queue

    stamped(tmp_path / "home")
    aiapp("backup", str(tmp_path / "saved.tar"))
    start_worker()
    assert eventually(lambda: queue.workers() == 1)
    result = aiapp("restore", str(tmp_path / "saved.tar"), "--replace")
    assert result.stderr == "aiapp: aiapp is running: stop it first\n"
