"""What a project and a member are to people. Times are wall times in microseconds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Project:
    """A team's own place. Its `name` never changes, because calls carry it; its `title` is what people change."""

    id: str
    name: str
    title: str
    description: str
    owner_id: str | None
    created_at: int
    updated_at: int
    archived_at: int | None

    @property
    def shown(self) -> str:
        """What people call it."""
        return self.title or self.name


@dataclass(frozen=True)
class Member:
    """Somebody who belongs to a project."""

    user_id: str
    email: str
    name: str
    role: str
    created_at: int
