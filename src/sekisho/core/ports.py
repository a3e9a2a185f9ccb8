"""The seams: what a lower layer needs of a higher one, filled by `app/build.py`."""

from collections.abc import Sequence
from typing import Protocol

from sekisho.core.model.snapshot import Catalog, Key


class ConfigurationPublisher(Protocol):
    """How a committed change reaches the workers."""

    async def publish(self) -> "Publication":
        """Send what is newer than the last publication; returns when every live worker has acknowledged it, or after a second."""
        ...


class Publication(Protocol):
    """What came of a publication."""

    @property
    def revision(self) -> int: ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences that name the workers that have not acknowledged; empty when all have."""
        ...


class SnapshotSource(Protocol):
    """Reads the configuration in one consistent read."""

    async def catalog(self) -> Catalog: ...

    async def keys(self) -> tuple[Key, ...]: ...


class ModelDirectory(Protocol):
    """Knows which models and providers exist, for those who may not know the catalog."""

    async def first_unknown(self, entries: Sequence[str]) -> str | None:
        """The first of these entries (`provider/model` or `provider/*`) that names nothing; None where all do."""
        ...


class EngineControl(Protocol):
    """Starts and stops the servers of the built-in engine."""

    async def wake(self, model: str) -> None:
        """Return when the model answers; raises EngineError with a reason for people."""
        ...


class EngineError(Exception):
    """An engine did not start or does not answer."""
