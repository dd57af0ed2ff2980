"""Metrics of a forwarder in the text format of Prometheus, on a local port.

metrics = Metrics(spool.path)
with metrics.served(9100) as port:
    metrics.delivered("mypacs", "stored")
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Metric, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from dcm.route.dead import count_dead
from dcm.route.queue import Queue, queue_path


class Metrics:
    """Counters of a running forwarder, and the current state of its spool."""

    def __init__(self, spool: str) -> None:
        self.registry: Final = CollectorRegistry()
        self._received: Final = Counter(
            "dcm_forward_received", "Received objects, by outcome.", ["outcome"],
            registry=self.registry,
        )  # fmt: skip
        self._delivered: Final = Counter(
            "dcm_forward_delivered", "Deliveries with an outcome.", ["destination", "outcome"],
            registry=self.registry,
        )  # fmt: skip
        ProcessCollector(registry=self.registry)
        self.registry.register(_OfSpool(spool))
        for outcome in ("stored", "refused", "passed over"):
            self._received.labels(outcome)

    def received(self, outcome: str) -> None:
        """Count a received object."""
        self._received.labels(outcome).inc()

    def delivered(self, destination: str, outcome: str) -> None:
        """Count an outcome."""
        self._delivered.labels(destination, outcome).inc()

    @contextmanager
    def served(self, port: int) -> Iterator[int]:
        """Serve requests on 127.0.0.1 while the block runs; yield the port; 0: a free one."""
        server, thread = start_http_server(port, "127.0.0.1", self.registry)
        try:
            yield server.server_port
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _OfSpool(Collector):
    """Reads the state of a spool on each request, in the thread that serves it."""

    def __init__(self, spool: str) -> None:
        self._spool: Final = spool

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics of the queue."""
        with Queue(queue_path(self._spool), read_only=True) as queue:
            waiting, troubles = queue.waiting(), queue.troubles()
        dead = count_dead(self._spool)
        objects = _gauge("waiting_objects", "Objects waiting in the spool.")
        size = _gauge("waiting_bytes", "Bytes waiting in the spool.")
        oldest = _gauge("oldest_seconds", "How long the oldest object has waited.")
        trouble = _gauge("trouble", "Whether a destination currently accepts nothing.")
        letters = _gauge("dead_letters", "Objects that a destination has rejected for good.")
        now = time.time()
        for name in sorted({*waiting, *troubles, *dead}):
            found = waiting.get(name)
            objects.add_metric([name], found.objects if found else 0)
            size.add_metric([name], found.size if found else 0)
            oldest.add_metric([name], now - found.oldest if found else 0)
            trouble.add_metric([name], int(name in troubles))
            letters.add_metric([name], dead.get(name, 0))
        return (objects, size, oldest, trouble, letters)

    def describe(self) -> Iterable[Metric]:
        """Yield nothing, as the spool may not exist yet."""
        return ()


def _gauge(name: str, words: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"dcm_forward_{name}", words, labels=["destination"])
