"""Issues, rotates and revokes the keys of the gateway.

A secret is 256 random bits and is kept as its SHA-256 only: what the database holds opens nothing.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from sekisho.core.model import ids
from sekisho.core.ports import KeyFacts, ModelDirectory
from sekisho.identity import repository
from sekisho.identity.model import ApiKey, Issued, Wanted
from sekisho.kit.clock import SECOND, Clock, to_rfc3339
from sekisho.kit.crypto import Secret, sha256, token
from sekisho.rest.errors import conflict, forbidden, invalid, not_found
from sekisho.rest.permissions import Caller
from sekisho.rest.versions import require_current
from sekisho.storage.session import Session, Sessions

_AT_ONCE: Final = 0
"""An end before every clock's reading: a secret that is to die now is not kept alive by a clock that was set back."""

NEAR: Final = 10 * 86_400 * SECOND
"""Microseconds before its end that a key counts as one that ends soon."""


class Keys:
    """Knows whose a key is; fills `core.ports.KeyDirectory`."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def facts(self, key_ids: Sequence[str]) -> Mapping[str, KeyFacts]:
        """Of those of these keys that exist."""
        async with self._sessions.read() as session:
            return await repository.some(session.connection, key_ids)


class KeyService:
    """What can be done with keys. `by` is who does it: what lies outside of their projects is not there for them; None is the product."""

    def __init__(self, clock: Clock, directory: ModelDirectory) -> None:
        self._clock = clock
        self._directory = directory

    def now(self) -> int:
        """By whose clock keys end."""
        return self._clock.now()

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
        by: Caller | None = None,
    ) -> Issued:
        """Make a key; `expires_in` in seconds. Without limits it has none, without models all."""
        project_id = await repository.project_id(session.connection, project)
        if project_id is None or not _sees(by, project):
            raise not_found("project", project)
        _require_write(by, project)
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
            created_by=None if by is None else by.user_id,
            maker=None if by is None or by.user_id is None else by.name,
            revision=await session.change_keys(),
        )
        await repository.add(session.connection, key, project_id)
        await repository.add_secret(session.connection, key_id, digest, now)
        session.record("key.created", "key", key_id, project=project, after=_noted(key))
        return Issued(key, plain)

    async def find(self, session: Session, key_id: str, by: Caller | None = None) -> ApiKey:
        """The key of this id; raises ApiError 404."""
        key = await repository.find(session.connection, key_id)
        if key is None or not _sees(by, key.project):
            raise not_found("key", key_id)
        return key

    async def page(self, session: Session, limit: int, after: tuple[int, str] | None, wanted: Wanted | None = None) -> list[ApiKey]:
        """Newest first, revoked ones included. Raises ApiError 404 for a project that does not exist, or not for whoever asks."""
        wanted = wanted or Wanted()
        if wanted.project is not None:
            hidden = wanted.within is not None and wanted.project not in wanted.within
            if hidden or not await repository.has_project(session.connection, wanted.project):
                raise not_found("project", wanted.project)
        now = self._clock.now()
        return await repository.page(session.connection, wanted, now, now + NEAR, limit, after)

    async def change(
        self, session: Session, key_id: str, changes: Mapping[str, Any], *, version: str | None = None, by: Caller | None = None
    ) -> ApiKey:
        """Change what is given of `label, models, rpm, tpm, concurrency, expires_at, enabled`, where None is none.

        `version` is the If-Match of the request. Raises ApiError 404, 409 and 412.
        """
        key = await self._writable(session, key_id, by)
        require_current(version, key.revision, "key")
        self._require_alive(key)
        now = self._clock.now()
        values = {name: value for name, value in changes.items() if name != "enabled"}
        if values.get("models") is not None:
            await self._require_models(values["models"])
            values["models"] = tuple(values["models"])
        if values.get("expires_at") is not None and values["expires_at"] <= now:
            raise invalid("expires_at has passed already; to end the key now, revoke it", "expires_at")
        if "enabled" in changes:
            values["disabled_at"] = None if changes["enabled"] else key.disabled_at or now
        changed = replace(key, **values)
        if changed == key:
            return key
        changed = replace(changed, revision=await session.change_keys())
        stored = values | ({"models": list(values["models"])} if values.get("models") is not None else {})
        await repository.change(session.connection, key_id, changed.revision, **stored)
        session.record("key.changed", "key", key_id, project=key.project, before=_noted(key), after=_noted(changed))
        return changed

    async def revoke(self, session: Session, key_id: str, by: Caller | None = None) -> ApiKey:
        """End a key for good; doing it twice changes nothing more."""
        key = await self._writable(session, key_id, by)
        if key.revoked_at is not None:
            return key
        ended = replace(key, revoked_at=self._clock.now(), revision=await session.change_keys())
        await repository.change(session.connection, key_id, ended.revision, revoked_at=ended.revoked_at)
        session.record("key.revoked", "key", key_id, project=key.project, before=_noted(key), after=_noted(ended))
        return ended

    async def rotate(
        self, session: Session, key_id: str, *, overlap: int = 0, label: str | None = None, by: Caller | None = None
    ) -> Issued:
        """Give a key a new secret under its old id; the secrets before it open for `overlap` more seconds."""
        key = await self._writable(session, key_id, by)
        now = self._clock.now()
        self._require_alive(key)
        if key.expires_at is not None and key.expires_at <= now:
            raise conflict(f"the key {key_id} expired at {to_rfc3339(key.expires_at)}; create a new one", None, "key_expired")
        plain, digest = _secret(key_id)
        until = now + overlap * SECOND if overlap else None
        revision = await session.change_keys()
        turned = replace(key, label=key.label if label is None else label, last4=plain.reveal()[-4:], rotated_at=now, revision=revision)
        await repository.end_secrets(session.connection, key_id, until or _AT_ONCE)
        await repository.change(session.connection, key_id, revision, label=turned.label, last4=turned.last4, rotated_at=now)
        await repository.add_secret(session.connection, key_id, digest, now)
        overlapping = {} if until is None else {"overlap_until": to_rfc3339(until)}
        session.record("key.rotated", "key", key_id, project=key.project, before=_noted(key), after=_noted(turned) | overlapping)
        return Issued(turned, plain, until)

    async def rename_provider(self, session: Session, old: str, new: str) -> None:
        """Let the keys' models follow a provider's new name."""
        for key_id, models in await repository.scoped(session.connection):
            renamed = [f"{new}/{entry[len(old) + 1 :]}" if entry.startswith(f"{old}/") else entry for entry in models]
            if renamed != list(models):
                await repository.change(session.connection, key_id, await session.change_keys(), models=renamed)

    async def unbounded(self, session: Session) -> list[ApiKey]:
        """Live keys that never expire, or that have no limit: worth a second look."""
        return await repository.live_without(session.connection, self._clock.now())

    async def _writable(self, session: Session, key_id: str, by: Caller | None) -> ApiKey:
        """The key; raises ApiError 404, and 403 where it may be seen and not changed."""
        key = await self.find(session, key_id, by)
        _require_write(by, key.project)
        return key

    def _require_alive(self, key: ApiKey) -> None:
        if key.revoked_at is not None:
            raise conflict(f"the key {key.id} was revoked at {to_rfc3339(key.revoked_at)}; create a new one", None, "key_revoked")

    async def _require_models(self, models: Sequence[str]) -> None:
        for entry in models:
            provider, slash, model = entry.partition("/")
            if slash and not (provider and model):
                raise invalid(f"{entry!r} is not a model; write provider/model, or provider/* for all of a provider", "models")
        unknown = await self._directory.first_unknown(models)
        if unknown is not None and "/" not in unknown:
            raise invalid(
                f"there is no API {unknown!r}; publish it first, or write provider/model for a model, provider/* for all of a provider",
                "models",
                "api_not_found",
            )
        if unknown is not None:
            noun = "provider" if unknown.endswith("/*") else "model"
            raise invalid(
                f"there is no {noun} {unknown.removesuffix('/*')!r}; add it first, or check its spelling", "models", f"{noun}_not_found"
            )


def _sees(by: Caller | None, project: str) -> bool:
    within = None if by is None else by.within()
    return within is None or project in within


def _require_write(by: Caller | None, project: str) -> None:
    if by is not None and not by.may_write_in(project):
        raise forbidden(f"to change keys of the project {project}")


def _noted(key: ApiKey) -> dict[str, Any]:
    """What the audit keeps of a key."""
    times = {name: getattr(key, name) for name in ("expires_at", "rotated_at", "revoked_at", "disabled_at")}
    return {
        "label": key.label,
        "project": key.project,
        "models": None if key.models is None else list(key.models),
        "rpm": key.rpm,
        "tpm": key.tpm,
        "concurrency": key.concurrency,
        "last4": key.last4,
        **{name: None if at is None else to_rfc3339(at) for name, at in times.items()},
    }


def _secret(key_id: str) -> tuple[Secret, bytes]:
    plain = ids.plain_key(key_id, token())
    return Secret(plain), sha256(plain.encode())
