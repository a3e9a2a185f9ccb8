"""The one list of routes of the gateway: which path speaks which dialect, who may call it, how large its body may be."""

import enum
from typing import Any, Final

from sekisho.core.dialects import openai_chat


class Action(enum.Enum):
    """What a route does."""

    HEALTH = "health"
    READY = "ready"
    HELLO = "hello"
    MODELS = "models"
    MODEL = "model"
    CHAT = "chat"
    COMPLETION = "completion"
    EMBEDDING = "embedding"


class Body(enum.Enum):
    """Which bound a body has; the figures are settings."""

    NONE = "none"
    CHAT = "chat"
    JSON = "json"


class Route:
    """One entry of the table."""

    def __init__(
        self,
        action: Action,
        methods: tuple[str, ...],
        *,
        public: bool = False,
        body: Body = Body.NONE,
        upstream_path: str = "",
        capability: str = "",
        dialect: Any = openai_chat,
    ) -> None:
        self.action = action
        self.methods = methods
        self.public = public
        self.body = body
        self.upstream_path = upstream_path
        """Appended to the provider's base URL."""
        self.calls = bool(upstream_path)
        """Whether serving it means calling a provider."""
        self.capability = capability
        """What the model must be able to do."""
        self.dialect = dialect
        """The module that reads and writes for this route's clients, with the functions that `base` lists."""


CHAT: Final = Route(Action.CHAT, ("POST",), body=Body.CHAT, upstream_path="/chat/completions", capability="chat")
COMPLETION: Final = Route(Action.COMPLETION, ("POST",), body=Body.CHAT, upstream_path="/completions", capability="completions")
EMBEDDING: Final = Route(Action.EMBEDDING, ("POST",), body=Body.JSON, upstream_path="/embeddings", capability="embeddings")
MODELS: Final = Route(Action.MODELS, ("GET", "HEAD"))
MODEL: Final = Route(Action.MODEL, ("GET", "HEAD"))

ROUTES: Final = {
    "/": Route(Action.HELLO, ("GET", "HEAD"), public=True),
    "/health": Route(Action.HEALTH, ("GET", "HEAD"), public=True),
    "/health/ready": Route(Action.READY, ("GET", "HEAD"), public=True),
    "/v1/models": MODELS,
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETION,
    "/v1/embeddings": EMBEDDING,
    "/models": MODELS,
    "/chat/completions": CHAT,
    "/completions": COMPLETION,
    "/embeddings": EMBEDDING,
}
MODEL_PREFIXES: Final = ("/v1/models/", "/models/")
"""What follows is the model's id, slashes, colons and `%2F` included."""


def find(path: str) -> tuple[Route, str] | None:
    """The route of a path exactly as sent, and the rest that names a model; None where there is none."""
    route = ROUTES.get(path)
    if route is not None:
        return route, ""
    for prefix in MODEL_PREFIXES:
        if path.startswith(prefix) and len(path) > len(prefix):
            return MODEL, path[len(prefix) :]
    return None
