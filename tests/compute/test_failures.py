"""What torch says about the machine becomes one line with advice."""

import pytest

from cnncli.compute.failures import explained
from cnncli.core.errors import RankLost, TrainingError


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("could not create a primitive descriptor for the LSTM forward propagation primitive. Run workload with …",
         "set precision: fp32"),
        ("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried to …",
         "lower dataset.batch_size"),
        ("Expected more than 1 value per channel when training", "raise dataset.batch_size"),
    ],
)  # fmt: skip
def test_what_torch_refuses_is_explained(said: str, advice: str) -> None:
    with pytest.raises(TrainingError, match=advice), explained():
        raise RuntimeError(said)


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="something else"), explained():
        raise RuntimeError("something else")


def test_a_rank_that_is_gone_is_told_by_gloos_own_words_alone() -> None:
    said = "[/src/third_party/gloo/gloo/transport/tcp/pair.cc:561] Connection closed by peer [127.0.0.1]:3216"
    with pytest.raises(RankLost, match=r"another rank has ended .* start again with --resume"), explained():
        raise RuntimeError(said)
    with pytest.raises(ValueError, match="igloo"), explained():
        raise ValueError("the column igloo has no numbers")
