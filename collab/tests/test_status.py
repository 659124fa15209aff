"""The status page and /metrics: for administrators, and for Prometheus."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from collab.live.metrics import COUNTERS, Meter
from collab.live.models import Node
from collab.models import Document, Person

#: What whoever runs a server must be able to see: each has a panel. And all that the
#: engine counts beside.
ON_THE_DASHBOARD = {
    *("sockets", "people_active", "flush_seconds_bucket", "leases", "autosaves_total"),
    *("saves_total", "drafts", "sign_ins_refused_total", "refused_total"),
    *(f"{name}_total" for name in COUNTERS),
}

pytestmark = pytest.mark.django_db


@pytest.fixture
def node(db: None) -> Node:
    """A process that has pushed something."""
    meter = Meter()
    meter.count("deliveries", 5)
    meter.count("cut_slow", 11)
    meter.count("cut_flood", 12)
    meter.flushed(0.002)
    numbers = meter.snapshot(sockets=3, people=2)
    return Node.objects.create(boot="a" * 32, host="ship", pid=7, stats=numbers)


def told(client: Client, **headers: str) -> dict[str, float]:
    """The samples of /metrics, by name and labels."""
    answer = client.get("/metrics", headers={"host": "127.0.0.1", **headers})
    assert answer.status_code == 200
    return {
        ",".join(
            [sample.name, *(value for _, value in sorted(sample.labels.items()))]
        ): sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def test_prometheus_reads_every_process(
    stranger: Client, node: Node, document: Document, settings: Settings
) -> None:
    """With the token, from any process: counters, gauges, the histogram."""
    settings.METRICS_TOKEN = "a-long-secret"
    stranger.post("/login/", {"username": "leela", "password": "wrong"})
    samples = told(stranger, authorization="Bearer a-long-secret")
    assert samples["collab_sockets,ship,7"] == 3
    assert samples["collab_deliveries_total,ship,7"] == 5
    assert {f"collab_{name}_total,ship,7" for name in COUNTERS} <= set(samples)
    assert samples["collab_flush_seconds_bucket,ship,0.001,7"] == 0
    assert samples["collab_flush_seconds_bucket,ship,0.0025,7"] == 1
    assert samples["collab_flush_seconds_bucket,ship,+Inf,7"] == 1
    assert samples["collab_saves_total"] == 1
    assert samples["collab_documents"] == 1
    assert samples["collab_sign_ins_refused_total"] == 1
    assert samples["collab_leases"] == 0


@pytest.mark.parametrize(
    "authorization", ["", "Bearer ", "Bearer wrong", "a-long-secret", "Bearer é"]
)
@pytest.mark.parametrize("token", ["", "a-long-secret"])
def test_others_read_nothing(
    stranger: Client, as_leela: Client, settings: Settings, authorization: str, token: str
) -> None:
    """Neither strangers nor members; an empty token admits nobody."""
    settings.METRICS_TOKEN = token
    for client in (stranger, as_leela):
        headers = {"host": "127.0.0.1", "authorization": authorization}
        assert client.get("/metrics", headers=headers).status_code == 403


def test_the_dashboard_asks_for_series_that_exist(
    stranger: Client, node: Node, settings: Settings
) -> None:
    """Every name in deploy/grafana.json is one that /metrics tells; and of what it tells,
    nothing that matters is missing there."""
    settings.METRICS_TOKEN = "a-long-secret"
    known = {
        sample.split(",")[0] for sample in told(stranger, authorization="Bearer a-long-secret")
    }
    dashboard = json.loads((settings.BASE_DIR / "deploy" / "grafana.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    asked = {name for query in queries for name in re.findall(r"collab_\w+", query)}
    assert asked <= known
    assert {f"collab_{name}" for name in ON_THE_DASHBOARD} <= asked


def test_administrators_see_the_processes(as_leela: Client, leela: Person, node: Node) -> None:
    """Members do not."""
    assert as_leela.get("/status/").status_code == 403
    assert 'href="/status/"' not in as_leela.get("/").content.decode()
    leela.role = Person.Role.ADMIN
    leela.save()
    page = as_leela.get("/status/").content.decode()
    assert 'href="/status/"' in page
    assert "ship · 7" in page
    assert "2.5 ms" in page
    assert '<td class="number">23</td>' in page
    assert told(as_leela)["collab_sockets,ship,7"] == 3


def test_a_process_that_is_gone_is_not_told(as_leela: Client, leela: Person, node: Node) -> None:
    """Only those whose heart beats."""
    leela.role = Person.Role.ADMIN
    leela.save()
    Node.objects.update(seen_at="2020-01-01T00:00:00Z")
    assert "ship · 7" not in as_leela.get("/status/").content.decode()
    assert "collab_sockets,ship,7" not in told(as_leela)
