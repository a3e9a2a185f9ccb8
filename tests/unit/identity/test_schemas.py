"""A key is told without its secret, but for the one answer that brings it."""

from sekisho.identity import schemas
from sekisho.identity.model import ApiKey, Issued
from sekisho.kit.crypto import Secret

KEY = ApiKey(
    id="abc",
    label="ci",
    project="default",
    models=("up/*",),
    rpm=1,
    tpm=None,
    concurrency=None,
    last4="WXYZ",
    created_at=0,
    expires_at=None,
    rotated_at=5,
    revoked_at=None,
    revision=3,
)
ISSUED = Issued(KEY, Secret("sk-sek-abc-canary"), overlap_until=1_000_000)


def test_the_secret_is_in_the_answers_that_issue_it_and_in_no_other() -> None:
    created = schemas.created(ISSUED, now=1).model_dump(mode="json")
    rotated = schemas.rotated(ISSUED, 4, ()).model_dump(mode="json")
    assert created["plain_key"] == rotated["plain_key"] == "sk-sek-abc-canary"
    assert (created["revision"], created["warnings"], created["models"]) == (3, [], ["up/*"])
    assert (rotated["id"], rotated["old_key_id"], rotated["overlap_until"]) == ("abc", "abc", "1970-01-01T00:00:01.000000Z")
    assert "canary" not in schemas.KeyTold.of(KEY, now=1).model_dump_json()


def test_an_issued_key_does_not_show_itself() -> None:
    assert "canary" not in f"{ISSUED!r} {ISSUED}"
