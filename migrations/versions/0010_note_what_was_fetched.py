"""Note which values of a context filled themselves.

Revision: 0010
Follows: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

JSON = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade():
    op.add_column('execution', sa.Column('fetched', JSON, server_default=sa.text("'[]'"), nullable=False))


def downgrade():
    op.drop_column('execution', 'fetched')
