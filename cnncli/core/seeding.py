"""Random streams that depend on what they are for, never on how often a generator was asked before."""

from hashlib import blake2b


def derive_seed(seed: int, *keys: int | str) -> int:
    """A 63-bit seed for the stream that ``keys`` name, for example ``derive_seed(0, "augment", epoch, index)``.

    The same arguments give the same seed on every machine and in every process.
    """
    text = "/".join(map(str, (seed, *keys)))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") >> 1
