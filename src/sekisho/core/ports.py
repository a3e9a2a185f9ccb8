"""The seams: what a lower layer needs of a higher one, filled by `app/build.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sekisho.core.model.snapshot import Catalog, Key


class Actor(Protocol):
    """Who does what the audit tells of; `rest.permissions.Caller` is one."""

    @property
    def role(self) -> str:
        """`anonymous` is a caller without a login."""
        ...

    @property
    def name(self) -> str:
        """For people: an e-mail address, or the local owner."""
        ...

    @property
    def user_id(self) -> str | None:
        """None for those who are no users: the local owner, and strangers."""
        ...

    @property
    def token_id(self) -> str | None:
        """Of the access token, where one was used."""
        ...

    @property
    def address(self) -> str: ...

    @property
    def request_id(self) -> str: ...


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
        """The first of these entries (`provider/model`, `provider/*`, or the name of an API) that names nothing; None where all do."""
        ...


@dataclass(frozen=True)
class KeyFacts:
    """What is told of a key to those who know no keys."""

    project: str
    maker_id: str | None
    """The user who made it; None for the local owner."""
    maker: str | None
    """That user's address; None where there is none, or no longer."""


class KeyDirectory(Protocol):
    """Knows whose a key is, for those who only meet its id in the record of a call."""

    async def facts(self, key_ids: Sequence[str]) -> Mapping[str, KeyFacts]:
        """Of those of these keys that exist."""
        ...


@dataclass(frozen=True)
class Price:
    """The rate that a model had at a time; per token in 1e-10 units of the currency."""

    input: int
    output: int
    cached: int | None
    currency: str
    source: str
    """Who set it: user, or the name and version of a price list."""
    since: int
    """Wall time in microseconds."""


class PriceBook(Protocol):
    """Knows what a model cost when, for those who explain a call."""

    async def price(self, model: str, at: int) -> Price | None:
        """The rate of a model (canonical id) that was in force at a time; None where there was none, or the model is gone."""
        ...


class EngineControl(Protocol):
    """Starts and stops the servers of the built-in engine."""

    async def wake(self, model: str) -> None:
        """Return when the model answers; raises EngineError with a reason for people."""
        ...


class EngineError(Exception):
    """An engine did not start or does not answer."""


class SessionsEnded(Protocol):
    """Hears that logins end or change what they may do, in the moment in which it is committed."""

    def on_ended(self, sessions: frozenset[str], user: str | None) -> None:
        """Whatever is open for one of these sessions closes, and so does whatever is open for this user, who may come back as another.

        Called in the node's loop; it must neither wait nor raise.
        """
        ...
