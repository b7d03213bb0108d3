"""Components by name. Every room fills its registry; plug-ins add to them with the same decorator."""

import functools
import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from cnncli.core.arguments import arguments_model
from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.plugins import refusals

Factory = TypeVar("Factory", bound=Callable[..., Any])


class Entry:
    """One registered component: a factory, what it is in one line, which arguments it takes, what goes with it.

    ``suggests`` are names that other sections of the config take when they give none: ``{"loss": "mse"}``.
    ``traits`` are what others must know of it: that it moves with every step, takes class weights, and the like.
    """

    def __init__(
        self,
        name: str,
        factory: Callable[..., Any],
        description: str,
        hidden: Collection[str],
        suggests: Mapping[str, str] | None = None,
        traits: Collection[str] = (),
    ) -> None:
        self.name, self.factory, self.description, self.hidden = name, factory, description, hidden
        self.suggests, self.traits = dict(suggests or {}), frozenset(traits)

    @functools.cached_property
    def arguments(self) -> type[BaseModel]:
        """The arguments as a pydantic model, made on first use."""
        return arguments_model(self.factory, self.hidden)

    def check(self, args: dict[str, Any]) -> dict[str, Any]:
        """``args`` checked and completed with defaults; raises pydantic's ``ValidationError``."""
        validated = self.arguments.model_validate_json(json.dumps(args), strict=True)
        return {name: getattr(validated, name) for name in type(validated).model_fields}

    def build(self, *given: Any, **args: Any) -> Any:
        """Call the factory with what cnncli hands over and the checked YAML arguments."""
        try:
            checked = self.check(args)
        except ValidationError as error:
            raise ConfigError(f"{self.name}: {explain(error, self.arguments)}") from error
        with refusals(self.name):
            return self.factory(*given, **checked)


class Registry:
    """Names → components of one kind. Never overwrites silently, suggests the nearest name."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._entries: dict[str, Entry] = {}
        self._deferred: list[Callable[[], None]] = []

    def register(
        self,
        name: str,
        description: str = "",
        *,
        suggests: Mapping[str, str] | None = None,
        traits: Collection[str] = (),
    ) -> Callable[[Factory], Factory]:
        """A decorator that adds a function or class under ``name``.

        Parameters before the ``/`` are handed over by cnncli, those after it can be set in the YAML. The
        description defaults to the first line of the docstring. ``suggests`` and ``traits``: see ``Entry``.
        """

        def decorator(factory: Factory) -> Factory:
            self.add(name, factory, description=description, suggests=suggests, traits=traits)
            return factory

        return decorator

    def add(
        self,
        name: str,
        factory: Callable[..., Any],
        *,
        description: str = "",
        hidden: Collection[str] = (),
        suggests: Mapping[str, str] | None = None,
        traits: Collection[str] = (),
    ) -> None:
        """Add a callable of another library; ``hidden`` names the parameters that are not for the YAML.

        Raises ``ConfigError`` when the name is taken.
        """
        if name in self._entries:
            raise ConfigError(f"two {self.kind} are registered as '{name}'; give yours another name")
        description = description or (inspect.getdoc(factory) or "").split("\n", 1)[0]
        self._entries[name] = Entry(name, factory, description, hidden, suggests, traits)

    def defer(self, populate: Callable[[], None]) -> None:
        """Call ``populate`` (a slow import, say) only when a name is not found or all are listed."""
        self._deferred.append(populate)

    def get(self, name: str) -> Entry:
        """The entry called ``name``; raises ``ConfigError`` with the nearest name."""
        if name not in self._entries:
            self._populate()
        if name not in self._entries:
            kind = "model" if self.kind == "models" else self.kind.rstrip("s")
            raise ConfigError(f"unknown {kind} '{name}'; {did_you_mean(name, list(self))}")
        return self._entries[name]

    def build(self, name: str, *given: Any, **args: Any) -> Any:
        """``get(name).build(*given, **args)``."""
        return self.get(name).build(*given, **args)

    def __iter__(self) -> Iterator[str]:
        self._populate()
        return iter(sorted(self._entries))

    def __contains__(self, name: str) -> bool:
        if name not in self._entries:
            self._populate()
        return name in self._entries

    def discard(self, unwanted: Callable[[Entry], bool]) -> None:
        """Take out every entry that is ``unwanted``."""
        self._entries = {name: entry for name, entry in self._entries.items() if not unwanted(entry)}

    def _populate(self) -> None:
        while self._deferred:
            self._deferred.pop()()


datasets = Registry("datasets")
models = Registry("models")
layers = Registry("layers")
activations = Registry("activations")
tasks = Registry("tasks")
losses = Registry("losses")
optimizers = Registry("optimizers")
schedulers = Registry("schedulers")
transforms = Registry("transforms")

REGISTRIES = {
    registry.kind: registry
    for registry in (
        datasets, models, layers, activations, tasks, losses, optimizers, schedulers, transforms
    )
}  # fmt: skip


def split_component(value: str | dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """``"relu"`` or ``{"name": "leaky_relu", "negative_slope": 0.2}`` as a name and its arguments."""
    if isinstance(value, str):
        return value, {}
    args = dict(value)
    return str(args.pop("name", "")), args


class ComponentCheck:
    """Checks an argument that is a component itself, of one of some ``kinds``; looked up in the first one first."""

    def __init__(self, *kinds: str) -> None:
        self.kinds = kinds

    def __call__(self, value: str | dict[str, Any]) -> str | dict[str, Any]:
        """``value`` as it is; raises pydantic's ``PydanticCustomError``."""
        name, args = split_component(value)
        registries = [REGISTRIES[kind] for kind in self.kinds]
        owner = next((registry for registry in registries if name in registry), registries[0])
        try:
            owner.get(name).check(args)
        except ConfigError as error:
            raise PydanticCustomError("component", "{cause}", {"cause": str(error)}) from None
        except ValidationError as error:
            cause = f"{name}: {explain(error, owner.get(name).arguments)}"
            raise PydanticCustomError("component", "{cause}", {"cause": cause}) from None
        return value


def explain(error: ValidationError, arguments: type[BaseModel]) -> str:
    """What is wrong with a component's arguments, in one line."""
    causes = []
    for details in error.errors(include_url=False):
        key = ".".join(str(part) for part in details["loc"] if isinstance(part, int) or "[" not in part)
        if details["type"] == "extra_forbidden":
            causes.append(f"{key}: unknown key; {did_you_mean(key, list(arguments.model_fields))}")
        elif details["type"] == "missing":
            causes.append(f"{key}: is missing; add it")
        else:
            causes.append(f"{key}: {details['msg']}")
    return ", ".join(dict.fromkeys(causes))


Activation = Annotated[str | dict[str, Any], AfterValidator(ComponentCheck("activations"))]
"""An argument that names an activation, alone or with its own arguments."""

Layer = Annotated[str | dict[str, Any], AfterValidator(ComponentCheck("layers", "activations"))]
"""An item of a list of layers: a layer or an activation, alone or with its own arguments."""
