"""What comes with cnncli so that a command need not import torch to know it: ``python -m cnncli.training.known``."""

import json

from cnncli.config.catalog import fill_registries
from cnncli.config.recall import SHIPPED, signatures, versions
from cnncli.core.files import write_text


def known() -> str:
    """The content of ``signatures.json``."""
    fill_registries()
    return json.dumps({"versions": versions(), "signatures": signatures()}, indent=0) + "\n"


if __name__ == "__main__":
    write_text(SHIPPED, known())
