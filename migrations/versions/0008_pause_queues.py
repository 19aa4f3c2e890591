"""Pause queues, workspaces' executions and workers.

Revision: 0008
Follows: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('queue_pause',
    sa.Column('what', sa.String(length=80), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=True),
    sa.Column('reason', sa.String(length=200), nullable=False),
    sa.Column('by', sa.String(length=254), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_queue_pause_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('what', name=op.f('pk_queue_pause'))
    )
    with op.batch_alter_table('queue_pause', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_queue_pause_workspace_id'), ['workspace_id'], unique=False)

    later, failed = sa.text('next_attempt_at IS NOT NULL'), sa.text("status = 'failed'")
    op.create_index('ix_execution_next_attempt_at', 'execution', ['next_attempt_at'], sqlite_where=later, postgresql_where=later)
    op.create_index('ix_execution_completed_at', 'execution', ['completed_at', 'error_class'], sqlite_where=failed, postgresql_where=failed)


def downgrade():
    op.drop_index('ix_execution_completed_at', table_name='execution')
    op.drop_index('ix_execution_next_attempt_at', table_name='execution')
    with op.batch_alter_table('queue_pause', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_queue_pause_workspace_id'))

    op.drop_table('queue_pause')
