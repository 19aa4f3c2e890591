"""Count refusals of batches.

Revision: 0014
Follows: 0013
"""

import sqlalchemy as sa
from alembic import op

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('batch', sa.Column('counted_from', sa.DateTime(timezone=True), nullable=True))


def downgrade():
    op.drop_column('batch', 'counted_from')
