"""Our numbers at Jupyter's own ``/metrics``, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric

    from jupyter_sse.server.service import Service

GAUGES = {
    "connections": "Connected readers",
    "max_connections": "Readers that may be connected",
    "links": "Connected kernel links",
    "streams": "Streams held, ended ones included",
    "streams_live": "Streams that have a producer",
    "history_bytes": "Bytes of events held",
    "visits": "Readers for whom a generator runs",
}
COUNTERS = {
    "events": "Events appended",
    "event_bytes": "Bytes of events appended",
    "deliveries": "Events written to readers, once for each",
    "delivered_bytes": "Bytes written to readers",
    "connections_opened": "Readers that came",
    "duplicates": "Events that came a second time over a link and were dropped",
    "stalled": "Readers closed because they took nothing for stall_timeout",
    "overflow_gaps": "Gaps of connected readers that fell too far behind",
    "overflow_lost": "Events missing in those gaps",
    "visits_begun": "Runs of generators begun for one reader",
    "conflated": "Events left out for readers that asked for fewer (?conflate=)",
    "lost_by_links": "Events that kernels could not keep for the server",
}


class HubCollector(Collector):
    """Asks the hub at each scrape. There is no label for a stream: names are the user's data, and many."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering asks nothing of the hub."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the numbers as they are now."""
        numbers = self._service.metrics()
        for name, text in GAUGES.items():
            if name in numbers:
                yield GaugeMetricFamily(f"jupyter_sse_{name}", text, value=numbers[name])
        for name, text in COUNTERS.items():
            if name in numbers:
                yield CounterMetricFamily(f"jupyter_sse_{name}", text, value=numbers[name])
        opened = CounterMetricFamily("jupyter_sse_opened", "Streams opened by readers, by path", labels=["path"])
        refused = CounterMetricFamily("jupyter_sse_refused", "Requests refused, by status", labels=["status"])
        http = numbers["http"]
        opened.add_metric(["handed_over"], http["handed_over"])
        opened.add_metric(["portable"], http["portable"])
        for status, count in http["refused"].items():
            refused.add_metric([status], count)
        yield from (opened, refused)
