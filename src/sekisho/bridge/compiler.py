"""Rows to the configuration of the hot path, each time from one consistent read.

This is the only place where sealed credentials are opened for the workers. A provider that is switched off is not in the result.
"""

import logging
from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Select, Text, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from sekisho.catalog import builtins
from sekisho.catalog.apis.model import MEMBERS, SYSTEM_PROMPT
from sekisho.catalog.model import credential_place
from sekisho.catalog.settings import CAPABILITIES
from sekisho.core.model.ids import canonical_model
from sekisho.core.model.snapshot import Api, Catalog, Credential, Key, Model, Provider, Rate, Timeouts
from sekisho.kit.clock import SECOND, Clock, SystemClock
from sekisho.kit.crypto import KeyRing, SealError
from sekisho.storage.database import Database
from sekisho.storage.tables.catalog import apis, credentials, models, providers, rates
from sekisho.storage.tables.identity import key_secrets, keys, projects
from sekisho.storage.tables.revisions import revisions

_log: Final = logging.getLogger(__name__)
_entries: Final = msgspec.json.Decoder(tuple[str, ...])

PAGE: Final = 1000
"""Rows taken at once, so that a hundred thousand keys do not hold up the node's other work."""
CLOCK_ERROR: Final = 366 * 86_400 * SECOND
"""Microseconds after its end that a key is still sent to the workers, which let nobody in with it: by then a clock that was wrong when the
configuration was read is right again, and the key may have its time before it."""


@dataclass(frozen=True)
class Changes:
    """What is newer than some revision."""

    revision: int
    instance: str
    """Of which installation: another one, where a backup was put in the database's place."""
    catalog: Catalog | None
    """None where nothing but keys changed."""
    keys: tuple[Key, ...]
    """Entries that came or changed."""
    gone: tuple[bytes, ...]
    """Digests that open nothing any more."""


def _no_models() -> tuple[Model, ...]:
    return ()


class Compiler:
    """Fills `core.ports.SnapshotSource`."""

    def __init__(
        self, database: Database, ring: KeyRing, builtin_models: builtins.BuiltinModels = _no_models, clock: Clock | None = None
    ) -> None:
        self._database = database
        self._ring = ring
        self._builtin_models = builtin_models
        self._clock = clock or SystemClock()

    async def revision(self) -> int:
        """The newest revision."""
        async with self._database.reader() as connection:
            return int((await connection.execute(select(revisions.c.revision))).scalar_one())

    async def catalog(self) -> Catalog:
        """Everything but the keys, as it is now."""
        async with self._database.reader() as connection:
            return await self._catalog(connection, (await connection.execute(select(revisions))).one())

    async def keys(self) -> tuple[Key, ...]:
        """Every key that opens something now or will not before it expires."""
        entries: list[Key] = []
        async with self._database.reader() as connection:
            statement = _secrets().where(keys.c.revoked_at.is_(None), keys.c.disabled_at.is_(None)).execution_options(yield_per=PAGE)
            result = await connection.stream(statement)
            now = self._clock.now()
            async for rows in result.partitions():
                entries.extend(entry for entry, _ in map(_key, rows) if _opens(entry, now))
        return tuple(entries)

    async def changes(self, since: int) -> Changes:
        """What was committed after a revision."""
        async with self._database.reader() as connection:
            state = (await connection.execute(select(revisions))).one()
            catalog = await self._catalog(connection, state) if state.catalog_revision > since else None
            present: list[Key] = []
            gone: list[bytes] = []
            now = self._clock.now()
            for row in await connection.execute(_secrets().where(keys.c.revision > since)):
                entry, shut = _key(row)
                if not shut and _opens(entry, now):
                    present.append(entry)
                else:
                    gone.append(entry.digest)
        return Changes(state.revision, state.instance, catalog, tuple(present), tuple(gone))

    async def _catalog(self, connection: AsyncConnection, state: Any) -> Catalog:
        opened = await self._credentials(connection)
        served = select(providers).where(providers.c.enabled).order_by(providers.c.name)
        rows = (await connection.execute(served)).all()
        return Catalog(
            revision=state.revision,
            instance=state.instance,
            providers=(*builtins.providers(), *(_provider(row, tuple(opened[row.id])) for row in rows)),
            models=(*builtins.sandbox_models(), *self._builtin_models(), *await _models(connection)),
            apis=tuple(_api(row) for row in await connection.execute(select(apis).order_by(apis.c.name))),
        )

    async def _credentials(self, connection: AsyncConnection) -> dict[str, list[Credential]]:
        """The active credentials by provider, opened. One that does not open is left out, and said."""
        opened: dict[str, list[Credential]] = defaultdict(list)
        active = select(credentials).where(credentials.c.state == "active").order_by(credentials.c.created_at)
        for row in await connection.execute(active):
            try:
                secret = self._ring.open(row.sealed, credential_place(row.id)).decode()
            except SealError as error:
                _log.error("the credential %s of provider %s is left out: %s; give it again", row.id, row.provider_id, error)
                continue
            opened[row.provider_id].append(Credential(row.id, secret, row.weight))
        return opened


