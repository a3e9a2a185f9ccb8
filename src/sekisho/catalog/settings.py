"""What the catalog assumes where nobody says otherwise."""

from typing import Final

BASE_URLS: Final = {
    "openai": "https://api.openai.com/v1",
    "ollama": "http://127.0.0.1:11434/v1",
    "llamacpp": "http://127.0.0.1:8080/v1",
    "vllm": "http://127.0.0.1:8000/v1",
    "lmstudio": "http://127.0.0.1:1234/v1",
}
"""The addresses that the kinds have by themselves; `custom` has none."""

KINDS: Final = ("custom", *BASE_URLS)
"""The kinds that a person can add."""

CAPABILITIES: Final = ("chat", "completions", "embeddings")
"""What a model can be said to serve."""

WEIGHT: Final = 100
"""Of a credential, beside others of its provider."""

MOST_MODELS: Final = 10_000
"""Models that one provider may list; more is a mistake or an attack on memory."""

DEAREST: Final = 10_000
"""USD per million tokens beyond which a price is taken for a mistake of its unit: the dearest model known costs a few hundred."""
