"""What a config sets: what differs from the defaults, and what is always told, as it would be written."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from cnncli.config.sections import COMPONENT_SECTIONS, Config
from cnncli.core.registry import REGISTRIES
from cnncli.core.run_ids import is_operational

SECTIONS = ("dataset", "model", "task", "loss", "finetune", "optimizer", "scheduler", "train")
_MARK = "finetune.completed"  # says of a config that it was filled in, and sets nothing
ALWAYS = (
    "dataset.name", "dataset.batch_size", "model.name", "model.dropout", "optimizer.name", "optimizer.lr",
    "optimizer.weight_decay", "scheduler.name", "train.epochs", "seed",
)  # fmt: skip
"""What runs are compared by most often: if only one of two runs told it, TensorBoard would see no difference."""
_CHOSEN = ("auto", "fp32")  # precisions that nobody needs to set


def what_was_set(config: Config) -> dict[str, str]:
    """``section.key`` → its value, of all that changes a result and is no default, and of what is ``ALWAYS`` told.

    Text as it is, everything else as YAML and JSON write it: ``0.002``, ``[64, 128]``, ``true``.
    """
    found: dict[str, Any] = {} if config.precision in _CHOSEN else {"precision": config.precision}
    for name in SECTIONS:
        section = getattr(config, name)
        if name in COMPONENT_SECTIONS:
            found |= _differing(name, section.model_dump(mode="json"), _defaults(config, name))
        elif section is not None:
            told = {key for key in type(section).model_fields if f"{name}.{key}" in ALWAYS}
            values = section.model_dump(mode="json", exclude_defaults=True)
            found |= _differing(name, values | section.model_dump(mode="json", include=told), {})
    found["seed"] = config.seed
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for key, value in found.items()
    }


def _differing(path: str, value: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    return {
        where: inner
        for key, given in value.items()
        if (given != default.get(key) or f"{path}.{key}" in ALWAYS)
        and f"{path}.{key}" != _MARK
        and not is_operational(f"{path}.{key}")
        for where, inner in _flat(f"{path}.{key}", given)
    }


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}", inner)
    else:
        yield path, value


def _defaults(config: Config, section: str) -> dict[str, Any]:
    """What a component section is without being set; where its data lie counts as nothing that is set."""
    component = getattr(config, section)
    fields = type(component).model_fields
    default = {key: field.get_default(call_default_factory=True) for key, field in fields.items()}
    registry = REGISTRIES[COMPONENT_SECTIONS[section]]
    suggested = {"task": REGISTRIES["datasets"], "loss": REGISTRIES["tasks"]}.get(section)
    giver = {"task": config.dataset.name, "loss": config.task.name}.get(section, "")
    if suggested is not None and giver in suggested:
        default["name"] = suggested.get(giver).suggests.get(section, default["name"])
    if component.name in registry:
        entry = registry.get(component.name)
        default |= {key: field.get_default(call_default_factory=True) for key, field in
                    entry.arguments.model_fields.items() if not field.is_required()}  # fmt: skip
        default |= {place: component.args.get(place) for place in entry.places}
    return json.loads(json.dumps(default, default=str))  # type: ignore[no-any-return]
