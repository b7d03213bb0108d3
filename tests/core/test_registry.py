"""Names, signatures and plug-ins."""

from pathlib import Path
from typing import ClassVar, Protocol

import pytest
from pydantic import ValidationError

from cnncli.config.catalog import fill_registries
from cnncli.core.errors import ConfigError
from cnncli.core.plugins import load_plugin
from cnncli.core.registry import REGISTRIES, Registry
from cnncli.core.seeding import derive_seed

fill_registries()


@pytest.fixture
def registry() -> Registry:
    registry = Registry("things", "thing")

    @registry.register("ball")
    def ball(given: int, /, size: int, colour: str = "red", weights: tuple[float, ...] = (1.0,)) -> tuple[object, ...]:
        """A round thing.

        More about it.
        """
        return given, size, colour, weights

    return registry


def test_what_stands_before_the_slash_is_handed_over_and_the_rest_is_checked(registry: Registry) -> None:
    assert registry.build("ball", 7, size=2) == (7, 2, "red", (1.0,))
    assert registry.build("ball", 7, size=2, weights=[1, 2.5]) == (7, 2, "red", (1.0, 2.5))
    assert registry.get("ball").description == "A round thing."
    for wrong in (
        {"size": "2"},
        {"size": 2.5},
        {"size": True},
        {},
        {"size": 1, "color": "red"},
        {"size": 1, "given": 1},
    ):
        with pytest.raises(ValidationError):
            registry.get("ball").check(wrong)


def test_arguments_without_a_type_take_the_type_of_their_default_or_anything() -> None:
    registry = Registry("things", "thing")
    registry.add(
        "loose", lambda needed, width=3, on=True, sizes=(1, 2), nothing=None: (needed, width, on, sizes, nothing)
    )
    build = registry.get("loose").build
    assert build(needed=[1]) == ([1], 3, True, (1, 2), None)
    assert build(needed="x", width=4, on=False, sizes=[3], nothing=5) == ("x", 4, False, [3], 5)
    assert type(build(needed=1, width=4)[1]) is int
    for wrong in ({}, {"needed": 1, "width": "4"}, {"needed": 1, "on": 1}, {"needed": 1, "width": float("nan")}):
        with pytest.raises(ConfigError):
            build(**wrong)


def test_traits_are_told_when_a_component_is_added_and_every_other_has_none() -> None:
    registry = Registry("things", "thing")

    @registry.register("ball", traits=["round", "light", "round"], suggests={"loss": "mse"})
    def ball() -> None:
        """A ball."""

    registry.add("cube", dict, traits=("heavy",))
    registry.add("plain", dict)
    assert registry.get("ball").traits == {"round", "light"}
    assert registry.get("ball").suggests == {"loss": "mse"}
    assert registry.get("cube").traits == {"heavy"}
    assert registry.get("plain").traits == frozenset()


TRAITS = {
    "activations": {
        "monotone": "celu elu hardtanh leaky_relu relu relu6 selu sigmoid softplus tanh",
    },
    "losses": {
        "class_weights": "cross_entropy focal multi_margin nll",
        "divides_by_weights": "cross_entropy nll",
        "characters": "cross_entropy",
        "class_numbers_only": "hinge_embedding multi_margin nll",
        "numbers": "huber l1 mse smooth_l1",
        "yes_no": "bce_with_logits soft_margin",
        "labels": "asymmetric bce_with_logits multilabel_soft_margin",
        "pos_weight": "bce_with_logits",
        "signed": "soft_margin",
    },
    "datasets": {"one_file": "csv image_csv series_csv"},
    "schedulers": {"smooth": "cosine cyclic linear one_cycle polynomial"},
    "tasks": {"mixes": "classification multilabel", "sigmoids": "multilabel"},
    "transforms": {
        "batches": "cutmix mixup",
        "one_by_one": "auto_augment gaussian_blur rand_augment random_perspective trivial_augment",
    },
}


def test_nothing_has_a_trait_but_what_is_known_to_have_it() -> None:
    found: dict[str, dict[str, list[str]]] = {}
    for kind, registry in REGISTRIES.items():
        for name in registry:
            for trait in registry.get(name).traits:
                found.setdefault(kind, {}).setdefault(trait, []).append(name)
    assert found == {kind: {trait: names.split() for trait, names in traits.items()} for kind, traits in TRAITS.items()}


