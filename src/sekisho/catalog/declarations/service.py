"""Puts many models of one provider into place at once: a file of thousands costs a few statements each, and no look at all the others.

What is checked one by one in `catalog.service` is checked here for the whole list.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from sekisho.catalog import repository
from sekisho.catalog.model import ModelFacts, RateFacts, told_model
from sekisho.catalog.service import ADDED
from sekisho.catalog.settings import CAPABILITIES, MOST_MODELS
from sekisho.core.model.ids import canonical_model, readable
from sekisho.core.model.snapshot import Rate
from sekisho.kit.clock import Clock
from sekisho.rest.errors import invalid
from sekisho.storage.session import Session

SOURCE: Final = "user"
"""Who said a rate: a file speaks for the person who applies it."""


@dataclass(frozen=True)
class Declaration:
    """A model as it is to be; `rate` None means that the one in force stays."""

    name: str
    """Without its provider."""
    upstream_model: str
    capabilities: tuple[str, ...]
    context_length: int | None
    rate: Rate | None = None


class Declarations:
    """What can be done with models as they were written down."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def put(self, session: Session, provider: str, declared: Sequence[Declaration]) -> None:
        """Add what is not there and change what is; a model that its provider listed is taken over. Raises ApiError 422.

        The provider exists, and `declared` names each of its models once.
        """
        found = await repository.find_provider(session.connection, provider)
        assert found is not None
        held = await repository.names_by_origin(session.connection, found.id)
        before = {each.id: each for each in await repository.model_page(session.connection, MOST_MODELS, "", provider)}
        new = [each for each in declared if each.name not in held]
        if len(held) + len(new) > MOST_MODELS:
            raise invalid(f"the provider {provider!r} would have more than {MOST_MODELS} models, the most there may be", "models")
        await session.change_catalog()
        now = self._clock.now()
        ids = {name: model_id for name, (model_id, _) in held.items()} | {each.name: readable(os.urandom(10)) for each in new}
        await repository.add_models(
            session.connection,
            [{"id": ids[each.name], "provider_id": found.id, "name": each.name, "created_at": now, **_values(each)} for each in new],
        )
        rates = []
        for each in declared:
            was = before.get(canonical_model(provider, each.name))
            new_here = was is None
            if was is None:
                was = ModelFacts(canonical_model(provider, each.name), provider, each.upstream_model, (), None, ADDED, now, None)
            rate = self._rate(each, was)
            if rate is not None:
                rates.append(
                    {"model_id": ids[each.name], **msgspec.structs.asdict(rate.rate), "source": rate.source, "from_at": rate.from_at}
                )
            await self._settle(session, ids[each.name], each, was, rate, new=new_here)
        await repository.add_rates(session.connection, rates)

    def _rate(self, declared: Declaration, was: ModelFacts) -> RateFacts | None:
        """The rate that is in force from now on; None where that of before stays."""
        if declared.rate is None or (was.rate is not None and was.rate.rate == declared.rate):
            return None
        now = self._clock.now()
        # Rates are history and stay in order even where the clock was set back.
        return RateFacts(declared.rate, SOURCE, now if was.rate is None else max(now, was.rate.from_at + 1))

    async def _settle(
        self, session: Session, row_id: str, declared: Declaration, was: ModelFacts, rate: RateFacts | None, *, new: bool
    ) -> None:
        """Bring one model to what is written, but for its rate, and tell the audit of both."""
        capabilities = tuple(each for each in CAPABILITIES if each in declared.capabilities)
        after = replace(was, upstream_model=declared.upstream_model, capabilities=capabilities, context_length=declared.context_length)
        if not new and after != replace(was, capabilities=tuple(each for each in CAPABILITIES if each in was.capabilities)):
            after = replace(after, origin=ADDED)
            await repository.change_model(session.connection, row_id, **_values(declared))
        after = after if rate is None else replace(after, rate=rate)
        action = "model.added" if new else "model.changed"
        session.record(action, "model", was.id, before=None if new else told_model(was), after=told_model(after))


def _values(declared: Declaration) -> dict[str, object]:
    every = set(declared.capabilities) == set(CAPABILITIES)
    return {
        "upstream_model": declared.upstream_model,
        "capabilities": None if every else list(declared.capabilities),
        "context_length": declared.context_length,
        "origin": ADDED,
    }
