"""Tells what a model cost when, to those who explain calls."""

from sekisho.catalog.prices import repository
from sekisho.core.ports import Price
from sekisho.storage.session import Sessions


class Prices:
    """Fills `core.ports.PriceBook`."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def price(self, model: str, at: int) -> Price | None:
        """The rate that was in force; that of a model which is always there and free is not kept by time, and None."""
        provider, _, name = model.partition("/")
        async with self._sessions.read() as session:
            return await repository.in_force(session.connection, provider, name, at)
