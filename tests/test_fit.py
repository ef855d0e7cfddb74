"""Fitting splats to views: losses, where splats come and go, and a ball that is fitted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d
from scipy.spatial.transform import Rotation

from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import CancelledError, MemoryShortError, ShotError
from impetus.backend.contract.fits.files import read_fitted, read_views, write_fitted, write_views
from impetus.backend.splatting.gradients import Camera
from impetus.backend.stages.bodies.shape import shape_of
from impetus.backend.stages.fits import fit as module
from impetus.backend.stages.fits.density import Density, DensitySettings, screen_gradient
from impetus.backend.stages.fits.finer import finer_mesh
from impetus.backend.stages.fits.fit import FitSettings, fit, settings_for, view_of_step
from impetus.backend.stages.fits.losses import psnr, ssim
from impetus.backend.stages.fits.splats import FitSplats, Rates, parameters_of, quaternions
from impetus.backend.stages.fits.start import detail, detailed_splats, seen_colors
from impetus.backend.stages.fits.targets import Targets, encoded

from . import shots
from .fit_cases import RADIUS, ball_views, stripes


class Quiet:
    """Hears steps, and ends the fit after so many of them."""

    def __init__(self, end: int | None = None) -> None:
        self.end, self.matches, self.counts, self.begun = end, [], [], []

    def began(self, what: str) -> None:
        self.begun.append(what)

    def stepped(self, done: int, total: int, *, match: float, splats: int) -> None:
        self.matches.append(match)
        self.counts.append(splats)

    def check(self) -> None:
        if self.end is not None and len(self.matches) >= self.end:
            raise CancelledError("Ended.", "")


def some_splats(count: int = 40, seed: int = 0) -> FitSplats:
    rng = np.random.default_rng(seed)
    frame = np.linalg.qr(rng.normal(size=(count, 3, 3)))[0]
    mean = rng.normal(size=(count, 3))
    mean *= RADIUS / np.linalg.norm(mean, axis=1, keepdims=True)
    arrays = (mean, 0.05 * frame, rng.random((count, 3)), rng.uniform(0.2, 0.9, count))
    return FitSplats(parameters_of(*(a.astype(np.float32) for a in arrays)), Rates())


def ball_shape():
    views, arrays = ball_views(2, 8)
    return shape_of(views.body, arrays)


# --- losses


def test_ssim_is_what_the_paper_says() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 21, 17, 3))
    weight = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    weight /= weight.sum()

    def blur(image):
        rows = correlate1d(image, weight, axis=0, mode="constant")
        return correlate1d(rows, weight, axis=1, mode="constant")

    mx, my = blur(x), blur(y)
    vx, vy, both = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    top = (2 * mx * my + 0.01**2) * (2 * both + 0.03**2)
    expected = (top / ((mx**2 + my**2 + 0.01**2) * (vx + vy + 0.03**2))).mean()
    assert float(ssim(torch.tensor(x), torch.tensor(y))) == pytest.approx(expected, abs=1e-9)
    assert float(ssim(torch.tensor(x), torch.tensor(x))) == pytest.approx(1.0)


def test_psnr_of_an_even_error() -> None:
    assert psnr(torch.full((4, 4, 3), 0.5), torch.full((4, 4, 3), 0.4)) == pytest.approx(20, 1e-4)


def test_light_is_compared_as_a_screen_shows_it() -> None:
    linear = torch.tensor([0.0, 0.001, 0.2, 1.0, 9.0], requires_grad=True)
    shown = encoded(linear)
    expected = [0.0, 0.01292, 1.055 * 0.2 ** (1 / 2.4) - 0.055, 1.0]
    np.testing.assert_allclose(shown.detach()[:4], expected, atol=1e-6)
    shown.sum().backward()
    assert torch.isfinite(linear.grad).all()
    assert linear.grad[4] == 0  # a glint pulls no longer


# --- splats, as numbers that come and go


def test_discs_become_numbers_and_come_back() -> None:
    rng = np.random.default_rng(1)
    turn = Rotation.random(50, rng=rng).as_matrix()
    size = np.stack([*rng.uniform(0.01, 0.1, (2, 50)), np.full(50, 1e-4)], axis=1)
    axes = (turn * size[:, None, :]).astype(np.float32)
    mean, color = rng.normal(size=(50, 3)), rng.random((50, 3))
    opacity = rng.uniform(0.05, 0.95, 50)
    splats = FitSplats(
        parameters_of(*(a.astype(np.float32) for a in (mean, axes, color, opacity))), Rates()
    )
    ours = splats.axes().detach().numpy()[:, :, :2]
    spread = np.einsum("nij,nkj->nik", ours, ours)
    expected = np.einsum("nij,nkj->nik", axes[:, :, :2], axes[:, :, :2])
    np.testing.assert_allclose(spread, expected, atol=1e-7)
    np.testing.assert_allclose(splats.color().detach(), color, atol=1e-3)
    np.testing.assert_allclose(splats.opacity().detach(), opacity, atol=1e-5)


def test_quaternions_are_those_of_their_rotations() -> None:
    turns = Rotation.random(200, rng=np.random.default_rng(2))
    found = Rotation.from_quat(quaternions(turns.as_matrix())[:, [1, 2, 3, 0]])
    assert (found * turns.inv()).magnitude().max() < 1e-6


def test_rows_keep_their_moments() -> None:
    splats = some_splats(6)
    sum(p.square().sum() for p in splats.parameters.values()).backward()
    splats.step(0.01)
    before = splats.arrays()
    kept = torch.tensor([4, 1])
    fresh = {name: p.detach()[:1] for name, p in splats.parameters.items()}
    splats.rebuild(kept, fresh)
    after = splats.arrays()
    for name, array in before.items():
        if array.ndim == 0:
            assert after[name] == array
            continue
        np.testing.assert_array_equal(after[name][:2], array[[4, 1]])
        new = array[:1] if "." not in name else 0 * array[:1]
        np.testing.assert_array_equal(after[name][2:], new)
    again = FitSplats.restored(after, Rates(), "cpu").arrays()
    assert all((again[name] == after[name]).all() for name in after)


def test_the_pull_on_the_screen_is_that_of_the_pixels() -> None:
    splats = some_splats(30)
    mean = splats.parameters["mean"].detach().double().requires_grad_()
    pose = torch.tensor(shots.look_at((1.0, -2.0, 0.7), (0.1, 0, 0)))
    camera = Camera(pose, torch.tensor([50.0, 55.0, 31.0, 20.0]).double(), 64, 40, 0.01, 100.0)
    local = (mean - pose[:3, 3]) @ pose[:3, :3]
    pixel = local[:, :2] / local[:, 2:] * camera.intrinsics[:2] + camera.intrinsics[2:]
    wanted = torch.randn(30, 2, generator=torch.Generator().manual_seed(0)).double()
    (pixel * wanted).sum().backward()
    found = screen_gradient(mean.detach(), mean.grad, camera)
    np.testing.assert_allclose(found, (wanted * torch.tensor([32, 20])).norm(dim=1), rtol=1e-9)


# --- where splats come and go


def grown(pull: float, settings: DensitySettings, splats: FitSplats) -> FitSplats:
    """Let a density see one even gradient on all splats, then act."""
    density = Density(settings, ball_shape(), RADIUS)
    pose = torch.tensor(shots.look_at((0, -2.0, 0), (0, 0, 0)))
    camera = Camera(pose, torch.tensor([50.0, 50, 32, 32]).double(), 64, 64, 0.01, 10.0)
    mean = splats.parameters["mean"]
    depth = (mean.detach() - pose[:3, 3].float()) @ pose[:3, 2].float()
    along = torch.zeros_like(mean) + pose[:3, 0].float()
    mean.grad = along * (pull / depth * 50 / 32)[:, None]
    density.note(splats, camera)
    density.step(splats, settings.every, torch.Generator().manual_seed(0))
    return splats


RULES = DensitySettings(start=0, stop=1000, every=10, split_size=0.2, stray=1.0, most=1000)


def test_small_splats_are_cloned_where_they_are_pulled() -> None:
    splats = grown(3e-4, RULES, some_splats(20))
    assert len(splats) == 40
    mean = splats.parameters["mean"].detach()
    np.testing.assert_array_equal(mean[:20], mean[20:])
    assert len(grown(1e-4, RULES, some_splats(20))) == 20  # pulled too little


def test_large_splats_are_split_into_smaller_ones() -> None:
    before = some_splats(20)
    size = before.scale().detach()
    splats = grown(3e-4, replace(RULES, split_size=0.01), before)
    assert len(splats) == 40
    np.testing.assert_allclose(splats.scale().detach()[:20], size / 1.6, rtol=1e-5)


def test_growth_keeps_within_its_room_and_takes_the_most_pulled() -> None:
    splats = grown(3e-4, replace(RULES, most=25), some_splats(20))
    assert len(splats) == 25


def test_the_faint_and_the_strayed_are_pruned() -> None:
    splats = some_splats(20)
    with torch.no_grad():
        splats.parameters["belief"][:3] = -8.0  # 0.0003
        splats.parameters["mean"][3:5] *= 1.5  # half a radius off the surface
    splats = grown(0.0, replace(RULES, stray=0.2), splats)
    assert len(splats) == 15


def test_fading_leaves_every_splat_nearly_clear() -> None:
    splats = grown(0.0, replace(RULES, fade_every=10), some_splats(20))
    assert splats.opacity().max() <= 0.01 + 1e-6


# --- where a fit begins


def test_splats_are_dense_where_the_texture_is_busy_and_where_the_surface_turns() -> None:
    arrays = ArraySet()
    image = np.full((64, 64, 4), 255, np.uint8)
    image[:, :32, :3] = 255 * (np.indices((64, 32)).sum(axis=0) // 2 % 2)[..., None]
    square, faces = shots.plane(2.0)
    uv = (square[faces][..., :2] / 2 + 0.5).astype(np.float32)
    looks = s.Looks(surfaces=(s.Surface(image=arrays.add(image)),), uv=arrays.add(uv))
    plane = shots.body(arrays, "Plane", (square, faces), role="static", looks=looks)
    splats = detailed_splats(plane, arrays, 2000, np.random.default_rng(0))
    busy = (splats.mean[:, 0] < -0.1).sum() / (splats.mean[:, 0] > 0.1).sum()
    assert busy > 3
    assert abs(len(splats.mean) - 2000) < 10
    # Discs of each half cover it alike, however many there are.
    for half in (splats.mean[:, 0] < -0.1, splats.mean[:, 0] > 0.1):
        area = np.linalg.norm(splats.axes[half], axis=1)[:, :2].prod(axis=1).sum() * 2 * np.pi
        assert 3 < area / (0.9 * 2.0) < 7
    ball = shots.body(arrays, "Ball", shots.sphere(0.2, 3), role="static")
    fine, kept = finer_mesh(ball, arrays, 0.05)
    shape = shape_of(fine, kept)
    assert detail(fine, kept, shape, 0.05).max() < 1.01
    round_ = shape.vertices[shape.triangles] / 0.2
    assert detail(fine, kept, replace(shape, corner_normals=round_), 0.2).min() > 1.5


def test_a_finer_mesh_is_the_same_surface() -> None:
    arrays = ArraySet()
    vertices, triangles = shots.cube(1.0)
    uv = np.random.default_rng(0).random((12, 3, 2), np.float32)
    image = arrays.add(np.zeros((2, 2, 4), np.uint8))
    looks = s.Looks(surfaces=(s.Surface(image=image),), uv=arrays.add(uv))
    cube = shots.body(arrays, "Cube", (vertices, triangles), looks=looks)
    fine, kept = finer_mesh(cube, arrays, 0.4)
    before, after = shape_of(cube, arrays), shape_of(fine, kept)
    assert len(after.triangles) == 12 * 16
    assert after.closed
    assert after.volume == pytest.approx(before.volume)
    found, where = kept.of(fine.looks.uv), np.arange(12 * 16) // 16
    for k in range(2):  # between the corners of the triangle that they came from
        assert (found[..., k] <= uv[where, :, k].max(axis=1)[:, None] + 1e-6).all()
    np.testing.assert_allclose(found.reshape(12, -1, 2).mean(axis=1), uv.mean(axis=1), atol=1e-6)


def test_colours_are_read_where_they_are_seen() -> None:
    views, arrays = ball_views(12, 48)
    splats = detailed_splats(views.body, arrays, 600, np.random.default_rng(0))
    found = seen_colors(splats, Targets(views, arrays), "taichi")
    expected = stripes(splats.mean)
    edge = np.abs(np.sin(4 * np.arctan2(splats.mean[:, 1], splats.mean[:, 0]))) < 0.6
    assert np.abs(found - expected)[~edge].mean() < 0.03
    assert np.abs(splats.albedo - expected)[~edge].mean() > 0.15


# --- the whole


SMALL = settings_for(300, 80)


@pytest.fixture(scope="module")
def fitted_ball(tmp_path_factory):
    views, arrays = ball_views()
    listener = Quiet()
    cache = tmp_path_factory.mktemp("fit")
    made = fit(views, arrays, SMALL, cache=cache, engine="taichi", listener=listener)
    return made, listener, cache


def test_a_fit_comes_nearer_to_its_views(fitted_ball) -> None:
    (fitted, arrays), listener, _ = fitted_ball
    assert listener.begun == ["place splats", "compile the first step"]
    assert listener.matches[-1] > listener.matches[7] + 2
    assert fitted.match == pytest.approx(listener.matches[-1])
    assert max(listener.counts) <= 900
    distance = np.abs(np.linalg.norm(arrays.of(fitted.mean), axis=1) - RADIUS)
    assert distance.max() < 0.1 * RADIUS


def test_a_fit_that_was_ended_goes_on_to_the_same_numbers(fitted_ball, tmp_path: Path) -> None:
    (fitted, whole), _, _ = fitted_ball
    views, arrays = ball_views()
    for end in (0, 13, 25):
        with pytest.raises(CancelledError):
            fit(views, arrays, SMALL, cache=tmp_path, engine="taichi", listener=Quiet(end))
    listener = Quiet()
    again, made = fit(views, arrays, SMALL, cache=tmp_path, engine="taichi", listener=listener)
    assert len(listener.matches) == 80 - 13 - 25
    assert again == fitted
    for name in ("mean", "scale", "turn", "color", "opacity"):
        assert (made.of(getattr(again, name)) == whole.of(getattr(fitted, name))).all()


def test_a_fit_is_made_once(fitted_ball) -> None:
    (fitted, _), _, cache = fitted_ball
    views, arrays = ball_views()
    listener = Quiet()
    again, _ = fit(views, arrays, SMALL, cache=cache, engine="taichi", listener=listener)
    assert again == fitted
    assert not listener.matches
    assert not listener.begun
    assert module.fit_key(views, SMALL, "taichi") != module.fit_key(
        views, replace(SMALL, seed=1), "taichi"
    )


def test_every_view_is_looked_at_as_often_as_the_others() -> None:
    seen = [view_of_step(3, step, 7) for step in range(21)]
    assert sorted(seen) == sorted(list(range(7)) * 3)
    assert seen[:7] != seen[7:14]


def test_a_fit_that_does_not_fit_says_so_first(monkeypatch, tmp_path: Path) -> None:
    views, arrays = ball_views(2, 8)
    huge = FitSettings(splats=10**12)
    with pytest.raises(MemoryShortError, match="fewer splats"):
        fit(views, arrays, huge, cache=tmp_path, engine="taichi", listener=Quiet())


# --- files


def test_views_and_fits_come_back(fitted_ball, tmp_path: Path) -> None:
    views, arrays = ball_views(2, 8)
    write_views(tmp_path / "a.views", views, arrays)
    assert read_views(tmp_path / "a.views")[0] == views
    fitted, made = fitted_ball[0]
    write_fitted(tmp_path / "a.fit", fitted, made)
    assert read_fitted(tmp_path / "a.fit")[0] == fitted
    with pytest.raises(ShotError, match="expected a whole fit file"):
        read_fitted(tmp_path / "a.views")


def damaged(what: str):
    """Views or their arrays with one thing wrong."""
    views, arrays = ball_views(3, 8)
    pictures = arrays.of(views.pictures).copy()
    poses = arrays.of(views.camera_to_body).copy()
    match what:
        case "NaN":
            pictures[1, 2, 2, 0] = np.nan
        case "negative":
            pictures[0, 0, 0, 1] = -1
        case "empty":
            pictures[:] = 0
        case "one":
            pictures = pictures[:1]
        case "size":
            pictures = pictures[:, :4]
        case "scaled":
            poses[0, :3, :3] *= 2
    from msgspec.structs import replace as changed

    return changed(views, pictures=arrays.add(pictures), camera_to_body=arrays.add(poses)), arrays


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("NaN", "finite"), ("negative", "from zero up"), ("empty", "a body in the pictures"),
        ("one", "2 to 1000 pictures"), ("size", "expected pictures"), ("scaled", "without scale"),
    ],
)  # fmt: skip
def test_bad_views_get_one_sentence(what: str, words: str, tmp_path: Path) -> None:
    views, arrays = damaged(what)
    write_views(tmp_path / "a.views", views, arrays)
    with pytest.raises(ShotError, match=words):
        read_views(tmp_path / "a.views")
