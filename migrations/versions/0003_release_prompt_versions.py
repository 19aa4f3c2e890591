"""Release prompt versions.

Revision: 0003
Follows: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('label',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('protected', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_label_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_label')),
    sa.UniqueConstraint('workspace_id', 'name', name=op.f('uq_label_workspace_id_name'))
    )
    op.create_table('publishing_rule',
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('approval', sa.String(length=15), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_publishing_rule_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('workspace_id', name=op.f('pk_publishing_rule'))
    )
    op.create_table('webhook',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('url', sa.String(length=500), nullable=False),
    sa.Column('secret', sa.LargeBinary(), nullable=False),
    sa.Column('old_secret', sa.LargeBinary(), nullable=True),
    sa.Column('old_secret_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('events', sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=False),
    sa.Column('active', sa.Boolean(), nullable=False),
    sa.Column('gone', sa.Boolean(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_webhook_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook'))
    )
    with op.batch_alter_table('webhook', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_webhook_workspace_id'), ['workspace_id'], unique=False)

    op.create_table('prompt_event',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('prompt_template_id', sa.String(length=32), nullable=False),
    sa.Column('action', sa.String(length=20), nullable=False),
    sa.Column('label', sa.String(length=40), nullable=True),
    sa.Column('before', sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=True),
    sa.Column('after', sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=True),
    sa.Column('message', sa.String(length=500), nullable=False),
    sa.Column('user_id', sa.String(length=32), nullable=True),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['prompt_template_id'], ['prompt_template.id'], name=op.f('fk_prompt_event_prompt_template_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_prompt_event_user_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_prompt_event_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_prompt_event'))
    )
    with op.batch_alter_table('prompt_event', schema=None) as batch_op:
        batch_op.create_index('ix_prompt_event_prompt_template_id_id', ['prompt_template_id', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_prompt_event_workspace_id'), ['workspace_id'], unique=False)

    op.create_table('prompt_favourite',
    sa.Column('user_id', sa.String(length=32), nullable=False),
    sa.Column('prompt_template_id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['prompt_template_id'], ['prompt_template.id'], name=op.f('fk_prompt_favourite_prompt_template_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_prompt_favourite_user_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_prompt_favourite_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', 'prompt_template_id', name=op.f('pk_prompt_favourite'))
    )
    with op.batch_alter_table('prompt_favourite', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_prompt_favourite_prompt_template_id'), ['prompt_template_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_prompt_favourite_workspace_id'), ['workspace_id'], unique=False)

    op.create_table('webhook_delivery',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('webhook_id', sa.String(length=32), nullable=False),
    sa.Column('event', sa.String(length=60), nullable=False),
    sa.Column('payload', sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('http_status', sa.Integer(), nullable=True),
    sa.Column('error', sa.String(length=300), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('delivered_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['webhook_id'], ['webhook.id'], name=op.f('fk_webhook_delivery_webhook_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_webhook_delivery_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_delivery'))
    )
    with op.batch_alter_table('webhook_delivery', schema=None) as batch_op:
        batch_op.create_index('ix_webhook_delivery_state_next_attempt_at', ['state', 'next_attempt_at'], unique=False)
        batch_op.create_index('ix_webhook_delivery_webhook_id_id', ['webhook_id', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_webhook_delivery_workspace_id'), ['workspace_id'], unique=False)

    op.create_table('labelled_version',
    sa.Column('prompt_template_id', sa.String(length=32), nullable=False),
    sa.Column('label_id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('prompt_version_id', sa.String(length=32), nullable=False),
    sa.ForeignKeyConstraint(['label_id'], ['label.id'], name=op.f('fk_labelled_version_label_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['prompt_template_id'], ['prompt_template.id'], name=op.f('fk_labelled_version_prompt_template_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['prompt_version_id'], ['prompt_version.id'], name=op.f('fk_labelled_version_prompt_version_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_labelled_version_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('prompt_template_id', 'label_id', name=op.f('pk_labelled_version'))
    )
    with op.batch_alter_table('labelled_version', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_labelled_version_label_id'), ['label_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_labelled_version_prompt_version_id'), ['prompt_version_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_labelled_version_workspace_id'), ['workspace_id'], unique=False)

    op.create_table('preview_link',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('prompt_version_id', sa.String(length=32), nullable=False),
    sa.Column('secret_hash', sa.String(length=64), nullable=False),
    sa.Column('created_by_id', sa.String(length=32), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['created_by_id'], ['user.id'], name=op.f('fk_preview_link_created_by_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['prompt_version_id'], ['prompt_version.id'], name=op.f('fk_preview_link_prompt_version_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_preview_link_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_preview_link')),
    sa.UniqueConstraint('secret_hash', name=op.f('uq_preview_link_secret_hash'))
    )
    with op.batch_alter_table('preview_link', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_preview_link_prompt_version_id'), ['prompt_version_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_preview_link_workspace_id'), ['workspace_id'], unique=False)

    op.create_table('prompt_approval',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('prompt_template_id', sa.String(length=32), nullable=False),
    sa.Column('prompt_version_id', sa.String(length=32), nullable=False),
    sa.Column('label_id', sa.String(length=32), nullable=True),
    sa.Column('lock_version', sa.Integer(), nullable=False),
    sa.Column('message', sa.String(length=500), nullable=False),
    sa.Column('semver', sa.String(length=30), nullable=True),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('requested_by_id', sa.String(length=32), nullable=True),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('decided_by_id', sa.String(length=32), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decision', sa.String(length=500), nullable=False),
    sa.ForeignKeyConstraint(['decided_by_id'], ['user.id'], name=op.f('fk_prompt_approval_decided_by_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['label_id'], ['label.id'], name=op.f('fk_prompt_approval_label_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['prompt_template_id'], ['prompt_template.id'], name=op.f('fk_prompt_approval_prompt_template_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['prompt_version_id'], ['prompt_version.id'], name=op.f('fk_prompt_approval_prompt_version_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['requested_by_id'], ['user.id'], name=op.f('fk_prompt_approval_requested_by_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_prompt_approval_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_prompt_approval'))
    )
    with op.batch_alter_table('prompt_approval', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_prompt_approval_label_id'), ['label_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_prompt_approval_prompt_template_id'), ['prompt_template_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_prompt_approval_prompt_version_id'), ['prompt_version_id'], unique=False)
        batch_op.create_index('ix_prompt_approval_workspace_id_state_id', ['workspace_id', 'state', 'id'], unique=False)

    op.create_table('prompt_revision',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('prompt_version_id', sa.String(length=32), nullable=False),
    sa.Column('lock_version', sa.Integer(), nullable=False),
    sa.Column('content', sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=False),
    sa.Column('author_id', sa.String(length=32), nullable=True),
    sa.Column('saved_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['author_id'], ['user.id'], name=op.f('fk_prompt_revision_author_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['prompt_version_id'], ['prompt_version.id'], name=op.f('fk_prompt_revision_prompt_version_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_prompt_revision_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_prompt_revision'))
    )
    with op.batch_alter_table('prompt_revision', schema=None) as batch_op:
        batch_op.create_index('ix_prompt_revision_prompt_version_id_id', ['prompt_version_id', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_prompt_revision_workspace_id'), ['workspace_id'], unique=False)

    with op.batch_alter_table('prompt_version', schema=None) as batch_op:
        batch_op.add_column(sa.Column('merged_id', sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column('branch', sa.String(length=60), nullable=True))
        batch_op.add_column(sa.Column('semver', sa.String(length=30), nullable=True))
        batch_op.create_foreign_key(batch_op.f('fk_prompt_version_merged_id'), 'prompt_version', ['merged_id'], ['id'], ondelete='SET NULL')



def downgrade():
    with op.batch_alter_table('prompt_version', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_prompt_version_merged_id'), type_='foreignkey')
        batch_op.drop_column('semver')
        batch_op.drop_column('branch')
        batch_op.drop_column('merged_id')

    with op.batch_alter_table('prompt_revision', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_prompt_revision_workspace_id'))
        batch_op.drop_index('ix_prompt_revision_prompt_version_id_id')

    op.drop_table('prompt_revision')
    with op.batch_alter_table('prompt_approval', schema=None) as batch_op:
        batch_op.drop_index('ix_prompt_approval_workspace_id_state_id')
        batch_op.drop_index(batch_op.f('ix_prompt_approval_prompt_version_id'))
        batch_op.drop_index(batch_op.f('ix_prompt_approval_prompt_template_id'))
        batch_op.drop_index(batch_op.f('ix_prompt_approval_label_id'))

    op.drop_table('prompt_approval')
    with op.batch_alter_table('preview_link', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_preview_link_workspace_id'))
        batch_op.drop_index(batch_op.f('ix_preview_link_prompt_version_id'))

    op.drop_table('preview_link')
    with op.batch_alter_table('labelled_version', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_labelled_version_workspace_id'))
        batch_op.drop_index(batch_op.f('ix_labelled_version_prompt_version_id'))
        batch_op.drop_index(batch_op.f('ix_labelled_version_label_id'))

    op.drop_table('labelled_version')
    with op.batch_alter_table('webhook_delivery', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_webhook_delivery_workspace_id'))
        batch_op.drop_index('ix_webhook_delivery_webhook_id_id')
        batch_op.drop_index('ix_webhook_delivery_state_next_attempt_at')

    op.drop_table('webhook_delivery')
    with op.batch_alter_table('prompt_favourite', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_prompt_favourite_workspace_id'))
        batch_op.drop_index(batch_op.f('ix_prompt_favourite_prompt_template_id'))

    op.drop_table('prompt_favourite')
    with op.batch_alter_table('prompt_event', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_prompt_event_workspace_id'))
        batch_op.drop_index('ix_prompt_event_prompt_template_id_id')

    op.drop_table('prompt_event')
    with op.batch_alter_table('webhook', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_webhook_workspace_id'))

    op.drop_table('webhook')
    op.drop_table('publishing_rule')
    op.drop_table('label')
