"""What webhooks are told of batches: added to the transaction of what happened; announcing.wake() follows its commit."""

from __future__ import annotations

from dataclasses import asdict

from aiapp.batches import counting
from aiapp.batches.models import Batch
from aiapp.columns import now
from aiapp.webhooks import announcing
from aiapp.wire_values import dollars, moment


def ended(batch: Batch) -> None:
    """Announce that nothing more of a batch is begun: each row has its result, or it was cancelled."""
    counts = counting.of([batch.id])[batch.id]
    told = asdict(counts)
    cost, unpriced = dollars(told.pop("cost")), told.pop("unpriced")
    template, version = batch.prompt_template, batch.prompt_version
    payload = {
        "batch": {"id": batch.id, "name": batch.name},
        "template": {"slug": template.slug, "name": template.name} if template else None,
        "version": version.number if version else None,
        "status": counting.outcome(batch, counts),
        "rows": counts.rows,
        "counts": told,
        "cost": cost,
        "unpriced": unpriced,
        "at": moment(now()),
    }
    announcing.announce(batch.workspace_id, "batch.ended", payload)
