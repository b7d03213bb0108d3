"""What Prometheus reads of a server."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096)
OTHER = "other"  # what clients make up would make up as many series


class Metrics:
    """Counters of one server, apart from those of the process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "cnncli_requests", "Requests answered.", ["method", "path", "status"], registry=registry
        )
        self.seconds = Histogram(
            "cnncli_request_seconds", "From a request's first byte to its answer.", ["path"], registry=registry,
            buckets=SECONDS,
        )  # fmt: skip
        self.refused = Counter("cnncli_refused", "Requests refused, by reason.", ["reason"], registry=registry)
        self.batch = Histogram(
            "cnncli_batch_samples", "Samples that the network answers at once.", ["model"], registry=registry,
            buckets=SIZES,
        )  # fmt: skip
        self.network = Histogram(
            "cnncli_network_seconds", "Time that a batch takes.", ["model"], registry=registry, buckets=SECONDS
        )
        self.queue = Gauge("cnncli_queue_samples", "Samples that wait or are answered.", ["model"], registry=registry)

    def answered(self, method: str, path: str, status: int, seconds: float) -> None:
        """Count a request by its route, ``OTHER`` where there is none."""
        self.requests.labels(method if method in METHODS else OTHER, path, str(status)).inc()
        self.seconds.labels(path).observe(seconds)

    def batched(self, model: str) -> Callable[[int, float], None]:
        """What a batcher tells: the samples of a batch, and its seconds."""

        def told(samples: int, seconds: float) -> None:
            self.batch.labels(model).observe(samples)
            self.network.labels(model).observe(seconds)

        return told

    def text(self) -> bytes:
        """All of them in Prometheus's own format."""
        return generate_latest(self.registry)