def _provider(row: Any, opened: tuple[Credential, ...]) -> Provider:
    return Provider(
        name=row.name,
        kind=row.kind,
        base_url=row.base_url,
        credentials=opened,
        timeouts=Timeouts(**(row.timeouts or {})),
        ca_bundle=row.ca_bundle,
    )


def _api(row: Any) -> Api:
    prompt = row.defaults.get(SYSTEM_PROMPT)
    return Api(
        name=row.name,
        target=row.target,
        enabled=row.enabled,
        defaults=tuple((name, msgspec.json.encode(row.defaults[name])) for name in MEMBERS if name in row.defaults),
        system_prompt=b"" if prompt is None else msgspec.json.encode({"role": "system", "content": prompt}),
        created=row.created_at // SECOND,
    )


async def _models(connection: AsyncConnection) -> list[Model]:
    """The models of providers that are on, with the newest of their rates."""
    newest = select(rates.c.model_id, func.max(rates.c.from_at).label("from_at")).group_by(rates.c.model_id).subquery()
    statement = (
        select(models, providers.c.name.label("provider"), rates.c.input, rates.c.output, rates.c.cached, rates.c.currency)
        .join(providers, providers.c.id == models.c.provider_id)
        .outerjoin(newest, newest.c.model_id == models.c.id)
        .outerjoin(rates, (rates.c.model_id == models.c.id) & (rates.c.from_at == newest.c.from_at))
        .where(providers.c.enabled)
        .order_by(providers.c.name, models.c.name)
    )
    return [
        Model(
            id=canonical_model(row.provider, row.name),
            provider=row.provider,
            upstream_model=row.upstream_model,
            capabilities=CAPABILITIES if row.capabilities is None else tuple(row.capabilities),
            rate=None if row.currency is None else Rate(row.input, row.output, row.cached, row.currency),
            context_length=row.context_length,
            created=row.created_at // SECOND,
        )
        for row in await connection.execute(statement)
    ]


def _secrets() -> Select[Any]:
    """Every secret with the key that it is of, in the order that `_key` takes apart. The models stay JSON text until they are needed."""
    return (
        select(
            key_secrets.c.digest,
            key_secrets.c.expires_at.label("ends_at"),
            keys.c.id,
            keys.c.label,
            cast(keys.c.models, Text),
            keys.c.rpm,
            keys.c.tpm,
            keys.c.concurrency,
            keys.c.expires_at,
            keys.c.revoked_at,
            keys.c.disabled_at,
            projects.c.name,
        )
        .join(keys, keys.c.id == key_secrets.c.key_id)
        .join(projects, projects.c.id == keys.c.project_id)
    )


def _key(row: Any) -> tuple[Key, bool]:
    """The entry, and whether the key is revoked or switched off."""
    digest, ends_at, key_id, label, models_text, rpm, tpm, concurrency, expires_at, revoked_at, disabled_at, project = row
    if ends_at is not None and (expires_at is None or ends_at < expires_at):
        expires_at = ends_at
    allowed = None if models_text is None else _entries.decode(models_text)
    shut = revoked_at is not None or disabled_at is not None
    return Key(digest, key_id, label, project, allowed, rpm, tpm, concurrency, expires_at), shut


def _opens(entry: Key, now: int) -> bool:
    return entry.expires_at is None or entry.expires_at + CLOCK_ERROR > now
