"""Models and their rates over the API: exact prices, nothing overwritten in silence, ids with slashes in every place."""

from typing import Any

import pytest

from sekisho.core.model.snapshot import Model, Rate
from tests.integration.management.house import House


@pytest.fixture
def house(house: House) -> House:
    """With a provider `up` that lists nothing."""
    house.good("POST", "/api/providers", {"name": "up", "kind": "vllm", "probe": False})
    return house


def compiled(house: House, model_id: str) -> Model:
    return next(each for each in house.run(house.compiler.catalog()).models if each.id == model_id)


def test_a_model_is_added_with_its_price_exactly(house: House) -> None:
    made = house.good("POST", "/api/models", {"id": "up/gpt-x", "input_price": "0.15", "output_price": "0.60", "context_length": 8192})
    assert made["rate"] == {
        "input_price": "0.15",
        "output_price": "0.6",
        "cached_input_price": None,
        "currency": "USD",
        "source": "user",
        "since": made["rate"]["since"],
    }
    assert (made["id"], made["provider"], made["upstream_model"], made["origin"], made["context_length"]) == (
        "up/gpt-x",
        "up",
        "gpt-x",
        "added",
        8192,
    )
    assert made["capabilities"] == ["chat", "completions", "embeddings"]
    model = compiled(house, "up/gpt-x")
    assert (model.rate, model.upstream_model, model.created) == (Rate(1500, 6000, None, "USD"), "gpt-x", 1_767_225_600)
    assert house.workers.publications[-1].revision == made["revision"]


@pytest.mark.parametrize(
    ("price", "per_token"),
    [("0", 0), (0, 0), (0.15, 1500), ("0.0001", 1), (0.0001, 1), (3, 30000), ("10000", 100_000_000), ("2.50", 25000)],
)
def test_a_price_is_read_exactly(house: House, price: Any, per_token: int) -> None:
    house.good("POST", "/api/models", {"id": "up/m", "input_price": price, "output_price": price, "cached_input_price": price})
    assert compiled(house, "up/m").rate == Rate(per_token, per_token, per_token)


@pytest.mark.parametrize("price", ["-1", -1, "0.00001", 0.00001, "1e3", "1e999999999", "NaN", "", "1,5", " 1", "0x1", True, [], "9" * 40])
def test_what_is_no_price_is_refused(house: House, price: Any) -> None:
    error = house.refused(422, "POST", "/api/models", {"id": "up/m", "input_price": price, "output_price": "1"})
    assert error["param"] == "input_price"


def test_a_price_of_the_wrong_unit_is_recognised(house: House) -> None:
    error = house.refused(422, "POST", "/api/models", {"id": "up/m", "input_price": "150000", "output_price": "1"})
    assert "per million tokens" in error["message"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"input_price": "1"}, "output_price is missing"),
        ({"output_price": "1"}, "input_price is missing"),
        ({"cached_input_price": "1"}, "needs input_price"),
        ({"capabilities": ["chat", "telepathy"]}, "'telepathy' is no capability"),
        ({"capabilities": []}, "at least 1 item"),
        ({"context_length": 0}, "greater than"),
        ({"currency": "usd"}, "pattern"),
        ({"id": "gpt-x"}, "provider/model"),
        ({"id": "up/*"}, "provider/model"),
        ({"id": "down/gpt-x"}, "no provider 'down'"),
        ({"id": "up/a\tb"}, "control characters"),
        ({"prices": 1}, "no field 'prices'"),
    ],
)
def test_bad_fields_are_refused(house: House, fields: Any, says: str) -> None:
    assert says in house.refused(422, "POST", "/api/models", {"id": "up/gpt-x", **fields})["message"]
    house.refused(404, "GET", "/api/models/up/gpt-x")


def test_a_model_is_added_once(house: House) -> None:
    house.good("POST", "/api/models", {"id": "up/gpt-x"})
    assert house.refused(409, "POST", "/api/models", {"id": "up/gpt-x", "input_price": 1, "output_price": 1})["code"] == "model_exists"
    assert house.good("GET", "/api/models/up/gpt-x")["rate"] is None


