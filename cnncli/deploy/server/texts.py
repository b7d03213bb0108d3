"""Texts continued for clients, as ``cnncli generate`` does."""

import time
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from cnncli.deploy.server.bodies import checked, parse_json
from cnncli.deploy.server.limits import Refused
from cnncli.inference.generate import encode, generate, text_of
from cnncli.inference.predictor import Predictor

MAX_BODY = 2**18  # bytes
MAX_PROMPT = MAX_LENGTH = 10_000  # characters


class TextAsked(BaseModel):
    """How a text begins, and how it is to go on: the options of ``cnncli generate``, with its defaults."""

    model_config = ConfigDict(extra="forbid", strict=True)
    prompt: Annotated[str, Field(max_length=MAX_PROMPT, description="The beginning, which the answer leaves out.")] = ""
    length: Annotated[int, Field(ge=1, le=MAX_LENGTH, description="How many characters to add.")] = 500
    temperature: Annotated[float, Field(ge=0, le=1000, description="0: always the most probable character.")] = 0.8
    top_k: Annotated[int | None, Field(ge=1, le=2**31, description="Draw from the k most probable.")] = 40
    top_p: Annotated[float | None, Field(gt=0, le=1, description="Draw from these with so much probability.")] = None
    seed: Annotated[int, Field(ge=0, lt=2**63, description="The same seed draws the same text.")] = 0


class TextAnswers:
    """A network of text as the server asks it: one request at a time."""

    kind = "text"

    def __init__(self, predictor: Predictor) -> None:
        self.predictor, self.text = predictor, text_of(predictor)

    def respond(self, content: bytes, end: float) -> dict[str, Any]:
        """The answer to a body; raises ``Refused``, also where it is not there at ``end`` on the monotonic clock."""
        asked: TextAsked = checked(TextAsked, parse_json(content))
        pieces = []
        drawn = generate(
            self.predictor, asked.prompt, asked.length, asked.temperature, asked.top_k, asked.top_p, None, asked.seed
        )
        for piece in drawn:
            pieces.append(piece)
            if time.monotonic() > end:
                raise Refused(504, "timeout", f"only {len(pieces):,} characters were done in time; ask for fewer")
        _, unknown = encode(asked.prompt, self.text)
        told = [f"the network does not know {', '.join(map(repr, unknown[:20]))}"] if unknown else []
        return {"text": "".join(pieces), **({"notes": told} if told else {})}
