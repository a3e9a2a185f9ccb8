"""How things are named. Randomness comes in as an argument: this layer has none of its own."""

from typing import Final

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32 in lower case: no letter is mistaken for another when read aloud."""

KEY_PREFIX: Final = "sk-sek-"
SANDBOX: Final = "sandbox"
BUILTIN: Final = "builtin"
DEFAULT_PROJECT: Final = "default"


def readable(entropy: bytes) -> str:
    """Spell random bytes in base 32: 10 bytes give 16 characters."""
    number, length = int.from_bytes(entropy, "big"), (len(entropy) * 8 + 4) // 5
    letters = []
    for _ in range(length):
        number, rest = divmod(number, 32)
        letters.append(ALPHABET[rest])
    return "".join(reversed(letters))


def plain_key(public_id: str, secret: str) -> str:
    """The text of a gateway key: `sk-sek-<public id>-<43 url-safe characters>`."""
    return f"{KEY_PREFIX}{public_id}-{secret}"


def canonical_model(provider: str, model: str) -> str:
    return f"{provider}/{model}"


def recorded_model(api: str, model_id: str) -> str:
    """How a record names what was called through an API: `<api>@<provider>/<model>`."""
    return f"{api}@{model_id}"


def split_recorded(recorded: str) -> tuple[str, str]:
    """The API of such a name and the model that served; the API is empty where a call named none.

    Names of APIs and of providers hold neither `@` nor `/`, so an `@` before the first `/` is ours, and any other is the model's.
    """
    api, at, model = recorded.partition("@")
    return (api, model) if at and "/" not in api else ("", recorded)
