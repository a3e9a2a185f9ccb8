"""`/metrics` after real traffic, as Prometheus itself would read it, and who may."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.live.test_feed import call
from tests.e2e.live.viewers import LONG_S, Viewer, owner_of
from tests.support.product import Product, eventually

pytestmark = pytest.mark.e2e

LABELS = (("model", "sandbox/echo"), ("provider", "sandbox"))
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(url: str, **headers: str) -> Samples:
    answer = httpx.get(f"{url}/metrics", headers=headers, timeout=LONG_S)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_counters_grow_with_traffic_under_our_names_and_under_those_of_others(product: Product) -> None:
    completed = ("sekisho_calls_total", (*LABELS, ("status", "completed")))
    counted = scrape(product.console_url).get(completed, 0)
    call(product)
    eventually(lambda: scrape(product.console_url).get(completed, 0) == counted + 1, "the first call", LONG_S)
    before = scrape(product.console_url)
    for _ in range(3):
        call(product)
    for path in ("/nowhere", "/nowhere/else"):
        assert httpx.get(f"{product.origin}{path}", timeout=LONG_S).status_code == 404

    def grown() -> Samples | None:
        now = scrape(product.console_url)
        return (
            now
            if now[completed] - before[completed] == 3 and now["sekisho_refused_total", ()] - before["sekisho_refused_total", ()] == 2
            else None
        )

    now = eventually(grown, "the counters", LONG_S)
    same = (
        *("litellm_proxy_total_requests_metric_total", "bifrost_upstream_requests_total", "tensorzero_inferences_total"),
        *("sekisho_call_duration_seconds_count", "litellm_request_total_latency_metric_count", "http_request_duration_seconds_count"),
        "bifrost_upstream_latency_seconds_count",
    )
    assert {name: now[name, LABELS] - before[name, LABELS] for name in same} == dict.fromkeys(same, 3)
    for name in ("sekisho_own_seconds_count", "litellm_overhead_latency_metric_count", "bifrost_overhead_latency_microseconds_count"):
        assert now[name, ()] - before[name, ()] == 3
    assert now["http_requests_total", ()] - before["http_requests_total", ()] >= 5
    assert now["sekisho_refusals_total", (("code", "not_found"),)] >= 2
    assert now["sekisho_own_seconds_bucket", (("le", "+Inf"),)] == now["sekisho_own_seconds_count", ()]
    assert 0 < now["sekisho_own_seconds_sum", ()] == pytest.approx(now["bifrost_overhead_latency_microseconds_sum", ()] / 1e6)
    assert now["sekisho_workers", ()] == 1
    assert now["sekisho_journal_full", (("worker", "1"),)] == 0
    assert now["sekisho_journal_dropped_records_total", ()] == 0
    assert now["sekisho_database_up", ()] == 1


def test_no_label_names_a_key_a_project_or_a_person(product: Product) -> None:
    call(product)
    names = {name for _, labels in scrape(product.console_url) for name, _ in labels}
    assert names == {"model", "provider", "status", "kind", "currency", "code", "worker", "le"}


def test_where_nobody_may_read_it_without_a_login_a_token_may() -> None:
    with Product(settings='[metrics]\nopen_to = "nobody"\n') as product:
        assert product.key
        assert httpx.get(f"{product.console_url}/metrics", timeout=LONG_S).status_code == 401
        lie = {"x-sekisho-client-address": "127.0.0.1", "x-forwarded-for": "127.0.0.1"}
        assert httpx.get(f"{product.console_url}/metrics", headers=lie, timeout=LONG_S).status_code == 401
        owner: Viewer = owner_of(product)
        assert owner.client.get("/metrics").status_code == 200

        def token(*scopes: str) -> str:
            return "Bearer " + owner.ask("POST", "/api/auth/tokens", {"name": "prometheus", "scopes": list(scopes)})["plain_token"]

        assert scrape(product.console_url, authorization=token("system:read"))
        headers = {"authorization": token("usage:read")}
        assert httpx.get(f"{product.console_url}/metrics", headers=headers, timeout=LONG_S).status_code == 403
        owner.close()


def test_behind_a_trusted_proxy_it_is_the_client_that_must_be_local() -> None:
    with Product(settings='[trust]\nproxies = ["127.0.0.1/32"]\n') as product:
        assert product.key
        for hops, status in (("203.0.113.5", 401), ("127.0.0.1, 203.0.113.5", 401), ("203.0.113.5, ::1", 200)):
            answer = httpx.get(f"{product.console_url}/metrics", headers={"x-forwarded-for": hops}, timeout=LONG_S)
            assert answer.status_code == status, hops
