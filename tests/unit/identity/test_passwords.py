"""Passwords: what they have to be, how they are kept, and that trying them is bounded work beside the loop."""

import asyncio

import pytest

from sekisho.identity.people.passwords import Passwords, require_good
from sekisho.rest.errors import ApiError

PASSWORD = "a sentence that is long enough"


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("short", "password_too_short"),
        ("elevenchars", "password_too_short"),
        ("x" * 257, "password_too_long"),
        ("PasswordPassword", "password_too_common"),
        ("aaaaaaaaaaaaaaa", "password_too_common"),
        ("abababababab", "password_too_common"),
        ("olga@example.org", "password_too_common"),
        ("Olga@Example.ORG", "password_too_common"),
    ],
)
def test_what_anybody_would_try_first_is_no_password(password: str, code: str) -> None:
    with pytest.raises(ApiError) as caught:
        require_good(password, "olga@example.org", "Olga")
    assert (caught.value.refusal.status, caught.value.refusal.code, caught.value.refusal.param) == (422, code, "password")
    assert password not in caught.value.refusal.message


@pytest.mark.parametrize("password", [PASSWORD, "twelve chars", "正しい馬の電池ホチキスと猫", "x1y2" * 64])
def test_a_sentence_in_any_language_is_one(password: str) -> None:
    require_good(password, "olga@example.org", "Olga")


def test_a_password_is_kept_as_argon2id_and_known_again() -> None:
    async def run() -> None:
        passwords = Passwords()
        kept = await passwords.hash(PASSWORD)
        assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert await passwords.matches(PASSWORD, kept)
        assert not await passwords.matches(PASSWORD + " ", kept)
        assert not await passwords.matches("", kept)
        assert not await passwords.matches(PASSWORD, None)
        assert not await passwords.matches(PASSWORD, "no hash at all")
        assert not passwords.is_dated(kept)
        assert passwords.is_dated(kept.replace("t=2", "t=1"))
        # The same password, typed on another keyboard.
        assert await passwords.matches("ｐａｓｓ が 1234567", await passwords.hash("pass か\u3099 1234567"))
        passwords.close()

    asyncio.run(run())


def test_too_many_at_once_are_sent_away_and_the_loop_goes_on() -> None:
    async def run() -> None:
        passwords = Passwords(threads=1, queue=3)
        kept = await passwords.hash(PASSWORD)
        turns = 0

        async def loop() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        beside = asyncio.ensure_future(loop())
        outcomes = await asyncio.gather(*(passwords.matches("wrong", kept) for _ in range(50)), return_exceptions=True)
        beside.cancel()
        refused = [each for each in outcomes if isinstance(each, ApiError)]
        assert outcomes.count(False) == 4
        assert len(refused) == 46
        assert {(each.refusal.status, each.refusal.code, each.refusal.retry_after) for each in refused} == {(503, "logins_busy", 2)}
        assert turns > 100
        assert await passwords.matches(PASSWORD, kept), "and then it is as before"
        passwords.close()

    asyncio.run(run())


def test_nobodys_password_costs_what_somebodys_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, not timed: exactly one comparison for each."""

    async def run() -> None:
        passwords = Passwords()
        kept = await passwords.hash(PASSWORD)
        await passwords.matches("warm", None)
        compared: list[str] = []
        verify = passwords._hasher.verify

        def count(hash: str, password: str) -> bool:
            compared.append(hash.rpartition("$")[0].rpartition("$")[0])
            return verify(hash, password)

        monkeypatch.setattr(passwords, "_hasher", _With(passwords._hasher, count))
        for known in (kept, None):
            await passwords.matches("wrong password here", known)
        assert compared == ["$argon2id$v=19$m=19456,t=2,p=1"] * 2
        passwords.close()

    asyncio.run(run())


class _With:
    """A hasher whose comparison is watched."""

    def __init__(self, hasher: object, verify: object) -> None:
        self._hasher = hasher
        self.verify = verify

    def __getattr__(self, name: str) -> object:
        return getattr(self._hasher, name)
