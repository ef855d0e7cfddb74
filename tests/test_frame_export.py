"""A take's frame as splats: what the frame shows, from the cache or made again."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import materials
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.captures.files import read_capture
from impetus.backend.contract.captures.gaussians import Gaussians
from impetus.backend.contract.captures.harmonics import basis
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot_check import array_refs, shot_hash
from impetus.backend.contract.shot_file import write_shot
from impetus.backend.service.frame_export import export_frame
from impetus.backend.service.kept.array_store import ArrayStore
from impetus.backend.service.kept.store import Store
from impetus.backend.stages.bodies.prepare import prepare
from impetus.backend.stages.cache import FrameCache
from impetus.backend.stages.captures.export import Y_DOWN, quaternions_of
from impetus.backend.stages.captures.seen import seen_from
from impetus.backend.stages.images.reflectance import surface_of
from impetus.backend.stages.simulate import simulate, simulate_key
from impetus.backend.stages.splats import pose_splats
from impetus.backend.stages.takes.take import Take

from . import capture_cases as cases
from . import reference_captures as reference
from . import shots
from .test_render import Quiet


def spinning(count: int = 1500) -> tuple[s.Shot, ArraySet]:
    """A rigid captured ball that spins as it falls, of harmonics of degree 2, beside a floor."""
    arrays = ArraySet()
    splats = cases.splats_on(shots.sphere(0.25, 3), count)
    waves = np.random.default_rng(0).normal(0, 0.1, (count, 9, 3)).astype("f4")
    capture = msgspec.structs.replace(cases.captured(arrays, splats, waves), linear=False)
    ball = cases.body(
        arrays, "Ball", capture, poses=shots.place((0, 0, 1.2)), material=materials.Rigid(),
        angular_velocity=(3.0, 0, 8.0),
    )  # fmt: skip
    floor = shots.body(arrays, "Floor", shots.plane(), role="static", color=(0.5, 0.5, 0.5))
    shot = shots.shot(arrays, [ball, floor], render=s.RenderSettings(splats=1000))
    # as it comes over the wire: its numbers are floats where they are to be
    return msgspec.json.decode(msgspec.json.encode(shot), type=s.Shot), arrays


@pytest.fixture
def made(tmp_path: Path) -> tuple[s.Shot, ArraySet, Path]:
    """A take that has its record, and its .shot beside it."""
    shot, arrays = spinning()
    Take(tmp_path / "take", shot).record()
    write_shot(tmp_path / "a.shot", shot, arrays)
    return shot, arrays, tmp_path


def export(folder: Path, frame: int, name: str, **options: object) -> tuple[Gaussians, list[str]]:
    said: list[str] = []
    given = {"shot_file": folder / "a.shot"} | options
    count = export_frame(
        folder / "take", frame, folder / name, home=folder / "home", cache=folder / "cache",
        say=said.append, **given,
    )  # fmt: skip
    read = read_capture(folder / name)
    assert isinstance(read, Gaussians)
    assert len(read) == count
    return read, said


def test_a_frames_splats_stand_and_shine_as_in_the_frame(
    made: tuple[s.Shot, ArraySet, Path],
) -> None:
    shot, arrays, folder = made
    read, said = export(folder, 4, "a.ply")
    assert any("Frame 4 is not in the cache" in text for text in said)
    prepared = prepare(shot, arrays)
    cache = FrameCache(folder / "cache" / "simulate" / simulate_key(shot, arrays, prepared))
    state = list(simulate(shot, arrays, prepared, cache, Quiet()))[3]
    posed = pose_splats(shot, arrays, prepared, state)
    assert np.abs(read.mean @ Y_DOWN - posed.pose.mean).max() < 1e-5
    half = np.stack([reference.rotation(q) for q in read.quaternion[:300]])
    half = Y_DOWN.T @ half * np.exp(read.log_scale[:300, None])
    axes = posed.pose.axes[:300].astype(float)
    assert np.abs(half @ half.swapaxes(1, 2) - axes @ axes.swapaxes(1, 2)).max() < 1e-7
    # from any side the captured ball shows what the take would show from there
    surface = surface_of(shot, prepared.looks)
    for eye in ([0.0, -3, 1], [2.0, 1, 0.3]):
        shown = seen_from(surface, prepared.captured, posed, np.array(eye)).albedo[:1500]
        away = (posed.pose.mean[:1500] - eye) @ Y_DOWN.T
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        found = np.maximum(0.5 + np.einsum("nk,nkc->nc", basis(away)[:, :9],
                                           read.harmonics[:1500]), 0)  # fmt: skip
        found = np.where(found <= 0.04045, found / 12.92, ((found + 0.055) / 1.055) ** 2.4)
        assert np.abs(found - shown).max() < 1e-4
    floor = read.colors[1500:]
    assert (read.harmonics[1500:, 1:] == 0).all()
    assert 0.2 < floor.mean() < 1.0
    # again from the cache, and after the cache has let go of it: the same bytes
    _, said = export(folder, 4, "b.ply")
    assert not said
    shutil.rmtree(folder / "cache")
    export(folder, 4, "c.ply")
    assert len({(folder / name).read_bytes() for name in ("a.ply", "b.ply", "c.ply")}) == 1


def test_the_backends_home_knows_the_shot_of_its_takes(
    made: tuple[s.Shot, ArraySet, Path],
) -> None:
    shot, arrays, folder = made
    store = Store(_home(folder) / "impetus.sqlite")
    kept = ArrayStore(folder / "home")
    refs = {ref.sha256: ref for ref in array_refs(shot)}
    for sha256, ref in refs.items():
        assert kept.put(ref, 0, memoryview(arrays[sha256].tobytes()))
    with store.change():
        store.add_job("J1", "take", "me", shot, shot_hash(shot), set(refs))
    store.close()
    read, _ = export(folder, 1, "a.splat", shot_file=None)
    assert 2000 < len(read) <= 2500


def test_a_take_whose_shot_is_not_known_says_what_to_give(
    made: tuple[s.Shot, ArraySet, Path],
) -> None:
    shot, arrays, folder = made
    with pytest.raises(ShotError, match=r"its shot among the jobs .*--shot"):
        export(folder, 1, "a.ply", shot_file=None)
    write_shot(folder / "other.shot", shots.changed(shot, seed=5), arrays)
    with pytest.raises(ShotError, match=r"other\.shot: expected the shot that the take was made"):
        export(folder, 1, "a.ply", shot_file=folder / "other.shot")
    with pytest.raises(ShotError, match="expected a frame of 1 to 4, got 9"):
        export(folder, 9, "a.ply")
    assert not (folder / "a.ply").exists()


def test_quaternions_give_their_rotations_back() -> None:
    rng = np.random.default_rng(0)
    wanted = rng.normal(size=(200, 4))
    wanted[:4] = np.eye(4)
    turns = np.stack([reference.rotation(q) for q in wanted])
    again = np.stack([reference.rotation(q) for q in quaternions_of(turns)])
    assert np.abs(again - turns).max() < 1e-6


def _home(folder: Path) -> Path:
    (folder / "home").mkdir(exist_ok=True)
    return folder / "home"
