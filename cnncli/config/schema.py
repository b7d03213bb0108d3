"""The JSON Schema of a config, for editors: the arguments of each component depend on its name."""

from collections.abc import Collection, Mapping
from typing import Any

from cnncli.config.sections import COMPONENT_SECTIONS, Config, section_fields
from cnncli.core.registry import REGISTRIES, Registry


def build_schema() -> dict[str, Any]:
    """A schema that accepts what ``cnncli config`` accepts (but for dependencies between sections)."""
    schema = Config.model_json_schema()
    definitions = schema["$defs"]
    properties = schema["properties"]
    for section, kind in COMPONENT_SECTIONS.items():
        own = _own_properties(section, definitions)
        if section == "dataset":
            own["augment"] = {"type": "array", "items": {"$ref": "#/$defs/transforms"}}
        definitions[kind] = _component(REGISTRIES[kind], own, definitions)
        properties[section] = {"$ref": f"#/$defs/{kind}"}
    for kind in ("transforms", "loggers"):
        definitions[kind] = _component(REGISTRIES[kind], {}, definitions)
    definitions["LoggingConfig"]["properties"]["loggers"]["items"] = {"$ref": "#/$defs/loggers"}
    properties["extends"] = {"type": "string", "description": "a YAML file that this one builds on"}
    schema["required"].remove("model")  # which follows from the weights that fine-tuning starts from
    schema["anyOf"] = [{"required": ["model"]}, {"required": ["finetune"]}]
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "cnncli config"
    return schema


def _own_properties(section: str, definitions: dict[str, Any]) -> dict[str, Any]:
    """The keys that belong to the section whatever component it names."""
    annotation = Config.model_fields[section].annotation
    assert annotation is not None
    properties = definitions[annotation.__name__].get("properties", {})
    fields = section_fields(section) - {"name"}
    return {key: value for key, value in properties.items() if key in fields}


def _with_old_names(properties: dict[str, Any], renamed: Mapping[str, str]) -> dict[str, Any]:
    """The arguments under today's names and, deprecated, under those that they had; see ``keys_of_arguments``."""
    found = dict(properties)
    for old, new in renamed.items():
        if old in properties:  # which means something else today: what it held is allowed as well
            found[old] = {"anyOf": [properties[old], properties[new]]}
        else:
            found[old] = {**properties[new], "deprecated": True, "description": f"the old name of {new}"}
    return found


def _one_of_the_names(required: Collection[str], renamed: Mapping[str, str]) -> dict[str, Any]:
    """What a schema adds where an argument that is needed can have an old name."""
    names = [{"required": [key]} for old, new in renamed.items() if new in required for key in (new, old)]
    return {"anyOf": names} if names else {}


def _component(registry: Registry, own: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A component as its name alone or as a mapping; a name of a plug-in's own is not checked further."""
    variants = []
    for name in registry:
        entry = registry.get(name)
        arguments = entry.arguments.model_json_schema(ref_template="#/$defs/{model}")
        definitions.update(arguments.get("$defs", {}))
        properties, required = arguments.get("properties", {}), arguments.get("required", [])
        variants.append(
            {
                "type": "object",
                "title": name,
                "description": entry.description,
                "properties": {"name": {"const": name}, **own, **_with_old_names(properties, entry.renamed)},
                "required": ["name", *(key for key in required if key not in entry.renamed.values())],
                "additionalProperties": False,
                **_one_of_the_names(required, entry.renamed),
            }
        )
    if "name" in own or not variants:
        return {"type": "object"}
    names = list(registry)
    return {
        "anyOf": [
            {"enum": names},
            *variants,
            {"type": "object", "properties": {"name": {"not": {"enum": names}}}},
        ]
    }
