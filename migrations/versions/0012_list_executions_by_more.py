"""List executions by more of their facts, and keep views of the list.

Revision: 0012
Follows: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
BEFORE = ['workspace_id', 'id', 'status', 'provider', 'model', 'prompt_template_id', 'user_id']
NOW = ['workspace_id', 'id', 'status', 'source', 'provider', 'model', 'prompt_template_id', 'prompt_version_id', 'credential_id',
       'user_id', 'error_class', 'cost', 'started_at', 'completed_at']


def upgrade():
    op.drop_index('ix_execution_listed', table_name='execution')
    op.create_index('ix_execution_listed', 'execution', NOW)
    op.create_table('saved_view',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('owner_id', sa.String(length=32), nullable=True),
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('query', JSON, nullable=False),
    sa.Column('columns', JSON, nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['owner_id'], ['user.id'], name=op.f('fk_saved_view_owner_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_saved_view_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_saved_view'))
    )
    op.create_index('ix_saved_view_owner_id', 'saved_view', ['owner_id'])
    shared = sa.text('owner_id IS NULL')
    op.create_index('uq_saved_view_own', 'saved_view', ['workspace_id', 'owner_id', 'name'], unique=True)
    op.create_index('uq_saved_view_shared', 'saved_view', ['workspace_id', 'name'], unique=True, sqlite_where=shared, postgresql_where=shared)
    op.create_table('list_preference',
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('user_id', sa.String(length=32), nullable=False),
    sa.Column('columns', JSON, nullable=True),
    sa.Column('view_id', sa.String(length=32), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_list_preference_user_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['view_id'], ['saved_view.id'], name=op.f('fk_list_preference_view_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_list_preference_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('workspace_id', 'user_id', name=op.f('pk_list_preference'))
    )
    op.create_index('ix_list_preference_user_id', 'list_preference', ['user_id'])
    op.create_index('ix_list_preference_view_id', 'list_preference', ['view_id'])


def downgrade():
    op.drop_table('list_preference')
    op.drop_table('saved_view')
    op.drop_index('ix_execution_listed', table_name='execution')
    op.create_index('ix_execution_listed', 'execution', BEFORE)
