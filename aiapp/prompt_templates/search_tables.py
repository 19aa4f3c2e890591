"""The full-text index of prompt templates: one row each in prompt_search, kept by triggers in the transaction of every change.

It is a copy of what stands elsewhere, so it is no table of the metadata: migrations write it down (see migrations/), and
whoever makes the tables by the metadata gets it with them. What is indexed of the versions are the texts of the published
one and of the newest.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from aiapp.extensions import Model

PREFIX = "prompt_search"

_SQLITE = (
    """CREATE TABLE prompt_search (
    id INTEGER PRIMARY KEY,
    prompt_template_id VARCHAR(32) NOT NULL UNIQUE,
    workspace_id VARCHAR(32) NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    tags TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL,
    body TEXT NOT NULL DEFAULT ''
)""",
    "CREATE INDEX prompt_search_workspace_id ON prompt_search (workspace_id)",
    """CREATE VIEW prompt_search_source AS SELECT p.id AS prompt_template_id,
    (SELECT coalesce(group_concat(t.name, char(10)), '') FROM prompt_template_tag AS l JOIN tag AS t ON t.id = l.tag_id
        WHERE l.prompt_template_id = p.id) AS tags,
    (SELECT coalesce(group_concat(v.system || char(10) || v.body || char(10) || coalesce(
            (SELECT group_concat(json_extract(m.value, '$.content'), char(10)) FROM json_each(v.messages) AS m
                WHERE m.type = 'object'), ''), char(10)), '')
        FROM prompt_version AS v WHERE v.prompt_template_id = p.id AND (v.status = 'published'
            OR v.number = (SELECT max(number) FROM prompt_version WHERE prompt_template_id = p.id))) AS body
    FROM prompt_template AS p""",
    """CREATE VIRTUAL TABLE prompt_search_words USING fts5(name, slug, tags, description, body,
    content='prompt_search', content_rowid='id', tokenize='unicode61 remove_diacritics 0', prefix='2 3')""",
    """CREATE TRIGGER prompt_search_learn AFTER INSERT ON prompt_search BEGIN
    INSERT INTO prompt_search_words (rowid, name, slug, tags, description, body)
        VALUES (new.id, new.name, new.slug, new.tags, new.description, new.body);
END""",
    """CREATE TRIGGER prompt_search_relearn AFTER UPDATE ON prompt_search
WHEN old.name IS NOT new.name OR old.slug IS NOT new.slug OR old.tags IS NOT new.tags
    OR old.description IS NOT new.description OR old.body IS NOT new.body BEGIN
    INSERT INTO prompt_search_words (prompt_search_words, rowid, name, slug, tags, description, body)
        VALUES ('delete', old.id, old.name, old.slug, old.tags, old.description, old.body);
    INSERT INTO prompt_search_words (rowid, name, slug, tags, description, body)
        VALUES (new.id, new.name, new.slug, new.tags, new.description, new.body);
END""",
    """CREATE TRIGGER prompt_search_forget AFTER DELETE ON prompt_search BEGIN
    INSERT INTO prompt_search_words (prompt_search_words, rowid, name, slug, tags, description, body)
        VALUES ('delete', old.id, old.name, old.slug, old.tags, old.description, old.body);
END""",
    """CREATE TRIGGER prompt_search_template_insert AFTER INSERT ON prompt_template BEGIN
    INSERT INTO prompt_search (prompt_template_id, workspace_id, name, slug, description)
        VALUES (new.id, new.workspace_id, new.name, new.slug, new.description);
END""",
    """CREATE TRIGGER prompt_search_template_update AFTER UPDATE OF name, slug, description ON prompt_template BEGIN
    UPDATE prompt_search SET name = new.name, slug = new.slug, description = new.description
        WHERE prompt_template_id = new.id;
END""",
    """CREATE TRIGGER prompt_search_template_delete AFTER DELETE ON prompt_template BEGIN
    DELETE FROM prompt_search WHERE prompt_template_id = old.id;
END""",
    """CREATE TRIGGER prompt_search_version_insert AFTER INSERT ON prompt_version BEGIN
    UPDATE prompt_search SET body = coalesce((SELECT s.body FROM prompt_search_source AS s
        WHERE s.prompt_template_id = new.prompt_template_id), '') WHERE prompt_template_id = new.prompt_template_id;
END""",
    """CREATE TRIGGER prompt_search_version_update
AFTER UPDATE OF number, status, system, body, messages ON prompt_version BEGIN
    UPDATE prompt_search SET body = coalesce((SELECT s.body FROM prompt_search_source AS s
        WHERE s.prompt_template_id = new.prompt_template_id), '') WHERE prompt_template_id = new.prompt_template_id;
END""",
    """CREATE TRIGGER prompt_search_version_delete AFTER DELETE ON prompt_version BEGIN
    UPDATE prompt_search SET body = coalesce((SELECT s.body FROM prompt_search_source AS s
        WHERE s.prompt_template_id = old.prompt_template_id), '') WHERE prompt_template_id = old.prompt_template_id;
END""",
    """CREATE TRIGGER prompt_search_link_insert AFTER INSERT ON prompt_template_tag BEGIN
    UPDATE prompt_search SET tags = coalesce((SELECT s.tags FROM prompt_search_source AS s
        WHERE s.prompt_template_id = new.prompt_template_id), '') WHERE prompt_template_id = new.prompt_template_id;
END""",
    """CREATE TRIGGER prompt_search_link_delete AFTER DELETE ON prompt_template_tag BEGIN
    UPDATE prompt_search SET tags = coalesce((SELECT s.tags FROM prompt_search_source AS s
        WHERE s.prompt_template_id = old.prompt_template_id), '') WHERE prompt_template_id = old.prompt_template_id;