WORDS = {
    "datasets": "data set", "models": "model", "layers": "layer", "activations": "activation", "tasks": "task",
    "losses": "loss", "optimizers": "optimizer", "schedulers": "scheduler", "transforms": "transform",
    "loggers": "logger",
}  # fmt: skip


@pytest.mark.parametrize("kind", REGISTRIES)
def test_one_of_each_kind_is_called_by_its_own_word(kind: str) -> None:
    assert REGISTRIES[kind].one == WORDS[kind]
    with pytest.raises(ConfigError, match=f"^unknown {WORDS[kind]} 'zzzzzz'; "):
        REGISTRIES[kind].get("zzzzzz")


def test_what_is_registered_can_be_called_and_has_a_name(registry: Registry) -> None:
    with pytest.raises(ConfigError, match="thing 'three' is of type int; register a function or class"):
        registry.register("three")(3)  # type: ignore[type-var]
    with pytest.raises(ConfigError, match=r"a thing is registered without a name; write \.register\('my_thing'\)"):
        registry.register(dict)  # type: ignore[arg-type]


def test_what_is_built_has_the_members_of_its_kind() -> None:
    registry = Registry("things", "thing", ("roll", "size"))
    registry.add("list", list, description="x")
    with pytest.raises(ConfigError, match=r"list: gives list, which is no thing \(it has no 'roll'\); return one"):
        registry.build("list")


class Rolling(Protocol):
    """What a thing can do."""

    colour: ClassVar[str]
    size: int  # known when it is built

    def roll(self) -> None:
        """Go on."""


def test_a_kind_can_demand_a_class_with_the_members_of_a_protocol(registry: Registry) -> None:
    registry.demand(Rolling)
    with pytest.raises(ConfigError, match="'drum' is no class; a thing is a class with colour, roll"):
        registry.register("drum")(lambda: None)
    with pytest.raises(ConfigError, match="thing 'drum' lacks roll; add them to the class"):
        registry.register("drum")(type("Drum", (), {"colour": "red"}))
    registry.register("drum", "x")(type("Drum", (), {"colour": "red", "roll": print}))
    assert "drum" in registry


def test_a_name_is_never_overwritten(registry: Registry) -> None:
    with pytest.raises(ConfigError, match="two things are registered as 'ball'"):
        registry.add("ball", dict)


def test_an_unknown_name_brings_the_nearest(registry: Registry) -> None:
    with pytest.raises(ConfigError, match="unknown thing 'bal'; did you mean 'ball'"):
        registry.get("bal")


def test_deferred_entries_appear_when_they_are_asked_for(registry: Registry) -> None:
    registry.defer(lambda: registry.add("cube", dict))
    assert "ball" in registry
    assert "cube" not in registry._entries
    assert list(registry) == ["ball", "cube"]


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, r in REGISTRIES.items() for name in r])
def test_every_entry_has_a_description_and_a_checkable_signature(kind: str, name: str) -> None:
    entry = REGISTRIES[kind].get(name)
    assert entry.description
    assert entry.description[0] != "\n"
    assert entry.arguments.model_json_schema()["type"] == "object"


def test_a_plug_in_runs_once_and_its_errors_name_file_and_line(tmp_path: Path) -> None:
    plugin = tmp_path / "mine.py"
    plugin.write_text("from cnncli.core import registry\n\nraise RuntimeError('oh')\n")
    with pytest.raises(ConfigError, match=r"mine.py:3: the plug-in fails with RuntimeError: oh"):
        load_plugin(plugin)
    plugin.write_text("def broken(:\n")
    with pytest.raises(ConfigError, match=r"mine.py:1: the plug-in fails with SyntaxError"):
        load_plugin(plugin)
    plugin.write_text(
        "from pathlib import Path\np = Path(__file__).with_name('count')\np.write_text(p.read_text() + 'x')\n"
    )
    (tmp_path / "count").write_text("")
    load_plugin(plugin)
    load_plugin(plugin)
    assert (tmp_path / "count").read_text() == "x"
    with pytest.raises(ConfigError, match="no such plug-in"):
        load_plugin(tmp_path / "missing.py")


def test_derived_seeds_are_stable_and_distinct() -> None:
    assert derive_seed(0, "shuffle", 3) == derive_seed(0, "shuffle", 3)
    seeds = {derive_seed(seed, kind, n) for seed in range(5) for kind in ("a", "b") for n in range(50)}
    assert len(seeds) == 500
    assert all(0 <= seed < 2**63 for seed in seeds)
    # fixed for good: another value would change every split and every run
    assert derive_seed(0, "split") == 8002339936503433115
