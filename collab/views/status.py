"""How the servers are doing: a page for administrators, numbers for Prometheus."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from .. import limits, queries
from ..live import consumer, rates
from ..live.metrics import BUCKETS, COUNTERS
from ..live.models import Node
from ..models import Revision, SecurityEvent
from ..permissions import is_administrator
from .limits import DOCUMENTS_KEPT, STORAGE
from .requests import PersonRequest

#: What the product counts beside the engine.
OWN_COUNTERS = {"autosaves": "Drafts stored by this process"}
#: Everything that a limit may refuse, by name.
REFUSED = (*limits.ACTS, DOCUMENTS_KEPT, STORAGE, *consumer.REFUSED)
#: How Prometheus names a process.
LABELS = ("host", "pid")


@require_safe
def status(request: PersonRequest) -> HttpResponse:
    """The server processes, live. For administrators."""
    if not is_administrator(request.user):
        raise PermissionDenied
    return render(request, "status.html")


@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The numbers of all processes, for Prometheus. Any process can tell them.

    For whoever sends ``Authorization: Bearer`` with ``METRICS_TOKEN``, and for
    administrators; without a token set, for administrators only.
    """
    if not (_has_token(request) or is_administrator(request.user)):
        raise PermissionDenied
    registry = CollectorRegistry()
    registry.register(_Processes())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    token = settings.METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    return bool(token) and secrets.compare_digest(given.encode(), f"Bearer {token}".encode())


class _Processes(Collector):
    """What the living processes wrote with their last heartbeats."""

    def collect(self) -> Iterable[Metric]:
        nodes = [node for node in Node.objects.live() if node.stats]
        yield from self._counters(nodes)
        yield from self._gauges(nodes)
        flush = HistogramMetricFamily(
            "collab_flush_seconds",
            "From an event to the last byte of what it changed",
            labels=LABELS,
        )
        for node in nodes:
            counts, reached = node.stats["flush"]["counts"], 0
            buckets: list[tuple[str, float]] = []
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                reached += count
                buckets.append((bound, reached))
            flush.add_metric(_labels(node), buckets, node.stats["flush"]["sum"])
        yield flush

    def _counters(self, nodes: list[Node]) -> Iterator[Metric]:
        for name, meaning in (COUNTERS | OWN_COUNTERS).items():
            family = CounterMetricFamily(f"collab_{name}", meaning, labels=LABELS)
            for node in nodes:
                family.add_metric(_labels(node), node.stats["counters"].get(name, 0))
            yield family

    def _gauges(self, nodes: list[Node]) -> Iterator[Metric]:
        sockets = GaugeMetricFamily("collab_sockets", "Open pages", labels=LABELS)
        for node in nodes:
            sockets.add_metric(_labels(node), node.stats["gauges"]["sockets"])
        yield sockets
        yield CounterMetricFamily(
            "collab_saves", "Versions published", value=Revision.objects.count()
        )
        refused = SecurityEvent.objects.filter(kind=SecurityEvent.Kind.REFUSED).count()
        yield CounterMetricFamily("collab_sign_ins_refused", "Sign-ins refused", value=refused)
        limited = CounterMetricFamily(
            "collab_refused", "Refused because a limit was reached", labels=["limit"]
        )
        for name, count in rates.refusals(REFUSED).items():
            limited.add_metric([name], count)
        yield limited
        with translation.override("en"):
            for name, (value, meaning) in queries.totals().items():
                yield GaugeMetricFamily(f"collab_{name}", str(meaning), value=value)


def _labels(node: Node) -> list[str]:
    return [node.host, str(node.pid)]
