"""Break circuits, say who was passed over, and keep what providers answered.

Revision: 0005
Follows: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('circuit_breaker',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('credential_id', sa.String(length=32), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('cause', sa.String(length=10), nullable=False),
    sa.Column('error_class', sa.String(length=20), nullable=False),
    sa.Column('message', sa.String(length=500), nullable=False),
    sa.Column('trips', sa.Integer(), nullable=False),
    sa.Column('opened_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('until', sa.DateTime(timezone=True), nullable=False),
    sa.Column('probe_until', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['credential_id'], ['credential.id'], name=op.f('fk_circuit_breaker_credential_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_circuit_breaker_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_circuit_breaker')),
    sa.UniqueConstraint('credential_id', 'model', name=op.f('uq_circuit_breaker_credential_id_model'))
    )
    with op.batch_alter_table('circuit_breaker', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_circuit_breaker_workspace_id'), ['workspace_id'], unique=False)

    op.add_column('credential', sa.Column('drill_until', sa.DateTime(timezone=True), nullable=True))
    op.add_column('attempt', sa.Column('passed_over', sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), server_default=sa.text("'[]'"), nullable=False))
    op.add_column('attempt', sa.Column('raw', sa.Text(), nullable=True))
    op.create_index('ix_attempt_credential_id_model_started_at', 'attempt', ['credential_id', 'model', 'started_at'], unique=False)


def downgrade():
    op.drop_index('ix_attempt_credential_id_model_started_at', table_name='attempt')
    op.drop_column('attempt', 'raw')
    op.drop_column('attempt', 'passed_over')
    op.drop_column('credential', 'drill_until')
    with op.batch_alter_table('circuit_breaker', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_circuit_breaker_workspace_id'))

    op.drop_table('circuit_breaker')
