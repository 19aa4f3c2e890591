"""Look after credentials.

Revision: 0002
Follows: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade():
    op.create_table('provider_setting',
    sa.Column('kind', sa.String(length=30), nullable=False),
    sa.Column('enabled', sa.Boolean(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=True),
    sa.Column('base_url', sa.String(length=500), nullable=True),
    sa.Column('default_model', sa.String(length=200), nullable=True),
    sa.Column('models', sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=True),
    sa.Column('settings', sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('kind', name=op.f('pk_provider_setting'))
    )
    op.create_table('credential_check',
    sa.Column('id', sa.String(length=32), nullable=False),
    sa.Column('workspace_id', sa.String(length=32), nullable=False),
    sa.Column('credential_id', sa.String(length=32), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('source', sa.String(length=10), nullable=False),
    sa.Column('health', sa.String(length=10), nullable=False),
    sa.Column('reason', sa.String(length=30), nullable=True),
    sa.Column('step', sa.String(length=10), nullable=True),
    sa.Column('ms', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['credential_id'], ['credential.id'], name=op.f('fk_credential_check_credential_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspace.id'], name=op.f('fk_credential_check_workspace_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_credential_check'))
    )
    with op.batch_alter_table('credential_check', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_credential_check_credential_id'), ['credential_id'], unique=False)
        batch_op.create_index('ix_credential_check_seen', ['workspace_id', 'at'], unique=False)

    with op.batch_alter_table('credential', schema=None) as batch_op:
        batch_op.add_column(sa.Column('owner_id', sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column('health_rung', sa.String(length=10), nullable=True))
        batch_op.add_column(sa.Column('check_asked_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('models', sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=True))
        batch_op.add_column(sa.Column('models_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('allowed_models', sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql"), nullable=True))
        batch_op.drop_constraint(batch_op.f('uq_credential_workspace_id_name'), type_='unique')
        batch_op.create_unique_constraint(batch_op.f('uq_credential_workspace_id_owner_id_name'), ['workspace_id', 'owner_id', 'name'])
        batch_op.create_index('uq_credential_workspace_name', ['workspace_id', 'name'], unique=True, sqlite_where=sa.text('owner_id IS NULL'), postgresql_where=sa.text('owner_id IS NULL'))
        batch_op.create_foreign_key(batch_op.f('fk_credential_workspace_id_owner_id'), 'membership', ['workspace_id', 'owner_id'], ['workspace_id', 'user_id'], ondelete='CASCADE')



def downgrade():
    # The version before knows no owner: it would let everybody use these.
    op.execute("DELETE FROM credential_check")
    op.execute("DELETE FROM credential WHERE owner_id IS NOT NULL")

    with op.batch_alter_table('credential', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_credential_workspace_id_owner_id'), type_='foreignkey')
        batch_op.drop_index('uq_credential_workspace_name', sqlite_where=sa.text('owner_id IS NULL'), postgresql_where=sa.text('owner_id IS NULL'))
        batch_op.drop_constraint(batch_op.f('uq_credential_workspace_id_owner_id_name'), type_='unique')
        batch_op.create_unique_constraint(batch_op.f('uq_credential_workspace_id_name'), ['workspace_id', 'name'])
        batch_op.drop_column('allowed_models')
        batch_op.drop_column('models_at')
        batch_op.drop_column('models')
        batch_op.drop_column('check_asked_at')
        batch_op.drop_column('health_rung')
        batch_op.drop_column('owner_id')

    with op.batch_alter_table('credential_check', schema=None) as batch_op:
        batch_op.drop_index('ix_credential_check_seen')
        batch_op.drop_index(batch_op.f('ix_credential_check_credential_id'))

    op.drop_table('credential_check')
    op.drop_table('provider_setting')
