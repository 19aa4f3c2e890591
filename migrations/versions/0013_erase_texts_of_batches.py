"""Erase the texts of batches once.

Revision: 0013
Follows: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('batch', sa.Column('texts_erased_at', sa.DateTime(timezone=True), nullable=True))
    op.create_index('ix_batch_erased', 'batch', ['workspace_id', 'texts_erased_at', 'id'])


def downgrade():
    op.drop_index('ix_batch_erased', table_name='batch')
    op.drop_column('batch', 'texts_erased_at')
