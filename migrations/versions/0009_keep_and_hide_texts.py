"""Keep and hide the texts of executions.

Revision: 0009
Follows: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")
# An encrypted text is longer than itself.
LONGER = {'execution': ('error_message', 500, True), 'attempt': ('error_message', 500, True), 'feedback': ('comment', 2000, False)}


def upgrade():
    op.add_column('workspace', sa.Column('seals_texts', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('workspace', sa.Column('keeps_texts', sa.Boolean(), server_default=sa.true(), nullable=False))
    op.add_column('workspace', sa.Column('texts_days', sa.Integer(), nullable=True))
    op.add_column('workspace', sa.Column('executions_days', sa.Integer(), nullable=True))
    op.add_column('workspace', sa.Column('private_executions', sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column('workspace', sa.Column('resealing', JSON, nullable=True))
    op.add_column('workspace', sa.Column('texts_erased_to', sa.String(length=32), server_default='', nullable=False))
    op.add_column('execution', sa.Column('texts_erased_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('execution', sa.Column('input_hash', sa.String(length=64), nullable=True))
    op.add_column('execution', sa.Column('output_hash', sa.String(length=64), nullable=True))
    op.add_column('execution', sa.Column('input_characters', sa.Integer(), nullable=True))
    op.add_column('execution', sa.Column('output_characters', sa.Integer(), nullable=True))
    for table, (column, length, nullable) in LONGER.items():
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.alter_column(column, existing_type=sa.String(length=length), type_=sa.Text(), existing_nullable=nullable)


def downgrade():
    for table, (column, length, nullable) in reversed(LONGER.items()):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.alter_column(column, existing_type=sa.Text(), type_=sa.String(length=length), existing_nullable=nullable, postgresql_using=f'left({column}, {length})')
    for column in ('output_characters', 'input_characters', 'output_hash', 'input_hash', 'texts_erased_at'):
        op.drop_column('execution', column)
    for column in ('texts_erased_to', 'resealing', 'private_executions', 'executions_days', 'texts_days', 'keeps_texts', 'seals_texts'):
        op.drop_column('workspace', column)
