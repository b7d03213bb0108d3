"""Functions run in several processes that train together, and their answers."""

import multiprocessing
import os
import pickle
import socket
from collections.abc import Callable
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")  # it imports once what every process needs
_CONTEXT.set_forkserver_preload(["cnncli.training.experiment", "torch._dynamo"])


def in_ranks(function: Callable[..., Any], *args: Any, count: int = 2) -> list[Any]:
    """What ``function`` of a module gives in each rank; an error in one of them is raised here."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    answers = _CONTEXT.Queue()
    processes = [
        _CONTEXT.Process(target=_rank, args=(answers, index, count, port, function, args), daemon=True)
        for index in range(count)
    ]
    for process in processes:
        process.start()
    found: dict[int, Any] = {}
    while len(found) < count:
        index, fine, answer = answers.get(timeout=120)
        if not fine:
            for process in processes:
                process.kill()
            raise AssertionError(f"rank {index}: {answer}")
        found[index] = pickle.loads(answer)
    for process in processes:
        process.join(30)
    return [found[index] for index in range(count)]


def _rank(answers: Any, index: int, count: int, port: int, function: Callable[..., Any], args: Any) -> None:
    place = {"RANK": index, "WORLD_SIZE": count, "LOCAL_RANK": index, "LOCAL_WORLD_SIZE": count, "MASTER_PORT": port}
    os.environ.update({"MASTER_ADDR": "localhost", **{name: str(value) for name, value in place.items()}})
    import torch

    from cnncli.compute.ranks import join

    torch.set_num_threads(1)
    try:
        answer = function(join(), *args)
        join().wait()
        answers.put((index, True, pickle.dumps(answer)))  # torch's own way needs this process to last
    except BaseException as error:
        answers.put((index, False, repr(error)))
        raise
