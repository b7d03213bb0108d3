"""Ranges that the arguments of many components share."""

from typing import Annotated

from pydantic import Field

Fraction = Annotated[float, Field(ge=0, lt=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1, le=10**9)]
MAX_SIDE, MAX_STEPS, MAX_CHANNELS = 4096, 65_536, 64
Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
"""Pixels."""
Steps = Annotated[int, Field(ge=1, le=MAX_STEPS)]
"""Of a window of a series, or characters of a text, that a network sees at once."""
Value = Annotated[float, Field(ge=-1e32, le=1e32)]
"""A mean in any unit: its square still is a number of 64 bits, it itself one of 32."""
Spread = Annotated[float, Field(ge=1e-30, le=1e32)]
"""A standard deviation in any unit, that can be divided by."""
