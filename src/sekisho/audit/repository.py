"""Rows of refusals and of the audit. No decision is made here."""

from collections.abc import Collection

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.audit.model import RefusedRequest, Wanted
from sekisho.core.model.audit import AuditRow
from sekisho.storage.tables.audit import audit_rows, refusals
from sekisho.storage.tables.identity import keys, projects


async def newest_refusals(
    connection: AsyncConnection, limit: int, before: int | None, within: Collection[str] | None
) -> list[RefusedRequest]:
    """Newest recorded first, beginning behind a number; only of the keys of some projects, where these are named."""
    statement = select(refusals).order_by(refusals.c.number.desc()).limit(limit)
    if before is not None:
        statement = statement.where(refusals.c.number < before)
    if within is not None:
        theirs = select(keys.c.id).join(projects, projects.c.id == keys.c.project_id).where(projects.c.name.in_(within))
        statement = statement.where(refusals.c.key_id.in_(theirs))
    return [RefusedRequest(**row._mapping) for row in await connection.execute(statement)]


async def forget_refusals(connection: AsyncConnection, before: int, most: int) -> int:
    """Remove refusals that are older than a time, the oldest first; how many they were."""
    oldest = select(refusals.c.number).where(refusals.c.at < before).order_by(refusals.c.at).limit(most)
    return (await connection.execute(delete(refusals).where(refusals.c.number.in_(oldest)))).rowcount


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    held = audit_rows.c
    conditions: list[ColumnElement[bool]] = []
    if wanted.actor is not None:
        conditions.append(or_(held.actor == wanted.actor, held.actor_id == wanted.actor))
    if wanted.action is not None:
        whole = "." in wanted.action
        conditions.append(held.action == wanted.action if whole else held.action.startswith(f"{wanted.action}.", autoescape=True))
    for name in ("object_kind", "object_id", "project", "request_id"):
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(held[name] == value)
    if wanted.since is not None:
        conditions.append(held.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(held.at < wanted.until)
    return conditions


async def newest_rows(connection: AsyncConnection, wanted: Wanted, limit: int, before: int | None) -> list[AuditRow]:
    """The last appended first, beginning behind a row."""
    statement = select(audit_rows).where(*_conditions(wanted)).order_by(audit_rows.c.seq.desc()).limit(limit)
    if before is not None:
        statement = statement.where(audit_rows.c.seq < before)
    return [AuditRow(**row._mapping) for row in await connection.execute(statement)]


async def rows_between(connection: AsyncConnection, wanted: Wanted, limit: int, after: int, through: int) -> list[AuditRow]:
    """In the order of the chain, beginning behind a row, up to another."""
    held = audit_rows.c
    statement = select(audit_rows).where(held.seq > after, held.seq <= through, *_conditions(wanted)).order_by(held.seq).limit(limit)
    return [AuditRow(**row._mapping) for row in await connection.execute(statement)]


async def count_rows(connection: AsyncConnection, wanted: Wanted, through: int) -> int:
    """How many there are, up to a row."""
    statement = select(func.count()).select_from(audit_rows).where(audit_rows.c.seq <= through, *_conditions(wanted))
    return int((await connection.execute(statement)).scalar_one())
