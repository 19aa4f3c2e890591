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

WITH_TEXTS = sa.text('texts_erased_at IS NULL')


def upgrade():
    op.add_column('batch', sa.Column('texts_erased_at', sa.DateTime(timezone=True), nullable=True))
    op.create_index('ix_batch_with_texts', 'batch', ['workspace_id', 'id'], sqlite_where=WITH_TEXTS, postgresql_where=WITH_TEXTS)


def downgrade():
    op.drop_index('ix_batch_with_texts', table_name='batch')
    op.drop_column('batch', 'texts_erased_at')
