"""How sure a fraction is that was counted on few samples."""

import math

Z = 1.96  # of 95 %


def wilson(hits: int, of: int) -> tuple[float, float]:
    """The 95 % score interval of a fraction ``hits / of`` (Wilson 1927); all of 0 to 1 where nothing was counted."""
    if of == 0:
        return 0.0, 1.0
    share, z2 = hits / of, Z * Z
    centre = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return max(centre - half, 0.0), min(centre + half, 1.0)
