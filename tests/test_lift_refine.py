"""The geometry-aware refinement: hard depth against sums by hand, and what it does to splats."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from impetus.backend.contract.errors import CancelledError
from impetus.backend.splatting.gradients import Camera
from impetus.backend.stages.cache import FrameCache
from impetus.backend.stages.fits.losses import ssim
from impetus.backend.stages.lifts.refinement.color_loss import color_loss
from impetus.backend.stages.lifts.refinement.depth_loss import (
    HardDepth,
    hard_depth,
    hard_depth_loss,
)
from impetus.backend.stages.lifts.refinement.refine import (
    LARGEST_STEP,
    DepthView,
    RefineSettings,
    refined,
)
from impetus.backend.stages.lifts.splats import Splats
from impetus.backend.stages.takes.picture import encode_srgb

SIZE = 48


def camera(turn: float = 0.0) -> Camera:
    """A camera two metres from the origin, turned by degrees about the vertical axis."""
    sine, cosine = np.sin(np.radians(turn)), np.cos(np.radians(turn))
    pose = np.eye(4)
    pose[:3, :3] = [[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]
    pose[:3, 3] = -2 * pose[:3, 2]
    lens = torch.tensor([60.0, 60.0, SIZE / 2, SIZE / 2], dtype=torch.float64)
    return Camera(torch.from_numpy(pose), lens, SIZE, SIZE)


def blobs(mean: np.ndarray, sigma: float) -> Splats:
    count = len(mean)
    return Splats(
        mean.astype(np.float32),
        np.full((count, 3), sigma, np.float32),
        np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
        np.full((count, 3), 0.5, np.float32),
        np.full(count, 0.8, np.float32),
    )


def depth_of(mean: torch.Tensor, axes: torch.Tensor, delta: float = 0.95) -> torch.Tensor:
    return hard_depth(mean, axes, camera(), delta, engine="taichi")


def test_hard_depth_is_that_of_the_nearest_splats() -> None:
    """Equation 8 on the middle pixel: delta d1 + (1 - delta) delta d2, footprints being one."""
    mean = torch.tensor([[0.0, 0, 0], [0.0, 0, 1.0]], requires_grad=True)
    axes = (0.4 * torch.eye(3)).repeat(2, 1, 1).requires_grad_()
    found = depth_of(mean, axes)
    middle = found[SIZE // 2, SIZE // 2]
    assert float(middle.detach()) == pytest.approx(0.95 * 2 + 0.05 * 0.95 * 3, rel=2e-3)
    middle.backward()
    assert axes.grad is None
    assert mean.grad is not None
    assert float(mean.grad[0, 2]) == pytest.approx(0.95, rel=0.05)


def test_the_loss_asks_for_neither_unit_nor_zero() -> None:
    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    depth = 2 + 0.3 * torch.sin(x / 5.0) + 0.01 * y
    rng = np.random.default_rng(0)
    for other in (3 * depth, depth + 5, 0.01 * depth - 1):
        assert float(hard_depth_loss(depth, other, HardDepth(), rng)) < 1e-3
    wrong = hard_depth_loss(depth, -depth, HardDepth(), rng)
    assert float(wrong) > 0.3


def test_the_loss_is_nothing_within_its_margin_and_without_depth() -> None:
    depth = torch.rand(SIZE, SIZE, requires_grad=True)
    same = hard_depth_loss(depth, depth.detach(), HardDepth(), np.random.default_rng(0))
    assert float(same.detach()) == 0
    nothing = torch.zeros(SIZE, SIZE)
    assert float(hard_depth_loss(nothing, nothing, HardDepth(), np.random.default_rng(0))) == 0


def test_the_gradient_of_the_loss_is_its_slope() -> None:
    torch.manual_seed(0)
    depth = torch.rand(12, 12, dtype=torch.float64, requires_grad=True)
    known = torch.rand(12, 12, dtype=torch.float64)
    settings = HardDepth(smallest=12, largest=12, margin=0.0, whole=0.0)

    def loss(image: torch.Tensor) -> torch.Tensor:
        # the picture's own spread is a constant, as in the paper that the loss is from
        return hard_depth_loss(image, known, settings, np.random.default_rng(0))

    loss(depth).backward()
    assert depth.grad is not None
    step = 1e-5 * depth.grad / depth.grad.norm()
    slope = (loss(depth.detach() + step) - loss(depth.detach() - step)) / 2
    assert float(slope) == pytest.approx(float((depth.grad * step).sum()), rel=0.02)


def test_structure_is_whole_where_pictures_are_equal() -> None:
    picture = torch.rand(24, 24, 3)
    assert float(ssim(picture, picture)) == pytest.approx(1, abs=1e-5)
    assert float(color_loss(picture, picture, structure=0.2)) == pytest.approx(0, abs=1e-5)
    assert float(ssim(picture, 1 - picture)) < 0


def a_wall(rng: np.random.Generator) -> tuple[Splats, np.ndarray, list[DepthView]]:
    """A grey square wall, whose splats lie before and behind it; what it looks like; its depth."""
    place = np.linspace(-0.45, 0.45, 12)
    x, y = (axis.ravel() for axis in np.meshgrid(place, place))
    true = blobs(np.stack([x, y, np.zeros_like(x)], axis=1), 0.09)
    moved = true.mean + rng.normal(0, (0, 0, 0.12), true.mean.shape)
    astray = replace(true, mean=moved.astype(np.float32))
    color, alpha, depth = true.seen_by(camera().view())
    picture = encode_srgb(color + (1 - alpha[..., None]))
    known = np.where(alpha > 0.5, depth, 0).astype(np.float32)
    return astray, picture.astype(np.float32), [DepthView(camera(), known)]


def test_hard_depth_brings_splats_to_the_surface_and_colour_does_not() -> None:
    astray, picture, views = a_wall(np.random.default_rng(0))
    settings = RefineSettings(
        epochs=60, slower_from=45, depth_from=0, depth_every=1, depth_rate=0.01,
        hard=HardDepth(smallest=9, largest=17),
    )  # fmt: skip
    alone = replace(settings, hard=None)
    start, both, colour = (
        unevenness(splats)
        for splats in (
            astray,
            refined(astray, picture, camera(), views, settings),
            refined(astray, picture, camera(), views, alone),
        )
    )
    assert both < 0.75 * start
    assert colour > 0.9 * start


def unevenness(splats: Splats) -> float:
    """Return how far the nearest splats of the wall's middle lie before and behind each other."""
    mean, axes = torch.from_numpy(splats.mean), torch.from_numpy(splats.axes)
    return float(depth_of(mean, axes)[12:36, 12:36].std())


