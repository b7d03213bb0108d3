"""Several processes that train one network: what the loop asks of them. Nothing else knows ``torch.distributed``."""

import atexit
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from cnncli.compute.failures import ranks_explained
from cnncli.compute.interrupt import StopSignal
from cnncli.compute.place import Place, meeting_point, place
from cnncli.core.errors import ConfigError

if TYPE_CHECKING:
    from cnncli.compute.heartbeat import Heartbeat

T = TypeVar("T")

JOINING = timedelta(minutes=15)
FOREVER = timedelta(days=30)  # a wait is ended by the heartbeat, which knows who is missing
POLL = 0.1  # seconds


class Ranks:
    """This process among ``count`` of them, which all call the same methods in the same order; alone they do nothing.

    Tensors are exchanged where they lie, everything else through the hosts.
    """

    def __init__(self, where: Place = Place()) -> None:
        self.index, self.count, self.place = where.rank, where.count, where
        self.backend = ""
        self._store: Any = None
        self._hosts: Any = None  # the group of the hosts' own messages
        self._beat: Heartbeat | None = None
        self._vote: tuple[Tensor, Any] | None = None
        self._rounds = 0
        self._parallel: tuple[tuple[int, ...], nn.Module] | None = None

    @property
    def is_zero(self) -> bool:
        """Whether this is the rank that writes, draws and logs."""
        return self.index == 0

    def meet(self) -> None:
        """Wait for the others."""
        from torch.distributed.distributed_c10d import PrefixStore  # some builds of torch lack these
        from torch.distributed.rendezvous import rendezvous

        cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
        own_card = cards >= self.place.local_count and dist.is_nccl_available()
        self.backend = "cpu:gloo,cuda:nccl" if own_card else "gloo"  # nccl refuses two ranks on one card
        with ranks_explained():
            if "RANK" not in os.environ:
                os.environ["MASTER_ADDR"], port = meeting_point(os.environ)
                os.environ["MASTER_PORT"] = str(port)
            url = "env://"
            self._store, _, _ = next(rendezvous(url, self.index, self.count, timeout=JOINING))
            dist.init_process_group(
                self.backend, store=PrefixStore("groups", self._store), rank=self.index,
                world_size=self.count, timeout=FOREVER,
            )  # fmt: skip
            self._hosts = dist.new_group(backend="gloo", timeout=FOREVER)
        atexit.register(self._leave)

    def watch(self, limit: float) -> None:
        """From now on a rank that hangs for ``limit`` seconds ends them all."""
        if self.count > 1 and self._beat is None:
            from torch.distributed.distributed_c10d import PrefixStore

            from cnncli.compute.heartbeat import Heartbeat

            self._beat = Heartbeat(PrefixStore("life", self._store.clone()), self.index, self.count, limit)

    def _leave(self) -> None:
        if self._beat is not None:
            self._beat.stop()
        dist.destroy_process_group()

    def parallel(self, model: nn.Module, device: torch.device, unused: Callable[[], bool]) -> nn.Module:
        """``model`` as the one whose gradients are the means over all ranks; anew where others of its weights learn.

        ``unused`` tells whether some that learn get no gradient.
        """
        if self.count == 1:
            return model
        key = (id(model), *(id(parameter) for parameter in model.parameters() if parameter.requires_grad))
        if self._parallel is None or self._parallel[0] != key:
            self._parallel = None  # its hooks go before others come
            own = [device] if device.type == "cuda" else None
            with warnings.catch_warnings():  # newer releases call it forward_sync_buffers, older ones do not know that
                warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
                made = DistributedDataParallel(
                    model, device_ids=own, broadcast_buffers=False, find_unused_parameters=unused()
                )
            self._parallel = key, made
        return self._parallel[1]

    def exchanging(self, network: nn.Module, now: bool) -> AbstractContextManager[Any]:
        """Around a forward and backward pass: whether the gradients are exchanged ``now`` or gathered for later."""
        if now or not isinstance(network, DistributedDataParallel):
            return nullcontext()
        return network.no_sync()

    def arrived(self) -> None:
        """Before an exchange that all ranks have the same work before: from now on, a rank that does not come hangs."""
        if self._beat is not None:
            self._beat.arrivals += 1

    def shares(self, weights: Sequence[Tensor | int], device: torch.device) -> list[Any]:
        """What each batch's mean loss is multiplied by, so that a step is the mean over the samples of all ranks.

        ``weights`` are what the means of this rank's batches were divided by; None stands for 1.
        """
        if self.count == 1:
            return [None] if len(weights) == 1 else [weight / sum(weights) for weight in weights]
        self.arrived()
        total = torch.as_tensor(sum(weights), dtype=torch.float64, device=device).clone()
        with ranks_explained():
            dist.all_reduce(total)
        return [weight * self.count / total for weight in weights]  # times count: gradients are means over ranks

    def mean(self, value: Tensor) -> Tensor:
        """``value``, which becomes its mean over all ranks."""
        if self.count > 1:
            self.arrived()
            with ranks_explained():
                dist.all_reduce(value.div_(self.count))
        return value

    def add_up(self, values: Sequence[Tensor]) -> None:
        """Make each tensor the sum over all ranks."""
        self.arrived()
        for value in values if self.count > 1 else ():
            with ranks_explained():
                dist.all_reduce(value)

    def gathered(self, rows: Tensor | None) -> Tensor | None:
        """The rows of all ranks in their order, on the CPU; None of a rank that has none of them."""
        if self.count == 1:
            return rows
        self.arrived()
        forms = self.of_all(None if rows is None else (rows.shape, rows.dtype))
        found = []
        for index, form in enumerate(forms):
            if form is not None:
                own = rows if index == self.index else None
                part = torch.empty(form[0], dtype=form[1]) if own is None else own.cpu().contiguous()
                with ranks_explained():
                    dist.broadcast(part, index, group=self._hosts)
                found.append(part)
        return torch.cat(found) if found else None

    def of_all(self, value: T) -> list[T]:
        """The small ``value`` of every rank."""
        found: list[Any] = [value]
        if self.count > 1:
            found *= self.count
            with ranks_explained():
                dist.all_gather_object(found, value, group=self._hosts)
        return found

    def from_zero(self, make: Callable[[], T]) -> T:
        """What ``make`` gives on rank zero, for all; the others do not call it."""
        found = [make() if self.is_zero else None]
        if self.count > 1:
            with ranks_explained():
                dist.broadcast_object_list(found, 0, group=self._hosts)
        return found[0]  # type: ignore[return-value]

    @contextmanager
    def zero_first(self) -> Iterator[None]:
        """Rank zero goes before the others, then one rank of each other machine: what one loads the others find."""
        if self.count == 1:
            yield
            return
        self._rounds += 1
        done = {"zero": f"first/{self._rounds}", "here": f"first/{self._rounds}/{socket.gethostname()}"}
        if not self.is_zero:
            awaited = done["zero"] if self.place.local == 0 else done["here"]
            with ranks_explained():
                while not self._store.check([awaited]):
                    time.sleep(POLL)
        yield
        with ranks_explained():
            for key in [done["zero"]] * self.is_zero + [done["here"]] * (self.place.local == 0):
                self._store.set(key, "done")

    def wait(self) -> None:
        """Until all are here."""
        self.of_all(None)

    def alike(self, model: nn.Module) -> None:
        """Give all ranks the weights of rank zero."""
        for tensor in (*model.parameters(), *model.buffers()) if self.count > 1 else ():
            with ranks_explained():
                dist.broadcast(tensor.data, 0)

    def even_out(self, *models: nn.Module) -> None:
        """Average the running statistics of BatchNorm: every rank has seen its own share of the samples.

        They are moving averages, so it does not matter how often this is done.
        """
        for model in models if self.count > 1 else ():
            for module in model.modules():
                for name in ("running_mean", "running_var"):
                    if isinstance(values := getattr(module, name, None), Tensor):
                        self.mean(values)

    def asked_to_stop(self, stop: StopSignal) -> bool:
        """After a step: whether one of the ranks was asked to stop; all hear it after the same step.

        The answer is of one step before, so that nobody waits for it.
        """
        if self.count == 1:
            self.agree(stop)
            return stop.signum is not None
        self.arrived()
        if self._heard(stop):
            return True
        vote = torch.tensor(stop.received or 0)
        with ranks_explained():
            self._vote = vote, dist.all_reduce(vote, dist.ReduceOp.MAX, group=self._hosts, async_op=True)
        return False

    def agree(self, stop: StopSignal) -> None:
        """Between epochs: all know whether one of them was asked to stop."""
        self._heard(stop)
        stop.signum = max(self.of_all(stop.signum or stop.received or 0)) or None

    def _heard(self, stop: StopSignal) -> bool:
        """Whether the last vote was to stop; then ``stop`` knows the signal."""
        if self._vote is None:
            return False
        (vote, work), self._vote = self._vote, None
        with ranks_explained():
            work.wait()
        if vote:
            stop.signum = int(vote)
        return bool(vote)


def need_distributed() -> None:
    """Raise ``ConfigError`` for a build of torch, as for some small boards, that knows one process only."""
    if not dist.is_available():
        raise ConfigError("this build of torch has no torch.distributed, so leave out --nproc")


@cache
def join() -> Ranks:
    """This process among the ranks that it was started with, once they have met.

    Raises ``RankLost`` where the others do not come, ``ConfigError`` where this torch cannot exchange anything.
    """
    ranks = Ranks(place())
    if ranks.count > 1:
        need_distributed()
        ranks.meet()
    return ranks
