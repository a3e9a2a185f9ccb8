"""Issues, rotates and revokes the keys of the gateway.

A secret is 256 random bits and is kept as its SHA-256 only: what the database holds opens nothing.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sekisho.core.model import ids
from sekisho.core.ports import ModelDirectory
from sekisho.identity import repository
from sekisho.identity.model import ApiKey, Issued
from sekisho.kit.clock import SECOND, Clock, to_rfc3339
from sekisho.kit.crypto import Secret, sha256, token
from sekisho.rest.errors import conflict, invalid, not_found
from sekisho.storage.session import Session

_AT_ONCE: Final = 0
"""An end before every clock's reading: a secret that is to die now is not kept alive by a clock that was set back."""


class KeyService:
    """What can be done with keys."""

    def __init__(self, clock: Clock, directory: ModelDirectory) -> None:
        self._clock = clock
        self._directory = directory

    async def create(
        self,
        session: Session,
        *,
        label: str,
        project: str = ids.DEFAULT_PROJECT,
        models: Sequence[str] | None = None,
        rpm: int | None = None,
        tpm: int | None = None,
        concurrency: int | None = None,
        expires_in: int | None = None,
    ) -> Issued:
        """Make a key; `expires_in` in seconds. Without limits it has none, without models all."""
        project_id = await repository.project_id(session.connection, project)
        if project_id is None:
            raise invalid(f"there is no project {project!r}", "project")
        if models is not None:
            await self._require_models(models)
        now = self._clock.now()
        key_id = ids.readable(os.urandom(10))
        plain, digest = _secret(key_id)
        key = ApiKey(
            id=key_id,
            label=label,
            project=project,
            models=None if models is None else tuple(models),
            rpm=rpm,
            tpm=tpm,
            concurrency=concurrency,
            last4=plain.reveal()[-4:],
            created_at=now,
            expires_at=None if expires_in is None else now + expires_in * SECOND,
            rotated_at=None,
            revoked_at=None,
        )
        await repository.add(session.connection, key, project_id, await session.change_keys())
        await repository.add_secret(session.connection, key_id, digest, now)
        return Issued(key, plain)

    async def find(self, session: Session, key_id: str) -> ApiKey:
        """The key of this id; raises ApiError 404."""
        key = await repository.find(session.connection, key_id)
        if key is None:
            raise not_found("key", key_id)
        return key

    async def page(self, session: Session, limit: int, after: tuple[int, str] | None) -> list[ApiKey]:
        """Newest first, revoked ones included."""
        return await repository.page(session.connection, limit, after)

    async def revoke(self, session: Session, key_id: str) -> ApiKey:
        """End a key for good; doing it twice changes nothing more."""
        key = await self.find(session, key_id)
        if key.revoked_at is not None:
            return key
        now = self._clock.now()
        await repository.change(session.connection, key_id, await session.change_keys(), revoked_at=now)
        return replace(key, revoked_at=now)

    async def rotate(self, session: Session, key_id: str, *, overlap: int = 0, label: str | None = None) -> Issued:
        """Give a key a new secret under its old id; the secrets before it open for `overlap` more seconds."""
        key = await self.find(session, key_id)
        now = self._clock.now()
        if key.revoked_at is not None:
            raise conflict(f"the key {key_id} was revoked at {to_rfc3339(key.revoked_at)}; create a new one", None, "key_revoked")
        if key.expires_at is not None and key.expires_at <= now:
            raise conflict(f"the key {key_id} expired at {to_rfc3339(key.expires_at)}; create a new one", None, "key_expired")
        plain, digest = _secret(key_id)
        until = now + overlap * SECOND if overlap else None
        key = replace(key, label=key.label if label is None else label, last4=plain.reveal()[-4:], rotated_at=now)
        revision = await session.change_keys()
        await repository.end_secrets(session.connection, key_id, until or _AT_ONCE)
        await repository.change(session.connection, key_id, revision, label=key.label, last4=key.last4, rotated_at=now)
        await repository.add_secret(session.connection, key_id, digest, now)
        return Issued(key, plain, until)

    async def rename_provider(self, session: Session, old: str, new: str) -> None:
        """Let the keys' models follow a provider's new name."""
        for key_id, models in await repository.scoped(session.connection):
            renamed = [f"{new}/{entry[len(old) + 1 :]}" if entry.startswith(f"{old}/") else entry for entry in models]
            if renamed != list(models):
                await repository.change(session.connection, key_id, await session.change_keys(), models=renamed)

    async def unbounded(self, session: Session) -> list[ApiKey]:
        """Live keys that never expire, or that have no limit: worth a second look."""
        return await repository.live_without(session.connection, self._clock.now())

    async def _require_models(self, models: Sequence[str]) -> None:
        for entry in models:
            provider, _, model = entry.partition("/")
            if not provider or not model:
                raise invalid(f"{entry!r} is not a model; write provider/model, or provider/* for all of a provider", "models")
        unknown = await self._directory.first_unknown(models)
        if unknown is not None:
            noun = "provider" if unknown.endswith("/*") else "model"
            raise invalid(
                f"there is no {noun} {unknown.removesuffix('/*')!r}; add it first, or check its spelling", "models", f"{noun}_not_found"
            )


def _secret(key_id: str) -> tuple[Secret, bytes]:
    plain = ids.plain_key(key_id, token())
    return Secret(plain), sha256(plain.encode())
