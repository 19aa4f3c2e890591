"""Search prompt templates by their words.

Revision: 0004
Follows: 0003

The index is kept by triggers. SQLite drops a table's triggers with the table: a later migration that changes prompt_template,
prompt_version, prompt_template_tag or tag in batch mode drops all of them first and makes them again (test_migrations compares).
"""

from alembic import op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

SQLITE = (
    r"""CREATE TABLE prompt_search (
    id INTEGER PRIMARY KEY,
    prompt_template_id VARCHAR(32) NOT NULL UNIQUE,
    workspace_id VARCHAR(32) NOT NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    tags TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL,
    body TEXT NOT NULL DEFAULT ''
)""",
    r"""CREATE INDEX prompt_search_workspace_id ON prompt_search (workspace_id)""",
    r"""CREATE VIEW prompt_search_source AS SELECT p.id AS prompt_template_id,
    (SELECT coalesce(group_concat(t.name, char(10)), '') FROM prompt_template_tag AS l JOIN tag AS t ON t.id = l.tag_id
        WHERE l.prompt_template_id = p.id) AS tags,
    (SELECT coalesce(group_concat(v.system || char(10) || v.body || char(10) || coalesce(
            (SELECT group_concat(json_extract(m.value, '$.content'), char(10)) FROM json_each(v.messages) AS m
                WHERE m.type = 'object'), ''), char(10)), '')
        FROM prompt_version AS v WHERE v.prompt_template_id = p.id AND (v.status = 'published'
            OR v.number = (SELECT max(number) FROM prompt_version WHERE prompt_template_id = p.id))) AS body
    FROM prompt_template AS p""",
    r"""CREATE VIRTUAL TABLE prompt_search_words USING fts5(name, slug, tags, description, body,
    content='prompt_search', content_rowid='id', tokenize='unicode61 remove_diacritics 0', prefix='2 3')""",
    r"""CREATE TRIGGER prompt_search_learn AFTER INSERT ON prompt_search BEGIN
    INSERT INTO prompt_search_words (rowid, name, slug, tags, description, body)
        VALUES (new.id, new.name, new.slug, new.tags, new.description, new.body);
END""",
    r"""CREATE TRIGGER prompt_search_relearn AFTER UPDATE ON prompt_search
WHEN old.name IS NOT new.name OR old.slug IS NOT new.slug OR old.tags IS NOT new.tags
    OR old.description IS NOT new.description OR old.body IS NOT new.body BEGIN
    INSERT INTO prompt_search_words (prompt_search_words, rowid, name, slug, tags, description, body)
        VALUES ('delete', old.id, old.name, old.slug, old.tags, old.description, old.body);
    INSERT INTO prompt_search_words (rowid, name, slug, tags, description, body)
        VALUES (new.id, new.name, new.slug, new.tags, new.description, new.body);
END""",
    r"""CREATE TRIGGER prompt_search_forget AFTER DELETE ON prompt_search BEGIN
    INSERT INTO prompt_search_words (prompt_search_words, rowid, name, slug, tags, description, body)
        VALUES ('delete', old.id, old.name, old.slug, old.tags, old.description, old.body);
END""",
    r"""CREATE TRIGGER prompt_search_template_insert AFTER INSERT ON prompt_template BEGIN
    INSERT INTO prompt_search (prompt_template_id, workspace_id, name, slug, description)
        VALUES (new.id, new.workspace_id, new.name, new.slug, new.description);
END""",
    r"""CREATE TRIGGER prompt_search_template_update AFTER UPDATE OF name, slug, description ON prompt_template BEGIN
    UPDATE prompt_search SET name = new.name, slug = new.slug, description = new.description
        WHERE prompt_template_id = new.id;
END""",
    r"""CREATE TRIGGER prompt_search_template_delete AFTER DELETE ON prompt_template BEGIN
    DELETE FROM prompt_search WHERE prompt_template_id = old.id;
END""",
    r"""CREATE TRIGGER prompt_search_version_insert AFTER INSERT ON prompt_version BEGIN
    UPDATE prompt_search SET body = coalesce((SELECT s.body FROM prompt_search_source AS s
        WHERE s.prompt_template_id = new.prompt_template_id), '') WHERE prompt_template_id = new.prompt_template_id;
END""",
    r"""CREATE TRIGGER prompt_search_version_update
AFTER UPDATE OF number, status, system, body, messages ON prompt_version BEGIN
    UPDATE prompt_search SET body = coalesce((SELECT s.body FROM prompt_search_source AS s
        WHERE s.prompt_template_id = new.prompt_template_id), '') WHERE prompt_template_id = new.prompt_template_id;
END""",
    r"""CREATE TRIGGER prompt_search_version_delete AFTER DELETE ON prompt_version BEGIN
    UPDATE prompt_search SET body = coalesce((SELECT s.body FROM prompt_search_source AS s
        WHERE s.prompt_template_id = old.prompt_template_id), '') WHERE prompt_template_id = old.prompt_template_id;
END""",
    r"""CREATE TRIGGER prompt_search_link_insert AFTER INSERT ON prompt_template_tag BEGIN
    UPDATE prompt_search SET tags = coalesce((SELECT s.tags FROM prompt_search_source AS s
        WHERE s.prompt_template_id = new.prompt_template_id), '') WHERE prompt_template_id = new.prompt_template_id;
END""",
    r"""CREATE TRIGGER prompt_search_link_delete AFTER DELETE ON prompt_template_tag BEGIN
    UPDATE prompt_search SET tags = coalesce((SELECT s.tags FROM prompt_search_source AS s
        WHERE s.prompt_template_id = old.prompt_template_id), '') WHERE prompt_template_id = old.prompt_template_id;
END""",
    r"""CREATE TRIGGER prompt_search_tag_update AFTER UPDATE OF name ON tag BEGIN
    UPDATE prompt_search SET tags = coalesce((SELECT s.tags FROM prompt_search_source AS s
        WHERE s.prompt_template_id = prompt_search.prompt_template_id), '')
        WHERE prompt_template_id IN (SELECT prompt_template_id FROM prompt_template_tag WHERE tag_id = new.id);
END""",
    r"""INSERT INTO prompt_search (prompt_template_id, workspace_id, name, slug, description, tags, body)
    SELECT p.id, p.workspace_id, p.name, p.slug, p.description, s.tags, s.body
    FROM prompt_template AS p JOIN prompt_search_source AS s ON s.prompt_template_id = p.id""",
)

