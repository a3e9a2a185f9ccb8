"""What can be set about the audit."""

from typing import Annotated

import msgspec


class Audit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long is kept what nobody can remove."""

    retention_days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] | None = 365
    """Audit rows that are older are cut away behind a row that says so; None keeps them for ever."""
    refusal_days: Annotated[int, msgspec.Meta(ge=1, le=36_500)] | None = 30
    """Refusals that are older are removed; None keeps them for ever."""
