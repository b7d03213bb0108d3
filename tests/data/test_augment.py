"""Transforms of whole batches: torchvision's results picture by picture, its distributions, and independent draws."""

import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as TF

from cnncli.core.errors import ConfigError
from cnncli.core.registry import transforms
from cnncli.data import colour, geometry, rectangles
from cnncli.data.draws import Draws
from cnncli.data.transforms import Augment
from tests.data.test_data import CPU, all_batches, bundle

SIZE = (22, 18)
NAMES = [name for name in transforms if "batches" not in transforms.get(name).traits]
BILINEAR = InterpolationMode.BILINEAR
LAYOUTS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture(params=[(1, LAYOUTS[0]), (3, LAYOUTS[0]), (3, LAYOUTS[1])], ids=["grey", "planes", "innermost"])
def images(request: pytest.FixtureRequest) -> Tensor:
    """Noise of 40 pictures, the first ten of them grey."""
    channels, order = request.param
    noise = torch.randint(0, 256, (40, channels, *SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    noise[:10] = noise[:10, :1]
    return noise.contiguous(memory_format=order)


@pytest.fixture(autouse=True)
def _fixed_seed() -> Iterator[None]:
    """torchvision, which is compared with, draws from the global generator."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def draws(count: int = 40, epoch: int = 0, seed: int = 0, first: int = 0) -> Draws:
    places = torch.arange(first, first + count)
    return Draws(seed, epoch, places, places)


def built(name: str, size: tuple[int, int] = SIZE, **args: Any) -> Callable[[Tensor, Draws], Tensor]:
    transform: Callable[[Tensor, Draws], Tensor] = transforms.build(name, size, **args)
    return transform


def random_values(low: float, high: float, count: int = 40) -> Tensor:
    return torch.rand(count, dtype=torch.float64) * (high - low) + low


def one_by_one(images: Tensor, change: Callable[[Tensor, int], Tensor]) -> Tensor:
    return torch.stack([change(image, i) for i, image in enumerate(images)])


def most_differ_by(one: Tensor, two: Tensor, share: float) -> int:
    """The largest difference in levels, where at most a ``share`` of the pixels differ at all."""
    difference = (one.int() - two.int()).abs()
    assert (difference > 0).double().mean() <= share
    return int(difference.max())


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
def test_random_crop_is_torchvision_s_pad_and_crop(images: Tensor, mode: str) -> None:
    replay = draws()
    top, left = replay.integers(7), replay.integers(7)
    changed = built("random_crop", padding=3, padding_mode=mode)(images, draws())
    expected = one_by_one(
        TF.pad(images, [3], padding_mode=mode), lambda x, i: TF.crop(x, int(top[i]), int(left[i]), *SIZE)
    )
    assert torch.equal(changed, expected)


@pytest.mark.parametrize(("name", "flip"), [("random_horizontal_flip", TF.hflip), ("random_vertical_flip", TF.vflip)])
def test_flips_mirror_with_probability_p(images: Tensor, name: str, flip: Callable[[Tensor], Tensor]) -> None:
    chosen = draws().chance(0.3)
    changed = built(name, p=0.3)(images, draws())
    assert torch.equal(changed, one_by_one(images, lambda x, i: flip(x) if chosen[i] else x))
    assert draws(20_000).chance(0.3).double().mean().item() == pytest.approx(0.3, abs=0.01)


def test_alternating_flip_mirrors_every_picture_exactly_every_other_epoch(images: Tensor) -> None:
    flip = built("alternating_flip")
    epochs = [flip(images, draws(epoch=epoch)) for epoch in range(4)]
    mirrored = [(epoch == images.flip(-1)).flatten(1).all(1) for epoch in epochs]
    assert torch.equal(mirrored[0], ~mirrored[1])
    assert torch.equal(mirrored[0], mirrored[2])
    assert torch.equal(mirrored[1], mirrored[3])
    assert 8 < int(mirrored[0].sum()) < 32, "about half of them begin"
    assert all(((epoch == images).flatten(1).all(1) != now).all() for epoch, now in zip(epochs, mirrored, strict=True))


def test_warping_is_torchvision_s_affine(images: Tensor) -> None:
    angle, scale, shear = random_values(-60, 60), random_values(0.5, 1.5), random_values(-20, 20)
    across, down = random_values(-4, 4).round(), random_values(-4, 4).round()

    def theirs(image: Tensor, i: int) -> Tensor:
        moved, leaning = [int(across[i]), int(down[i])], [float(shear[i]), 0.0]
        return TF.affine(image, float(angle[i]), moved, float(scale[i]), leaning, BILINEAR, fill=[9.0])

    expected = one_by_one(images, theirs)
    changed = geometry.warped(images, angle, (across, down), scale, shear, 9.0)
    assert most_differ_by(changed, expected, 1e-3) <= 1
    assert geometry.innermost(changed) == geometry.innermost(images)


def test_rotation_is_torchvision_s(images: Tensor) -> None:
    angle = draws().uniform(-30, 30)
    changed = built("random_rotation", degrees=30, fill=4)(images, draws())
    expected = one_by_one(images, lambda x, i: TF.rotate(x, float(angle[i]), BILINEAR, fill=[4.0]))
    assert most_differ_by(changed, expected, 1e-3) <= 1


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "hue"])
def test_colours_are_torchvision_s(images: Tensor, name: str) -> None:
    factor = random_values(-0.5, 0.5) if name == "hue" else random_values(0, 2)
    found = getattr(colour, name)(colour.planes(images), factor.float().view(-1, 1, 1, 1)).to(torch.uint8)
    expected = one_by_one(images, lambda x, i: getattr(TF, f"adjust_{name}")(x, float(factor[i].float())))
    assert most_differ_by(found, expected, 1e-4) <= 1
    unchanged = getattr(colour, name)(colour.planes(images), torch.full((40, 1, 1, 1), float(name != "hue")))
    assert torch.equal(unchanged, colour.planes(images))


def test_grayscale_is_torchvision_s_with_probability_p(images: Tensor) -> None:
    chosen = draws().chance(0.4)
    changed = built("random_grayscale", p=0.4)(images, draws())
    grey = v2.Grayscale(images.shape[1])
    assert torch.equal(changed, one_by_one(images, lambda x, i: grey(x) if chosen[i] else x))


@pytest.mark.parametrize("size", [(30, 25), (9, 7), SIZE])
def test_resized_crops_are_torchvision_s(
    images: Tensor, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, resized = [], rectangles._resized
    monkeypatch.setattr(rectangles, "_resized", lambda x, boxes, to: (taken.append(boxes), resized(x, boxes, to))[1])
    changed = built("random_resized_crop", size)(images, draws())
    (boxes,) = taken

    def theirs(image: Tensor, i: int) -> Tensor:
        return TF.resized_crop(image, *boxes[i].tolist(), list(size), antialias=True)

    expected = one_by_one(images, theirs)
    assert torch.equal(changed, expected)
    assert geometry.innermost(changed) == geometry.innermost(images)
    by_matrices = rectangles._weighted(images, boxes, size)
    assert most_differ_by(by_matrices, expected, 0.4) <= 1, "there both directions are rounded, here only the result"
    as_floats = one_by_one(images.float(), theirs).round().to(torch.uint8)
    assert most_differ_by(by_matrices, as_floats, 0.01) <= 1


def test_erasing_overwrites_one_rectangle_as_torchvision_does() -> None:
    white = torch.full((500, 3, *SIZE), 255, dtype=torch.uint8)
    changed = built("random_erasing", p=0.6, value=7)(white, draws(500))
    for image in changed:
        black = (image == 7).all(0)
        assert torch.equal((image == 7).any(0), black)
        rows, columns = black.any(1).nonzero().flatten(), black.any(0).nonzero().flatten()
        if len(rows):
            box = [int(v) for v in (rows[0], columns[0], len(rows), len(columns))]
            expected = TF.erase(white[0], *box, torch.tensor([7]))
            assert torch.equal(image, expected)
    share = (changed == 7).flatten(1).any(1).double().mean().item()
    assert share == pytest.approx(0.6, abs=0.06)


def erased_boxes(changed: Tensor) -> tuple[Tensor, Tensor]:
    """Area and height over width of what is black in ``[N, 1, H, W]``."""
    tall, wide = (changed[:, 0] == 0).any(2).sum(1).double(), (changed[:, 0] == 0).any(1).sum(1).double()
    return tall * wide, tall / wide


def alike(one: Any, two: Any) -> bool:
    """Whether two samples may come from one distribution (Kolmogorov and Smirnov)."""
    return bool(stats.ks_2samp(one, two).pvalue > 0.01)


def test_erased_rectangles_are_distributed_as_torchvision_s() -> None:
    white = torch.full((3000, 1, 64, 48), 255, dtype=torch.uint8)
    area, shape = erased_boxes(built("random_erasing", p=1.0)(white, draws(3000)))
    theirs = v2.RandomErasing(p=1.0)
    params = [theirs.make_params([white[0]]) for _ in range(3000)]
    assert alike(area, [p["h"] * p["w"] for p in params])
    assert alike(shape, [p["h"] / p["w"] for p in params])


@pytest.mark.parametrize("args", [{}, {"scale": (0.5, 1.0), "ratio": (2.0, 3.0)}], ids=["usual", "hardly fitting"])
def test_resized_crops_are_distributed_as_torchvision_s(args: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[Tensor] = []
    monkeypatch.setattr(rectangles, "_resized", lambda x, boxes, size: (taken.append(boxes), x)[1])
    images = torch.zeros((4000, 1, 64, 48), dtype=torch.uint8)
    built("random_resized_crop", **args)(images, draws(4000))
    theirs = v2.RandomResizedCrop(SIZE, **args)
    params = [theirs.make_params([images[0]]) for _ in range(4000)]
    for column, key in zip(taken[0].T, ("top", "left", "height", "width"), strict=True):
        assert alike(column, [p[key] for p in params]), key


def test_shifts_are_uniform() -> None:
    place = torch.arange(24, dtype=torch.uint8).view(1, 1, 1, -1).expand(8000, 1, 24, -1)
    column = built("random_crop", (24, 24), padding=4, padding_mode="edge")(place, draws(8000))[:, 0, 0, 12].long() - 12
    assert stats.chisquare(torch.bincount(column + 4, minlength=9)).pvalue > 0.01
    row = built("random_crop", (24, 24), padding=4, padding_mode="edge")(place.mT, draws(8000))[:, 0, 12, 0].long() - 12
    assert stats.chisquare(torch.bincount(row + 4, minlength=9)).pvalue > 0.01
    assert abs(float(torch.corrcoef(torch.stack((row, column)).double())[0, 1])) < 0.05


def test_affine_parameters_are_distributed_as_torchvision_s(monkeypatch: pytest.MonkeyPatch) -> None:
    args: dict[str, Any] = {"degrees": 20, "scale": (0.5, 2.0), "shear": 10}
    taken: list[Any] = []
    monkeypatch.setattr(geometry, "warped", lambda images, *rest: (taken.append(rest), images)[1])
    images = torch.zeros((3000, 1, 64, 48), dtype=torch.uint8)
    built("random_affine", translate=0.2, **args)(images, draws(3000))
    ((angle, shift, scale, shear, _),) = taken
    theirs = v2.RandomAffine(translate=(0.2, 0.2), **args)
    params = [theirs.make_params([images[0]]) for _ in range(3000)]
    assert alike(angle, [p["angle"] for p in params])
    assert alike(shift[0], [p["translate"][0] for p in params])
    assert alike(shift[1], [p["translate"][1] for p in params])
    assert alike(scale, [p["scale"] for p in params])
    assert alike(shear, [p["shear"][0] for p in params])


def test_jitter_draws_factors_and_an_order_for_each_picture() -> None:
    ours = built("color_jitter", brightness=0.4, contrast=1.5, saturation=0.3, hue=0.2)
    ranges = ours.keywords["ranges"]  # type: ignore[attr-defined]
    theirs = v2.ColorJitter(0.4, 1.5, 0.3, 0.2)
    assert [(low, high) for _, low, high in ranges] == [
        theirs.brightness,
        theirs.contrast,
        theirs.saturation,
        theirs.hue,
    ]
    calls: list[tuple[int, Tensor, Tensor]] = []

    def noting(number: int) -> colour.Adjust:
        return lambda values, factor: (calls.append((number, values[:, 0, 0, 0], factor.flatten())), values)[1]

    numbered = (torch.arange(240) % 256).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    colour.jittered(numbered, draws(240), [(noting(i), low, high) for i, (_, low, high) in enumerate(ranges)])
    orders = torch.zeros(240, 4, dtype=torch.int64)
    turns = torch.zeros(240, dtype=torch.int64)
    for number, samples, factor in calls:
        orders[samples.long(), turns[samples.long()]] = number
        turns[samples.long()] += 1
        low, high = ranges[number][1:]
        assert ((low <= factor) & (factor <= high)).all()
    assert (turns == 4).all()
    assert len({tuple(order) for order in orders.tolist()}) == math.factorial(4), "every order occurs"


@pytest.mark.parametrize("name", NAMES)
def test_no_transform_changes_what_it_is_given_or_moves_the_global_generator(name: str, images: Tensor) -> None:
    before, state = images.clone(), torch.get_rng_state()
    changed = built(name)(images, draws())
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert changed.dtype == torch.uint8
    assert geometry.layout(changed) == geometry.layout(images)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_does_not_depend_on_its_neighbours_or_on_the_order_in_memory(name: str, images: Tensor) -> None:
    augment = Augment([(name, built(name)), (name, built(name))], SIZE, seed=3)
    places = torch.arange(40)
    whole = augment(images, augment.draws(2, places, torch.arange(100, 140)))
    parts = [
        augment(images[a : a + 9], augment.draws(2, places[a : a + 9], torch.arange(100, 140)[a : a + 9]))
        for a in range(0, 40, 9)
    ]
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(augment(images.contiguous(), augment.draws(2, places, torch.arange(100, 140))), whole)


@pytest.mark.parametrize("name", NAMES)
def test_a_transform_can_be_sent_to_a_worker_that_was_not_forked(name: str, images: Tensor) -> None:
    transform = built(name)
    assert torch.equal(pickle.loads(pickle.dumps(transform))(images, draws()), transform(images, draws()))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", NAMES)
def test_on_a_gpu_pictures_are_changed_in_the_same_way(name: str, images: Tensor) -> None:
    here, there = built(name)(images, draws()), built(name)(images.cuda(), draws())
    assert there.is_cuda
    assert geometry.layout(there) == geometry.layout(here)
    assert most_differ_by(there.cpu(), here, 0.4) <= 1


@pytest.mark.parametrize("name", [name for name in NAMES if name != "alternating_flip"])
def test_pictures_that_are_the_same_are_changed_in_different_ways(name: str) -> None:
    noise = torch.randint(0, 256, (1, 3, *SIZE), dtype=torch.uint8).expand(60, -1, -1, -1)
    args = {"p": 0.5} if name == "random_grayscale" else {}
    changed = {picture.numpy().tobytes() for picture in built(name, **args)(noise.contiguous(), draws(60))}
    assert len(changed) >= (2 if "flip" in name or "grayscale" in name else 12)


def test_a_sample_drawn_twice_in_an_epoch_is_changed_in_two_ways() -> None:
    data = bundle(sampler="balanced", augment=[{"name": "random_rotation", "degrees": 90}], val_fraction=0.0)
    plain = bundle(sampler="balanced", val_fraction=0.0)
    changed = torch.cat([x for x, _ in all_batches(data.loader("train", CPU, training=True))])
    drawn = torch.cat([x for x, _ in all_batches(plain.loader("train", CPU, training=True))])
    _, number = drawn.flatten(1).unique(dim=0, return_inverse=True)
    twice = [(number == n).nonzero().flatten() for n in range(30)]
    repeated = [places for places in twice if len(places) > 1]
    assert repeated
    assert all(len(changed[places].flatten(1).unique(dim=0)) == len(places) for places in repeated)


@pytest.mark.parametrize("batch_size", [1, 16, 300, 2000])
def test_however_an_epoch_is_cut_into_batches_a_picture_is_changed_in_the_same_way(batch_size: int) -> None:
    augment = [{"name": "random_affine"}, {"name": "random_crop", "padding": 1}, {"name": "random_erasing"}]
    reference = bundle(batch_size=64, augment=augment).loader("train", CPU, training=True)
    other = bundle(batch_size=batch_size, augment=augment).loader("train", CPU, training=True)
    one, two = (torch.cat([x for x, _ in all_batches(loader, 3)]) for loader in (reference, other))
    assert torch.equal(one, two)
    start = len(other) // 2
    rest = torch.cat([x for x, _ in all_batches(other, 3, start=start)])
    assert torch.equal(rest, two[start * batch_size :])


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("random_erasing", {"scale": (0.5, 0.1)}), ("random_resized_crop", {"ratio": (2.0, 1.0)}),
        ("random_resized_crop", {"scale": (0.0, 1.0)}), ("random_rotation", {"degrees": -1.0}),
        ("random_affine", {"translate": 1.5}), ("color_jitter", {"hue": 0.6}), ("color_jitter", {"contrast": -0.1}),
    ],
)  # fmt: skip
def test_impossible_arguments_are_refused(name: str, args: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=name):
        built(name, **args)


@pytest.mark.parametrize("mode", ["reflect", "symmetric"])
def test_padding_beyond_the_picture_is_refused_where_it_is_named(mode: str) -> None:
    with pytest.raises(ConfigError, match=r"augment: random_crop: .*padding"):
        bundle(augment=[{"name": "random_crop", "padding": 9, "padding_mode": mode}]).loader(
            "train", CPU, training=True
        )
