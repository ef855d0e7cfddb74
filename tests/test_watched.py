"""What a viewport is shown of a shot: as rendered, as simulated, at rest; cut out and as points."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from impetus.backend.cameras.track import project
from impetus.backend.contract import shot as s
from impetus.backend.contract import views as v
from impetus.backend.contract.arrays import Array, ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot_check import array_refs
from impetus.backend.service.kept.array_store import ArrayStore
from impetus.backend.service.kept.store import Store
from impetus.backend.service.views.painter import Painter
from impetus.backend.stages.air.gas import GasRun, gas_key
from impetus.backend.stages.air.room import fluid_domain
from impetus.backend.stages.air.splats import gas_splats
from impetus.backend.stages.bodies.prepare import prepare
from impetus.backend.stages.cache import FrameCache
from impetus.backend.stages.chain import Chain
from impetus.backend.stages.images.render import scene_of
from impetus.backend.stages.progress import StageClock
from impetus.backend.stages.simulate import simulate, simulate_key
from impetus.backend.stages.views.kept import KeptFrames
from impetus.backend.stages.views.picture import draw_picture, some_points, to_srgb
from impetus.backend.stages.views.watched import Lit, Watched
from impetus.kernels.splats.project import SplatPose, View

from . import shots
from .air_cases import Quiet, smoking
from .test_pipeline import Ear

LAST = 3
Made = tuple[s.Shot, ArraySet, Path]


def nothing() -> None: ...


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A shot simulated up to LAST, of four frames; more splats on more pixels than usual."""
    shot, arrays = shots.falling_cube(frames=(1, 4), size=(96, 54))
    cache = tmp_path_factory.mktemp("cache")
    prepared = prepare(shot, arrays)
    kept = FrameCache(cache / "simulate" / simulate_key(shot, arrays, prepared))
    for state in simulate(shot, arrays, prepared, kept, Ear()):
        if state.frame == LAST:
            break
    return shot, arrays, cache


def view_of(made: Made, frame: int) -> View:
    shot, arrays, _ = made
    return scene_of(shot, arrays, prepare(shot, arrays)).view(frame)


def lit(watched: Watched, frame: int, view: View, *, fine: bool = True, bodies: v.Bodies = "all"):
    eye = view.camera_to_world[:3, 3]
    return watched.lit(frame, eye, bodies=bodies, fine=fine, check=nothing)


def test_what_is_kept_is_what_was_simulated(made: Made) -> None:
    shot, arrays, cache = made
    prepared = prepare(shot, arrays)
    kept = KeptFrames(shot, arrays, prepared, cache)
    work = FrameCache(cache / "simulate" / simulate_key(shot, arrays, prepared))
    for state in simulate(shot, arrays, prepared, work, Ear()):
        found = kept.find(state.frame)
        assert found is not None
        for name in ("mean", "deformation", "surface_normal"):
            if state.frame > 1:
                assert np.array_equal(getattr(found, name), getattr(state, name)), name
            else:  # at the start nothing is read, and nothing has moved
                assert np.allclose(getattr(found, name), getattr(state, name), atol=2e-3), name
        if state.frame == LAST:
            break
    assert kept.find(LAST + 1) is None
    assert kept.nearest_before(LAST + 1) == LAST


def test_another_shot_s_frames_are_not_shown(made: Made) -> None:
    shot, arrays, cache = made
    heavier = shots.changed(shot, gravity=arrays.add(np.array([[0, 0, -20.0]])))
    kept = KeptFrames(heavier, arrays, prepare(heavier, arrays), cache)
    assert kept.find(1) is not None
    assert kept.find(2) is None, "its tracks differ"