def test_ids_may_have_slashes_colons_and_escapes(house: House) -> None:
    for model_id in ("up/org/name:4b", "up/a rate", "up/rate"):
        house.good("POST", "/api/models", {"id": model_id})
        assert house.good("GET", f"/api/models/{model_id}")["id"] == model_id
        assert house.good("GET", f"/api/models/{model_id.replace('/', '%2F')}")["id"] == model_id
        priced = house.good("PUT", f"/api/models/{model_id}/rate", {"input_price": 1, "output_price": 2})
        assert priced["rate"]["output_price"] == "2.0"
        assert house.good("DELETE", f"/api/models/{model_id}")["deleted"] is True
        house.refused(404, "GET", f"/api/models/{model_id}")


def test_a_new_rate_is_in_force_at_once_and_the_old_one_stays_in_the_book(house: House) -> None:
    house.good("POST", "/api/models", {"id": "up/m", "input_price": "1", "output_price": "2"})
    house.clock.at -= 60_000_000  # The clock is set back: the newer rate is the newer one all the same.
    house.good("PUT", "/api/models/up/m/rate", {"input_price": "3", "output_price": "4", "cached_input_price": "0.5", "currency": "EUR"})
    assert compiled(house, "up/m").rate == Rate(30000, 40000, 5000, "EUR")

    async def book() -> list[int]:
        async with house.database.reader() as connection:
            return [row[0] for row in await connection.exec_driver_sql("SELECT input FROM rates ORDER BY from_at")]

    assert house.run(book()) == [10000, 30000]


def test_models_of_the_program_cannot_be_changed(house: House) -> None:
    assert house.refused(409, "DELETE", "/api/models/sandbox/echo")["code"] == "built_in"
    assert house.refused(409, "PUT", "/api/models/sandbox/echo/rate", {"input_price": 1, "output_price": 1})["code"] == "built_in"
    assert house.refused(409, "POST", "/api/models", {"id": "sandbox/mine"})["code"] == "built_in"
    echo = house.good("GET", "/api/models/sandbox/echo")
    assert (echo["origin"], echo["rate"]["input_price"]) == ("builtin", "0.0")
    assert compiled(house, "sandbox/echo").rate == Rate(0, 0, 0)


def test_the_built_in_engines_models_are_as_its_provider_function_says(house: House) -> None:
    house.builtin = (Model("builtin/tiny", "builtin", "tiny", base_url="http://127.0.0.1:9/v1"),)
    assert house.good("GET", "/api/models/builtin/tiny")["origin"] == "builtin"
    assert compiled(house, "builtin/tiny") is house.builtin[0]
    assert house.good("GET", "/api/providers/builtin")["models"] == ["builtin/tiny"]
    house.good("POST", "/api/keys", {"label": "k", "models": ["builtin/tiny", "builtin/*", "sandbox/error-418"]})
    house.refused(422, "POST", "/api/keys", {"label": "k", "models": ["builtin/other"]})
    house.refused(422, "POST", "/api/keys", {"label": "k", "models": ["sandbox/error-200"]})


def test_models_are_paged_by_id_with_the_programs_own_among_them(house: House) -> None:
    for name in ("m/1", "m-2", "m"):
        house.good("POST", "/api/models", {"id": f"up/{name}"})
    seen: list[str] = []
    path = "/api/models?limit=4"
    while path:
        page = house.good("GET", path)
        seen += [each["id"] for each in page["models"]]
        path = f"/api/models?limit=4&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert seen == sorted(seen)
    assert {"up/m", "up/m-2", "up/m/1", "sandbox/echo"} <= set(seen)
    assert [each["id"] for each in house.good("GET", "/api/models?provider=up")["models"]] == ["up/m", "up/m-2", "up/m/1"]


def test_a_listed_model_is_taken_over_with_its_price(house: House) -> None:
    house.execute(
        "INSERT INTO models (id, provider_id, name, upstream_model, origin, created_at) "
        "SELECT 'x', id, 'listed-one', 'listed-one', 'listed', 1 FROM providers WHERE name = 'up'"
    )
    made = house.good("POST", "/api/models", {"id": "up/listed-one", "input_price": 1, "output_price": 1, "upstream_model": "real-name"})
    assert (made["origin"], made["upstream_model"], made["rate"]["input_price"]) == ("added", "real-name", "1.0")