def test_colour_brings_the_view_nearer_to_the_picture() -> None:
    astray, picture, views = a_wall(np.random.default_rng(1))
    wrong = replace(astray, color=np.full_like(astray.color, 0.2))
    settings = RefineSettings(color=0.02, epochs=40, slower_from=30, hard=None)
    made = refined(wrong, picture, camera(), views, settings)
    errors = []
    for splats in (wrong, made):
        color, alpha, _ = splats.seen_by(camera().view())
        errors.append(np.abs(encode_srgb(color + (1 - alpha[..., None])) - picture).mean())
    assert errors[1] < 0.5 * errors[0]


def test_fewer_epochs_keep_the_schedule() -> None:
    short = RefineSettings().within(300)
    assert (short.epochs, short.depth_from, short.slower_from) == (300, 50, 150)
    assert short.mean == pytest.approx(1e-3)
    assert (short.depth_every, short.depth_rate) == (1, pytest.approx(1e-3))
    slow = RefineSettings().over(300)
    assert (slow.epochs, slow.depth_from, slow.slower_from) == (300, 50, 150)
    assert (slow.mean, slow.color) == (1e-4, 1e-3)
    long = RefineSettings().within(6000)
    assert (long.mean, long.depth_every) == (pytest.approx(5e-5), 20)
    assert long.depth_rate == pytest.approx(1e-3)


def test_views_of_known_depth_take_turns() -> None:
    """The paper's four are all looked at each time; of sixteen four, a quarter turn apart."""
    settings = RefineSettings(epochs=300, depth_from=50, depth_every=2)
    assert not settings.looks_at_depth(48, 4)
    assert not settings.looks_at_depth(51, 4)
    assert list(settings.looks_at_depth(52, 4)) == [0, 1, 2, 3]
    looks = [settings.looks_at_depth(50 + 2 * look, 16) for look in range(4)]
    assert [list(np.diff(look)) for look in looks] == [[4, 4, 4]] * 4
    assert sorted(view for look in looks for view in look) == list(range(16))
    assert not replace(settings, hard=None).looks_at_depth(52, 16)


@pytest.mark.parametrize("epochs", [1, 20, 100, 300])
def test_no_step_is_larger_than_a_hundredth(epochs: int) -> None:
    short = RefineSettings().within(epochs)
    rates = (short.mean, short.scale, short.turn, short.color, short.opacity, short.depth_rate)
    assert max(rates) <= LARGEST_STEP


def test_no_splat_moves_farther_than_its_steps() -> None:
    """However short a refinement is: by LARGEST_STEP of half the diagonal for each loss."""
    astray, picture, views = a_wall(np.random.default_rng(3))
    settings = RefineSettings().within(2)
    made = refined(astray, picture, camera(), views, settings)
    half = np.linalg.norm(np.ptp(astray.mean, axis=0)) / 2
    moved = np.linalg.norm(made.mean - astray.mean, axis=1)
    # Adam takes a whole step along each of three axes, by colour twice and by depth at most twice.
    assert 0 < moved.max() < 4 * np.sqrt(3) * LARGEST_STEP * half
    assert np.abs(np.log(made.scale / astray.scale)).max() < 2.1 * LARGEST_STEP


def test_a_refinement_that_was_ended_goes_on_to_the_same_splats(tmp_path: Path) -> None:
    class Ending:
        def __init__(self, after: int) -> None:
            self.after = after

        def stepped(self, done: int, total: int) -> None:
            self.after -= 1

        def check(self) -> None:
            if not self.after:
                raise CancelledError("Ended.", "")

    astray, picture, views = a_wall(np.random.default_rng(2))
    settings = RefineSettings(epochs=8, slower_from=6, depth_from=2, depth_every=1)
    whole = refined(astray, picture, camera(), views, settings)
    kept = FrameCache(tmp_path)
    with pytest.raises(CancelledError):
        refined(astray, picture, camera(), views, settings, kept=kept, listener=Ending(5))
    again = refined(astray, picture, camera(), views, settings, kept=kept)
    for name in ("mean", "scale", "turn", "color", "opacity"):
        assert np.array_equal(getattr(whole, name), getattr(again, name))
