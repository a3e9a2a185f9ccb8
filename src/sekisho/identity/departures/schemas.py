"""The bodies of exports and erasures."""

from pydantic import Field

from sekisho.rest.schemas import Told


class Erased(Told):
    id: str
    pseudonym: str = Field(description="What the audit calls this person from now on.")
