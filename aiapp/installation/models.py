"""The table of what is set for providers in this installation."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from aiapp.columns import Json, UtcDateTime, now
from aiapp.extensions import Model


class ProviderSetting(Model):
    """What differs for one provider from what the registry says; None and empty leave it as it is there.

    `models` are those that are suggested; `settings` are under those of every credential (see Target.settings).
    """

    __tablename__ = "provider_setting"

    kind: Mapped[str] = mapped_column(sa.String(30), primary_key=True)
    enabled: Mapped[bool] = mapped_column(default=True)
    position: Mapped[int | None] = mapped_column()
    base_url: Mapped[str | None] = mapped_column(sa.String(500))
    default_model: Mapped[str | None] = mapped_column(sa.String(200))
    models: Mapped[list[str] | None] = mapped_column(Json)
    settings: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)