def test_a_fine_picture_is_the_take_s(made: Made, tmp_path: Path) -> None:
    """Colour and depth of a look through the shot's camera against the frame that it delivers."""
    shot, arrays, cache = made
    dark = shots.changed(shot, world=msgspec.structs.replace(shot.world, transparent=True))
    stages = ("prepare", "simulate", "splat", "render")
    clock = StageClock(Ear(), dict.fromkeys(stages, 1.0), {})  # type: ignore[arg-type]

    def unknown(_frame: int) -> Array:  # motion is not looked at
        return np.full((54, 96), np.inf, np.float32)

    shutil.copytree(cache, tmp_path / "cache")
    (frame,) = Chain(dark, arrays, tmp_path / "cache", clock).rendered({2}, unknown)
    view = view_of((dark, arrays, cache), 2)
    shown = lit(Watched(dark, arrays, cache), 2, view)
    assert shown is not None
    assert shown.fine
    picture = draw_picture(shown, view, nothing)
    at = np.s_[
        picture.top : picture.top + picture.depth.shape[0],
        picture.left : picture.left + picture.depth.shape[1],
    ]
    expected = to_srgb(frame.beauty[at][..., :3]).astype(int)
    assert np.abs(picture.color[..., :3].astype(int) - expected).max() <= 1
    outside = np.ones(frame.depth.shape, bool)
    outside[at] = False
    assert (frame.beauty[outside][:, 3] <= 1 / 255).all()
    solid = np.isfinite(frame.depth[at]) & (frame.beauty[at][..., 3] > 0.99)
    off = np.abs(picture.depth[solid] - frame.depth[at][solid])
    assert np.quantile(off, 0.9) < 0.01, "its edges are a pixel softer, its faces where they are"


def test_a_rough_look_keeps_the_light_of_the_last_fine_one(made: Made) -> None:
    shot, arrays, cache = made
    watched, view = Watched(shot, arrays, cache), view_of(made, 2)
    first = lit(watched, 2, view, fine=False)
    fine = lit(watched, 2, view)
    again = lit(watched, 2, view, fine=False)
    assert first is not None and fine is not None and again is not None  # noqa: PT018
    assert not first.fine
    assert first.color.max() > 0.05, "rough is not dark"
    assert not np.allclose(first.color, fine.color, atol=1e-3), "shadows and nearness show"
    assert again.fine
    assert again.color is fine.color
    moved = View(view.camera_to_world @ shots.place((0.3, 0, 0)), *list(vars(view).values())[1:])
    aside = lit(watched, 2, moved, fine=False)
    assert aside is not None
    assert not aside.fine
    assert aside.color is fine.color
    assert lit(watched, LAST + 1, view) is None


def test_what_blender_shows_itself_may_be_left_out(made: Made) -> None:
    shot, arrays, cache = made
    watched, view = Watched(shot, arrays, cache), view_of(made, 2)
    every, some = lit(watched, 2, view), lit(watched, 2, view, bodies="splats_only")
    assert every is not None and some is not None  # noqa: PT018
    cube = prepare(shot, arrays).looks.body == 0
    assert len(some.pose.mean) == cube.sum() < len(every.pose.mean)
    assert np.array_equal(some.color, every.color[cube])
    sizes = [draw_picture(each, view, nothing).depth.size for each in (some, every)]
    assert sizes[0] < sizes[1]


def ball(place: tuple[float, float, float]) -> Lit:
    """One solid splat of 5 cm."""
    pose = SplatPose(np.array([place], np.float32), 0.05 * np.eye(3, dtype=np.float32)[None])
    return Lit(pose, np.array([[0.2, 0.5, 0.9]], np.float32), np.ones(1, np.float32), True)


@pytest.mark.parametrize("parallel", [False, True])
def test_a_picture_is_cut_to_where_splats_are(parallel: bool) -> None:
    eye = np.array((0.5, -3.0, 1.0))
    pose, k = shots.look_at(eye, (0, 0, 0)), np.array([300.0, 300, 210, 90])
    k[:2] /= 3 if parallel else 1
    view = View(pose, k, 400, 200, 0.1, 10.0, orthographic=parallel)
    picture = draw_picture(ball((0.1, 0.2, 0.3)), view, nothing)
    pixel, depth = project(np.array([[0.1, 0.2, 0.3]]), pose, k, orthographic=parallel)
    height, width = picture.depth.shape
    assert width < 60 and height < 60  # noqa: PT018
    center = np.array([picture.left + width / 2, picture.top + height / 2])
    assert np.allclose(center, pixel[0], atol=1)
    row, column = (int(pixel[0, i]) - at for i, at in ((1, picture.top), (0, picture.left)))
    assert picture.depth[row, column] == pytest.approx(depth[0], abs=0.01)
    assert np.isinf(picture.depth[0, 0]) == (picture.color[0, 0, 3] == 0)
    away = draw_picture(ball((0, -5, 1)), view, nothing)
    assert away.depth.shape == (0, 0)


def test_srgb_bytes_are_within_one_of_the_formula() -> None:
    light = np.concatenate([np.linspace(0, 1, 10_001), [-1, 2]]).astype(np.float32)
    held = np.clip(light, 0, 1)
    true = np.where(held <= 0.0031308, 12.92 * held, 1.055 * held ** (1 / 2.4) - 0.055) * 255
    assert np.abs(to_srgb(light) - true).max() < 1.0


