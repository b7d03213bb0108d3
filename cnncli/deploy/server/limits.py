"""How much a client may ask for, and what it is told when that was too much."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cnncli.core.errors import CnncliError

RETRY_AFTER = 1  # seconds that a client is asked to wait
BODIES = 4  # so many bodies of the largest size are held at once, all requests together


class Refused(CnncliError):
    """A request that is not answered: ``status`` is HTTP's, ``reason`` a word for the metrics."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason = status, reason


@dataclass(frozen=True)
class Limits:
    """What one server holds and computes at a time; None: what suits the network.

    ``queue`` samples wait or are answered, ``batch`` of them at once, for which the first waits ``wait`` milliseconds.
    A request may take ``timeout`` seconds and have ``max_bytes``, each of its pictures ``max_pixels``.
    """

    queue: int | None = None
    batch: int | None = None
    wait: float = 5.0
    timeout: float = 30.0
    max_bytes: int = 2**25
    max_pixels: int = 50_000_000


class Room:
    """So many places (samples, bytes) of which each request takes some, all of them given back in the end."""

    def __init__(self, size: int, unit: str, reason: str) -> None:
        self.size, self.unit, self.reason, self.used = size, unit, reason, 0

    def take(self, count: int) -> None:
        """Take places; raises ``Refused`` (503) when there are not so many left, 413 when there never are."""
        if count > self.size:
            raise Refused(413, "too_large", f"{count:,} {self.unit} in one request; send at most {self.size:,}")
        if self.used + count > self.size:
            raise Refused(503, self.reason, f"the server is busy with {self.used:,} {self.unit}; try again")
        self.used += count

    def give(self, count: int) -> None:
        """Give places back."""
        self.used -= count

    @contextmanager
    def taking(self, count: int) -> Iterator[None]:
        """Places for as long as the block lasts; raises as ``take``."""
        self.take(count)
        try:
            yield
        finally:
            self.give(count)
