"""Components by name. Every room fills its registry; plug-ins add to them with the same decorator."""

import functools
import inspect
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, Any, ClassVar, TypeVar, get_origin

from pydantic import AfterValidator, BaseModel, PydanticUserError, ValidationError
from pydantic_core import PydanticCustomError

from cnncli.core.arguments import arguments_model
from cnncli.core.errors import ConfigError, did_you_mean
from cnncli.core.plugins import loading, refusals
from cnncli.core.renamed import with_names_of_today

Factory = TypeVar("Factory", bound=Callable[..., Any])


class Entry:
    """One registered component: a factory, what it is in one line, which arguments it takes, what goes with it.

    ``suggests`` are names that other sections of the config take when they give none: ``{"loss": "mse"}``.
    ``traits`` are what others must know of it: that it moves with every step, takes class weights, and the like.
    ``places`` are arguments that say where data lie, the first of them what is looked at: no part of an experiment.
    ``in_session``: by a program or notebook that uses cnncli, so that no other process can find it.
    ``renamed`` are names that arguments had before → today's; see ``keys_of_arguments``.
    """

    in_session = False

    def __init__(
        self,
        name: str,
        factory: Callable[..., Any],
        description: str,
        hidden: Collection[str],
        suggests: Mapping[str, str] | None = None,
        traits: Collection[str] = (),
        places: Collection[str] = (),
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.factory, self.description, self.hidden = name, factory, description, hidden
        self.suggests, self.traits = dict(suggests or {}), frozenset(traits)
        self.places, self.renamed = tuple(places), dict(renamed or {})

    @functools.cached_property
    def arguments(self) -> type[BaseModel]:
        """The arguments as a pydantic model, made on first use.

        Raises ``ConfigError`` for a plug-in whose signature cannot be read.
        """
        try:
            model = arguments_model(self.factory, self.hidden)
            model.model_rebuild()  # raises for what pydantic has put off: a type whose name it does not find
        except (PydanticUserError, TypeError, ValueError, NameError) as error:
            cause = str(error).strip().split("\n", 1)[0]
            raise ConfigError(f"{self.name}: its arguments cannot be read ({cause}); change its signature") from error
        return model

    def check(self, args: dict[str, Any]) -> dict[str, Any]:
        """``args``, by old names or new, checked and completed with defaults; raises pydantic's ``ValidationError``."""
        today = with_names_of_today(args, self.renamed)
        validated = self.arguments.model_validate_json(json.dumps(today), strict=True)
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
    """Names → components of one kind. Never overwrites silently, suggests the nearest name.

    ``one`` is what messages call a component of this ``kind``. What is built must have the members it ``gives``.
    """

    def __init__(self, kind: str, one: str, gives: Collection[str] = ()) -> None:
        self.kind, self.one, self.gives = kind, one, gives
        self._of_class: list[str] = []
        self._entries: dict[str, Entry] = {}
        self._deferred: list[Callable[[], None]] = []

    def register(
        self,
        name: str,
        description: str = "",
        *,
        suggests: Mapping[str, str] | None = None,
        traits: Collection[str] = (),
        places: Collection[str] = (),
        renamed: Mapping[str, str] | None = None,
    ) -> Callable[[Factory], Factory]:
        """A decorator that adds a function or class under ``name``.

        Parameters before the ``/`` are handed over by cnncli, those after it can be set in the YAML. The
        description defaults to the first line of the docstring. All others: see ``Entry``.
        """
        if not isinstance(name, str):
            raise ConfigError(f"a {self.one} is registered without a name; write .register('my_{self.one}')")

        def decorator(factory: Factory) -> Factory:
            self._check_class(name, factory)
            in_session = not _module(factory).startswith("cnncli.") and not loading()
            if in_session:
                self._populate()
                if _same_again(self._entries.get(name), factory):
                    del self._entries[name]
            self.add(name, factory, description=description, suggests=suggests, traits=traits, places=places,
                     renamed=renamed)  # fmt: skip
            self._entries[name].in_session = in_session
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
        places: Collection[str] = (),
        renamed: Mapping[str, str] | None = None,
    ) -> None:
        """Add a callable of another library; ``hidden`` names the parameters that are not for the YAML.

        Raises ``ConfigError`` when the name is taken, or what is added cannot be called.
        """
        if not callable(factory):
            raise ConfigError(f"{self.one} '{name}' is of type {type(factory).__name__}; register a function or class")
        if name in self._entries:
            raise ConfigError(f"two {self.kind} are registered as '{name}'; give yours another name")
        description = description or (inspect.getdoc(factory) or "").split("\n", 1)[0]
        self._entries[name] = Entry(name, factory, description, hidden, suggests, traits, places, renamed)

    def demand(self, protocol: type) -> None:
        """From now on ``register`` takes only classes that have the class variables and methods of ``protocol``."""
        hints, members = inspect.get_annotations(protocol), vars(protocol)
        origins: dict[str, Any] = {name: get_origin(hint) for name, hint in hints.items()}
        self._of_class = [name for name, origin in origins.items() if origin is ClassVar]
        self._of_class += [name for name in members if inspect.isfunction(members[name]) and name[0] != "_"]

    def _check_class(self, name: str, factory: Callable[..., Any]) -> None:
        lacking = [member for member in self._of_class if not hasattr(factory, member)]
        if lacking and not inspect.isclass(factory):
            raise ConfigError(f"'{name}' is no class; a {self.one} is a class with {', '.join(self._of_class)}")
        if lacking:
            raise ConfigError(f"{self.one} '{name}' lacks {', '.join(lacking)}; add them to the class")

    def defer(self, populate: Callable[[], None]) -> None:
        """Call ``populate`` (a slow import, say) only when a name is not found or all are listed."""
        self._deferred.append(populate)

    def get(self, name: str) -> Entry:
        """The entry called ``name``; raises ``ConfigError`` with the nearest name."""
        if name not in self._entries:
            self._populate()
        if name not in self._entries:
            raise ConfigError(f"unknown {self.one} '{name}'; {did_you_mean(name, list(self))}")
        return self._entries[name]

    def build(self, name: str, *given: Any, **args: Any) -> Any:
        """``get(name).build(*given, **args)``; raises ``ConfigError`` for what is no such component."""
        built = self.get(name).build(*given, **args)
        lacking = [member for member in self.gives if not hasattr(built, member)]
        if lacking:
            cause = f"{name}: gives {type(built).__name__}, which is no {self.one} (it has no '{lacking[0]}')"
            raise ConfigError(f"{cause}; return one")
        return built

    def __iter__(self) -> Iterator[str]:
        self._populate()
        return iter(sorted(self._entries))

    def __contains__(self, name: str) -> bool:
        if name not in self._entries:
            self._populate()
        return name in self._entries

    def take(self, wanted: Callable[[Entry], bool]) -> list[Entry]:
        """Take out every entry that is ``wanted``, to be put back."""
        taken = [entry for entry in self._entries.values() if wanted(entry)]
        self.discard(wanted)
        return taken

    def put_back(self, entry: Entry) -> bool:
        """Add an entry that was taken out; False where its name is taken by now."""
        if entry.name in self:
            return False
        self._entries[entry.name] = entry
        return True

    def discard(self, unwanted: Callable[[Entry], bool]) -> None:
        """Take out every entry that is ``unwanted``."""
        self._entries = {name: entry for name, entry in self._entries.items() if not unwanted(entry)}

    def _populate(self) -> None:
        while self._deferred:
            self._deferred.pop()()


