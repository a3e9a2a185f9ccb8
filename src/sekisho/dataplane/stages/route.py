"""Where the call goes: the envelope is read, the model found, the candidate prepared."""

from sekisho.core.dialects.base import EnvelopeError
from sekisho.core.model.errors import Kind, Refusal
from sekisho.core.model.ids import recorded_model
from sekisho.core.model.snapshot import Api, Model
from sekisho.core.policy.access import Directory, may_use
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
        api = directory.apis.get(model.id)
        return lacks(model, x.route.capability) if api is None else through(x, plane, directory, api)
    x.model = model
    x.target = plane.targets.find(model.id)
    return None


def through(x: Exchange, plane: Plane, directory: Directory, api: Api) -> Refusal | None:
    """The call names an API: its model is asked, with its defaults where the body has none."""
    if not api.enabled:
        return Refusal(
            404,
            Kind.NOT_FOUND,
            "model_not_found",
            f"the API {api.name!r} is switched off; ask its operator, or call one of GET /v1/models",
            "model",
            should_retry=False,
        )
    model = directory.models.get(api.target)
    target = plane.targets.find(recorded_model(api.name, api.target))
    if model is None or target is None:
        return Refusal(
            503,
            Kind.OVERLOADED,
            "api_broken",
            f"the API {api.name!r} has no model to serve it: {api.target} is gone, or its provider is switched off; tell its operator",
            "model",
            should_retry=False,
        )
    if x.route.capability not in model.capabilities:
        return lacks(model, x.route.capability)
    if api.defaults or api.system_prompt:
        try:
            x.route.dialect.add_defaults(x.envelope, x.route.capability, api.defaults, api.system_prompt)
        except EnvelopeError as error:
            return error.refusal
    x.model = model
    x.target = target
    return None


def lacks(model: Model, capability: str) -> Refusal:
    return Refusal(
        400,
        Kind.INVALID,
        "capability_missing",
        f"the model {model.id} does not serve {capability}; choose one that does",
        "model",
        should_retry=False,
    )


def unknown_model(name: str) -> Refusal:
    return Refusal(
        404,
        Kind.NOT_FOUND,
        "model_not_found",
        f"the model {name[:200]!r} does not exist or is not open to this key; GET /v1/models lists what is",
        "model",
        should_retry=False,
    )
