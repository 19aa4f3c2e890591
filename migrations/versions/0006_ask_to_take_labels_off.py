"""Ask for a protected label to be taken off.

Revision: 0006
Follows: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade():
    op.add_column('prompt_approval', sa.Column('takes_off', sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade():
    op.drop_column('prompt_approval', 'takes_off')
