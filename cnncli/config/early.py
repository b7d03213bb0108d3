"""What can be refused before torch is imported: all that neither a plug-in nor a pretrained network can change."""

import sys

from cnncli.config.catalog import ROOMS, fill_registries
from cnncli.config.checking import component_faults, raise_faults, resolve, schema_faults
from cnncli.config.faults import MISSING, NO_MODEL
from cnncli.config.recall import recall, recall_shipped
from cnncli.config.yaml_source import Document


def know_early() -> bool:
    """Fill the registries as far as that needs no torch; whether what they say can be relied on."""
    if sys.modules.keys() & set(ROOMS):
        fill_registries()
        return True
    return recall() or recall_shipped()


def check_early(document: Document) -> None:
    """Raise ``ConfigError`` for faults of ``document`` that are certain without torch.

    Where names and arguments of components are not known for these versions of the libraries, or a plug-in may add
    some, faults in them are left for later. So is what a pretrained network fills in.
    """
    relied = know_early()
    plugins, finetune = document.data.get("plugins"), document.data.get("finetune")
    if relied and not plugins and not finetune:
        resolve(document)
        return
    faults = schema_faults(document)
    if relied and not plugins:
        faults += component_faults(document)
    if finetune:
        faults = [fault for fault in faults if fault.cause not in (MISSING, NO_MODEL)]
    raise_faults(document, faults)
