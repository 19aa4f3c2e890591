"""Run batches: a prompt template with the rows of a table.

Revision: 0011
Follows: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade():
    op.create_table('batch',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('user_id', sa.String(length=32), nullable=True),
    sa.Column('token_name', sa.String(length=100), nullable=True),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('file_name', sa.String(length=200), nullable=False),
    sa.Column('prompt_template_id', sa.String(length=32), nullable=True),
    sa.Column('prompt_version_id', sa.String(length=32), nullable=True),
    sa.Column('size', sa.Integer(), nullable=False),
    sa.Column('columns', JSON, nullable=False),
    sa.Column('mapping', JSON, nullable=False),
    sa.Column('asked', JSON, nullable=False),
    sa.Column('checked', JSON, nullable=True),
    sa.Column('prompt', JSON, nullable=True),
    sa.Column('priority', sa.String(length=8), nullable=False),
    sa.Column('at_once', sa.Integer(), nullable=False),
    sa.Column('per_minute', sa.Integer(), nullable=True),
    sa.Column('status', sa.String(length=10), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('note', sa.String(length=300), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['prompt_template_id'], ['prompt_template.id'], name=op.f('fk_batch_prompt_template_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['prompt_version_id'], ['prompt_version.id'], name=op.f('fk_batch_prompt_version_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_batch_user_id'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_batch_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_batch'))
    )
    op.create_index('ix_batch_workspace_id_id', 'batch', ['workspace_id', 'id'])
    op.create_index('ix_batch_status', 'batch', ['status'])
    for column in ('user_id', 'prompt_template_id', 'prompt_version_id'):
        op.create_index(op.f(f'ix_batch_{column}'), 'batch', [column])
    op.create_table('batch_row',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('batch_id', sa.String(length=32), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('context', JSON, nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('execution_id', sa.String(length=32), nullable=True),
    sa.Column('parent_id', sa.String(length=32), nullable=True),
    sa.Column('fed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('valid', sa.Boolean(), nullable=True),
    sa.Column('cost', sa.BigInteger(), nullable=True),
    sa.Column('earlier_cost', sa.BigInteger(), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['batch_id'], ['batch.id'], name=op.f('fk_batch_row_batch_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_batch_row_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_batch_row')),
    sa.UniqueConstraint('batch_id', 'number', name=op.f('uq_batch_row_batch_id_number')),
    sa.UniqueConstraint('execution_id', name=op.f('uq_batch_row_execution_id'))
    )
    op.create_index('ix_batch_row_counted', 'batch_row', ['batch_id', 'state', 'number', 'valid', 'cost', 'earlier_cost'])
    op.create_index('ix_batch_row_fed', 'batch_row', ['batch_id', 'fed_at'])
    op.create_index(op.f('ix_batch_row_workspace_id'), 'batch_row', ['workspace_id'])


def downgrade():
    op.drop_table('batch_row')
    op.drop_table('batch')
