"""Bring lost tests of credentials back, and say which repetitions let go of a pinned credential.

Revision: 0007
Follows: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('credential', sa.Column('test_asked_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('execution', sa.Column('unpinned', sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade():
    op.drop_column('execution', 'unpinned')
    op.drop_column('credential', 'test_asked_at')