POSTGRESQL = (
    r"""CREATE FUNCTION prompt_search_vector(words text) RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT to_tsvector('pg_catalog.simple', regexp_replace(left(words, 100000), '[\u0001-/:-@\[-`{-\u007f]+', ' ', 'g')) $$""",
    r"""CREATE TABLE prompt_search (
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
    r"""CREATE INDEX prompt_search_words ON prompt_search USING gin (words)""",
    r"""CREATE INDEX prompt_search_workspace_id ON prompt_search (workspace_id)""",
    r"""CREATE FUNCTION prompt_search_texts(template VARCHAR) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(string_agg(v.system || chr(10) || v.body || chr(10) || coalesce(
        (SELECT string_agg(m #>> '{}', chr(10)) FROM jsonb_path_query(v.messages, '$[*].content') AS m), ''), chr(10)), '')
    FROM prompt_version AS v WHERE v.prompt_template_id = template AND (v.status = 'published'
        OR v.number = (SELECT max(number) FROM prompt_version WHERE prompt_template_id = template)) $$""",
    r"""CREATE FUNCTION prompt_search_tags(template VARCHAR) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(string_agg(t.name, chr(10)), '') FROM prompt_template_tag AS l JOIN tag AS t ON t.id = l.tag_id
    WHERE l.prompt_template_id = template $$""",
    r"""CREATE FUNCTION prompt_search_on_template() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
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
    r"""CREATE FUNCTION prompt_search_on_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE template VARCHAR := CASE WHEN tg_op = 'DELETE' THEN old.prompt_template_id ELSE new.prompt_template_id END; BEGIN
    UPDATE prompt_search SET body = prompt_search_texts(template) WHERE prompt_template_id = template;
    RETURN NULL;
END $$""",
    r"""CREATE FUNCTION prompt_search_on_link() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE template VARCHAR := CASE WHEN tg_op = 'DELETE' THEN old.prompt_template_id ELSE new.prompt_template_id END; BEGIN
    UPDATE prompt_search SET tags = prompt_search_tags(template) WHERE prompt_template_id = template;
    RETURN NULL;
END $$""",
    r"""CREATE FUNCTION prompt_search_on_tag() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE prompt_search SET tags = prompt_search_tags(prompt_template_id) WHERE prompt_template_id IN
        (SELECT prompt_template_id FROM prompt_template_tag WHERE tag_id = new.id);
    RETURN NULL;
END $$""",
    r"""CREATE TRIGGER prompt_search_template AFTER INSERT OR UPDATE OF name, slug, description OR DELETE ON prompt_template
    FOR EACH ROW EXECUTE FUNCTION prompt_search_on_template()""",
    r"""CREATE TRIGGER prompt_search_version AFTER INSERT OR UPDATE OF number, status, system, body, messages OR DELETE
    ON prompt_version FOR EACH ROW EXECUTE FUNCTION prompt_search_on_version()""",
    r"""CREATE TRIGGER prompt_search_link AFTER INSERT OR DELETE ON prompt_template_tag
    FOR EACH ROW EXECUTE FUNCTION prompt_search_on_link()""",
    r"""CREATE TRIGGER prompt_search_tag AFTER UPDATE OF name ON tag
    FOR EACH ROW EXECUTE FUNCTION prompt_search_on_tag()""",
    r"""INSERT INTO prompt_search (prompt_template_id, workspace_id, name, slug, description, tags, body)
    SELECT p.id, p.workspace_id, p.name, p.slug, p.description, prompt_search_tags(p.id), prompt_search_texts(p.id)
    FROM prompt_template AS p""",
)


def upgrade():
    connection = op.get_bind()
    for statement in SQLITE if connection.dialect.name == 'sqlite' else POSTGRESQL:
        connection.exec_driver_sql(statement)


def downgrade():
    connection = op.get_bind()
    if connection.dialect.name == 'sqlite':
        triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name GLOB 'prompt_search_*'"
        for trigger in connection.exec_driver_sql(triggers).scalars().all():
            connection.exec_driver_sql(f'DROP TRIGGER {trigger}')
        connection.exec_driver_sql('DROP VIEW prompt_search_source')
        connection.exec_driver_sql('DROP TABLE prompt_search_words')
        connection.exec_driver_sql('DROP TABLE prompt_search')
        return
    tables = {'template': 'prompt_template', 'version': 'prompt_version', 'link': 'prompt_template_tag', 'tag': 'tag'}
    for name, table in tables.items():
        connection.exec_driver_sql(f'DROP TRIGGER prompt_search_{name} ON {table}')
        connection.exec_driver_sql(f'DROP FUNCTION prompt_search_on_{name}()')
    connection.exec_driver_sql('DROP TABLE prompt_search')
    for function in ('vector(text)', 'texts(varchar)', 'tags(varchar)'):
        connection.exec_driver_sql(f'DROP FUNCTION prompt_search_{function}')