END""",
    """CREATE TRIGGER prompt_search_tag_update AFTER UPDATE OF name ON tag BEGIN
    UPDATE prompt_search SET tags = coalesce((SELECT s.tags FROM prompt_search_source AS s
        WHERE s.prompt_template_id = prompt_search.prompt_template_id), '')
        WHERE prompt_template_id IN (SELECT prompt_template_id FROM prompt_template_tag WHERE tag_id = new.id);
END""",
)

# A tsvector holds 1 MB; the words are what ASCII's signs leave, so that no host, path or number with a sign is one of its own.
_POSTGRESQL = (
    r"""CREATE FUNCTION prompt_search_vector(words text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('pg_catalog.simple', regexp_replace(left(words, 100000), '[\u0001-/:-@\[-`{-\u007f]+', ' ', 'g')) $$""",
    """CREATE TABLE prompt_search (
    prompt_template_id VARCHAR(32) PRIMARY KEY,
    workspace_id VARCHAR(32) NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    tags TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL,
    body TEXT NOT NULL DEFAULT '',
    words TSVECTOR GENERATED ALWAYS AS (
        setweight(prompt_search_vector(name || ' ' || slug), 'A') || setweight(prompt_search_vector(tags), 'B')
        || setweight(prompt_search_vector(description), 'C') || setweight(prompt_search_vector(body), 'D')) STORED
)""",
    "CREATE INDEX prompt_search_words ON prompt_search USING gin (words)",
    "CREATE INDEX prompt_search_workspace_id ON prompt_search (workspace_id)",
    """CREATE FUNCTION prompt_search_texts(template VARCHAR) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(string_agg(v.system || chr(10) || v.body || chr(10) || coalesce(
        (SELECT string_agg(m #>> '{}', chr(10)) FROM jsonb_path_query(v.messages, '$[*].content') AS m), ''), chr(10)), '')
    FROM prompt_version AS v WHERE v.prompt_template_id = template AND (v.status = 'published'
        OR v.number = (SELECT max(number) FROM prompt_version WHERE prompt_template_id = template)) $$""",
    """CREATE FUNCTION prompt_search_tags(template VARCHAR) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(string_agg(t.name, chr(10)), '') FROM prompt_template_tag AS l JOIN tag AS t ON t.id = l.tag_id
    WHERE l.prompt_template_id = template $$""",
    """CREATE FUNCTION prompt_search_on_template() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF tg_op = 'INSERT' THEN
        INSERT INTO prompt_search (prompt_template_id, workspace_id, name, slug, description)
        VALUES (new.id, new.workspace_id, new.name, new.slug, new.description);
    ELSIF tg_op = 'UPDATE' THEN
        UPDATE prompt_search SET name = new.name, slug = new.slug, description = new.description
        WHERE prompt_template_id = new.id;
    ELSE
        DELETE FROM prompt_search WHERE prompt_template_id = old.id;
    END IF;
    RETURN NULL;
END $$""",
    """CREATE FUNCTION prompt_search_on_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE template VARCHAR := CASE WHEN tg_op = 'DELETE' THEN old.prompt_template_id ELSE new.prompt_template_id END; BEGIN
    UPDATE prompt_search SET body = prompt_search_texts(template) WHERE prompt_template_id = template;
    RETURN NULL;
END $$""",
    """CREATE FUNCTION prompt_search_on_link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE template VARCHAR := CASE WHEN tg_op = 'DELETE' THEN old.prompt_template_id ELSE new.prompt_template_id END; BEGIN
    UPDATE prompt_search SET tags = prompt_search_tags(template) WHERE prompt_template_id = template;
    RETURN NULL;
END $$""",
    """CREATE FUNCTION prompt_search_on_tag() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE prompt_search SET tags = prompt_search_tags(prompt_template_id) WHERE prompt_template_id IN
        (SELECT prompt_template_id FROM prompt_template_tag WHERE tag_id = new.id);
    RETURN NULL;
END $$""",
    """CREATE TRIGGER prompt_search_template AFTER INSERT OR UPDATE OF name, slug, description OR DELETE ON prompt_template
    FOR EACH ROW EXECUTE FUNCTION prompt_search_on_template()""",
    """CREATE TRIGGER prompt_search_version AFTER INSERT OR UPDATE OF number, status, system, body, messages OR DELETE
    ON prompt_version FOR EACH ROW EXECUTE FUNCTION prompt_search_on_version()""",
    """CREATE TRIGGER prompt_search_link AFTER INSERT OR DELETE ON prompt_template_tag
    FOR EACH ROW EXECUTE FUNCTION prompt_search_on_link()""",
    """CREATE TRIGGER prompt_search_tag AFTER UPDATE OF name ON tag
    FOR EACH ROW EXECUTE FUNCTION prompt_search_on_tag()""",
)


def statements(dialect: str) -> list[str]:
    """Return what makes the index, empty, in this database (sqlite or postgresql) once the tables are there."""
    return list(_SQLITE if dialect == "sqlite" else _POSTGRESQL)


def is_ours(name: str | None, kind: str, parents: object = None) -> bool:
    """Whether the metadata knows of this name in the database: False for the index (Alembic's `include_name`)."""
    return not (kind == "table" and name is not None and name.startswith(PREFIX))


@event.listens_for(Model.metadata, "after_create")
def _with_the_tables(target: sa.MetaData, connection: sa.Connection, **more: Any) -> None:
    if not sa.inspect(connection).has_table(PREFIX):
        for statement in statements(connection.dialect.name):
            connection.exec_driver_sql(statement)