def _same_again(entry: Entry | None, factory: Callable[..., Any]) -> bool:
    """Whether a notebook's cell, or a module that is reloaded, defines the same thing anew."""
    if entry is None or not entry.in_session:
        return False
    names = [getattr(each, "__qualname__", None) for each in (entry.factory, factory)]
    return names[0] is not None and names[0] == names[1] and _module(entry.factory) == _module(factory)


def _module(factory: Callable[..., Any]) -> str:
    return str(getattr(factory, "__module__", ""))


_MODULE = ("forward", "parameters")  # of torch.nn.Module

datasets = Registry("datasets", "data set", ("offers", "open"))
models = Registry("models", "model", _MODULE)
layers = Registry("layers", "layer", _MODULE)
activations = Registry("activations", "activation", _MODULE)
tasks = Registry("tasks", "task")
losses = Registry("losses", "loss")
optimizers = Registry("optimizers", "optimizer", ("param_groups", "step"))
schedulers = Registry("schedulers", "scheduler")
transforms = Registry("transforms", "transform")
loggers = Registry("loggers", "logger", ("log", "close"))

REGISTRIES = {
    registry.kind: registry
    for registry in (
        datasets, models, layers, activations, tasks, losses, optimizers, schedulers, transforms, loggers
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


def session_parts(names: Collection[str]) -> list[str]:
    """What is registered in this session under one of ``names``, as ``kind 'name'``."""
    return [
        f"{registry.one} '{name}'"
        for registry in REGISTRIES.values()
        for name, entry in registry._entries.items()
        if entry.in_session and name in names
    ]