def test_points_are_the_same_splats_in_every_frame(made: Made) -> None:
    shot, arrays, cache = made
    watched, view = Watched(shot, arrays, cache), view_of(made, 2)
    frames = [lit(watched, frame, view, fine=False) for frame in (1, 3)]
    assert all(frames)
    (before, color), (after, _) = (some_points(each, 500) for each in frames if each)
    assert before.shape == after.shape == (500, 3)
    assert color.dtype == np.uint8
    floor = before[:, 2] < 0.1
    assert 50 < floor.sum() < 450
    assert np.allclose(before[floor], after[floor])
    fallen = (before - after)[~floor, 2]
    assert np.allclose(fallen, 9.81 / 2 * (2 / 24) ** 2, rtol=0.1)
    everything, _ = some_points(frames[0], 10**6)  # type: ignore[arg-type]
    assert len(everything) == len(frames[0].pose.mean)  # type: ignore[union-attr]


def test_smoke_is_shown_as_far_as_it_is_simulated(tmp_path: Path) -> None:
    shot, arrays = smoking()
    domain = fluid_domain(shot, arrays)
    kept = FrameCache(tmp_path / "simulate" / gas_key(shot, domain))
    run = GasRun(shot, arrays, domain, kept, Quiet())
    expected = gas_splats(shot, run.at(2), None, None)
    watched = Watched(shot, arrays, tmp_path)
    pose, k = shots.look_at((0, -3, 1.2), (0, 0, 0.4)), np.array([80.0, 80, 32, 18])
    view = View(pose, k, 64, 36, 0.1, 9.0)
    for fine in (False, True):
        shown = lit(watched, 2, view, fine=fine, bodies="splats_only")
        assert shown is not None
        assert np.array_equal(shown.pose.mean, expected.mean), "the gas alone: nothing else moves"
        assert np.array_equal(shown.opacity, expected.opacity)
        assert shown.color.max() > 0.01
    every = lit(watched, 2, view)
    assert every is not None
    assert len(every.pose.mean) > len(expected.mean)
    assert lit(watched, 3, view) is None
    at_start = lit(watched, 1, view)
    assert at_start is not None


def test_the_painter_finds_takes_and_brought_shots(made: Made, tmp_path: Path) -> None:
    shot, arrays, _ = made
    home = tmp_path
    keeper = ArrayStore(home)
    encoded = ArraySet()
    ref = encoded.add(np.frombuffer(msgspec.msgpack.encode(shot), np.uint8))
    for needed in array_refs(shot):
        keeper.put(needed, 0, memoryview(np.ascontiguousarray(arrays.of(needed))).cast("B"))
    keeper.put(ref, 0, memoryview(encoded.of(ref)).cast("B"))
    store = Store(home / "impetus.sqlite")
    with store.change():
        store.add_job("j" * 26, "t" * 26, "owner", shot, "hash", set())
    store.close()
    pose = tuple(shots.look_at((0, -3, 1.2), (0, 0, 0.4)).ravel().tolist())
    look = v.Look(0, "t" * 26, 1, pose, (115.0, 115.0, 48.0, 27.0), 96, 54, 0.1, 100.0)
    painter, said = Painter(home, "auto"), []  # type: ignore[var-annotated]
    pictures = []
    for source in ("t" * 26, ref):
        asked = msgspec.structs.replace(look, source=source)
        answer, frames = painter.paint(asked, said.append, nothing)
        assert isinstance(answer, v.Seen)
        assert tuple(array.nbytes for array in frames) == v.frame_sizes(answer)
        pictures.append(frames)
    assert said == ["Starting", "Preparing Tiny", "Preparing Tiny"]
    assert all(np.array_equal(a, b) for a, b in zip(*pictures, strict=True))
    later = msgspec.structs.replace(look, frame=3)
    answer, _ = painter.paint(later, said.append, nothing)
    assert answer == v.Absent(1)
    rests, frames = painter.paint(msgspec.structs.replace(later, source=ref), said.append, nothing)
    assert isinstance(rests, v.Seen), "what was never to be simulated stands where it starts"
    assert np.array_equal(frames[1], pictures[1][1])
    lost = msgspec.structs.replace(look, source=msgspec.structs.replace(ref, sha256="0" * 64))
    with pytest.raises(ShotError, match="not there"):
        painter.paint(lost, said.append, nothing)
