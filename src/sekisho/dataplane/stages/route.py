"""Where the call goes: the envelope is read, the model found, the candidate prepared."""

from sekisho.core.dialects.base import EnvelopeError
from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.policy.access import may_use
from sekisho.dataplane.stages import Exchange, Plane


def route(x: Exchange, plane: Plane) -> Refusal | None:
    """Resolve the model. One outside the key's scope is as absent as one that does not exist."""
    body = x.body
    whole = body[0] if len(body) == 1 else b"".join(body)
    body.clear()
    try:
        envelope = x.route.dialect.decode_request(whole, plane.bounds.json_keys)
    except EnvelopeError as error:
        return error.refusal
    x.envelope = envelope
    directory, key = plane.directory, x.key
    assert directory is not None
    assert key is not None
    model = directory.find(envelope.model)
    if model is None or not may_use(key, model):
        return unknown_model(envelope.model)
    if x.route.capability not in model.capabilities:
        return Refusal(
            400,
            Kind.INVALID,
            "capability_missing",
            f"the model {model.id} does not serve {x.route.capability}; choose one that does",
            "model",
            should_retry=False,
        )
    x.model = model
    x.target = plane.targets.find(model.id)
    return None


def unknown_model(name: str) -> Refusal:
    return Refusal(
        404,
        Kind.NOT_FOUND,
        "model_not_found",
        f"the model {name[:200]!r} does not exist or is not open to this key; GET /v1/models lists what is",
        "model",
        should_retry=False,
    )
