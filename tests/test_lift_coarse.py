"""Splats that something else made of a picture: put where its form is, or refused; refined."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from impetus.backend.contract.captures.files import write_capture
from impetus.backend.contract.captures.gaussians import Gaussians, Points
from impetus.backend.contract.captures.ply_splats import write_point_ply
from impetus.backend.contract.errors import CaptureError, LiftError
from impetus.backend.evaluation.lift.floaters import in_camera
from impetus.backend.stages.lifts.lift import Lifted, LiftOptions, lift, match_of
from impetus.backend.stages.lifts.lift_files import LiftRecord, gaussians_of
from impetus.backend.stages.lifts.refinement.guide import TURNS, guide_by_body
from impetus.backend.stages.lifts.refinement.lifts import refine_lift, settings_of
from impetus.backend.stages.lifts.refinement.refine import LARGEST_STEP
from impetus.kernels.splats.project import View

from .lift_cases import disc, painted, save

LENGTH = 0.4
OPTIONS = LiftOptions(length=LENGTH, splats=900)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("coarse") / "ball.png"
    return save(path, painted(disc(64, 18)), disc(64, 18))


@pytest.fixture(scope="module")
def ball(picture: Path) -> Lifted:
    return lift(picture, OPTIONS)


@pytest.fixture
def written(ball: Lifted) -> Gaussians:
    """The ball's own splats, as something else would write them of its picture."""
    return gaussians_of(in_camera(ball.splats, ball.seen))


def coarse(path: Path, splats: Gaussians) -> LiftOptions:
    write_capture(path / "coarse.ply", splats)
    return replace(OPTIONS, coarse=path / "coarse.ply")


@pytest.mark.parametrize("unit", [1.0, 400.0])
def test_they_come_to_lie_where_the_form_is(
    picture: Path, ball: Lifted, written: Gaussians, tmp_path: Path, unit: float
) -> None:
    """Whatever their unit is: from the camera's place all sizes look alike."""
    other = replace(
        written,
        mean=np.float32(unit) * written.mean,
        log_scale=written.log_scale + np.float32(np.log(unit)),
        quaternion=3 * written.quaternion,
    )
    made = lift(picture, coarse(tmp_path, other))
    away = np.linalg.norm(made.splats.mean - ball.splats.mean, axis=1)
    assert away.max() < 0.06 * LENGTH
    assert np.allclose(made.splats.axes, ball.splats.axes, rtol=0.06, atol=1e-4 * LENGTH)
    assert np.allclose(made.splats.color, np.clip(ball.splats.color, 0, 1), atol=5e-3)
    assert made.match == pytest.approx(ball.match, abs=1.0)
    assert made.shape is None
    assert made.notes == ball.notes


def test_what_is_not_of_the_object_is_left_out_and_told(
    picture: Path, written: Gaussians, tmp_path: Path
) -> None:
    mean, log_scale = written.mean.copy(), written.log_scale.copy()
    mean[:2] = [[0, 0, 1e30], [0, 0, -50]]
    log_scale[2, 0] = 80.0
    waves = np.concatenate([written.harmonics, np.ones((len(mean), 3, 3), np.float32)], axis=1)
    other = replace(written, mean=mean, log_scale=log_scale, harmonics=waves)
    made = lift(picture, coarse(tmp_path, other))
    assert len(made.splats) == len(written) - 2
    assert made.splats.scale.max() <= 0.5001 * LENGTH
    told = " ".join(made.notes)
    assert "2 coarse splats are far from the object" in told
    assert "1 coarse splats are larger" in told
    assert "mean colours are kept" in told


BAD: dict[str, tuple[Callable[[Gaussians], Gaussians], str]] = {
    "behind the camera": (lambda g: replace(g, mean=-np.abs(g.mean)), "before the camera"),
    "beside the object": (lambda g: replace(g, mean=g.mean + np.float32([0.3, 0, 0])), "overlap"),
    "as a capture stands": (lambda g: replace(g, mean=g.mean[:, [0, 2, 1]]), "overlap"),
    "not numbers": (lambda g: replace(g, mean=np.full_like(g.mean, np.nan)), "NaN"),
}


@pytest.mark.parametrize("case", BAD)
def test_splats_that_cannot_be_meant(
    picture: Path, written: Gaussians, tmp_path: Path, case: str
) -> None:
    change, words = BAD[case]
    with pytest.raises((LiftError, CaptureError), match=rf"coarse.ply: expected .*{words}"):
        lift(picture, coarse(tmp_path, change(written)))


def test_files_that_hold_no_splats(picture: Path, written: Gaussians, tmp_path: Path) -> None:
    options = coarse(tmp_path, written)
    path = options.coarse
    assert path is not None
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CaptureError, match=r"coarse.ply: expected"):
        lift(picture, options)
    with path.open("wb") as stream:
        write_point_ply(stream, Points(written.mean, np.full_like(written.mean, 0.5)))
    with pytest.raises(LiftError, match="coloured points"):
        lift(picture, options)
    with pytest.raises(CaptureError, match=r"none.ply"):
        lift(picture, replace(options, coarse=tmp_path / "none.ply"))
    with pytest.raises(LiftError, match="got both"):
        lift(picture, replace(options, lgm=tmp_path))


def test_clear_splats_do_not_match(ball: Lifted) -> None:
    """Though the picture itself would shine through them."""
    clear = replace(ball.splats, opacity=np.full_like(ball.splats.opacity, 1e-2))
    assert match_of(clear, ball.seen, ball.picture, ball.mask) < 15


def test_views_hold_what_floats_around_the_object(ball: Lifted) -> None:
    mean = ball.splats.mean.copy()
    mean[0] = aside = [0.7 * LENGTH, 0, 0]
    mean[1] = [0, 0, 30 * LENGTH]
    floating = replace(ball.splats, mean=mean)
    told = (ball.picture, ball.mask, ball.seen)
    wide, narrow = (guide_by_body(*told, splats, ball.splats) for splats in (floating, ball.splats))
    for k, view in enumerate(wide.views):
        assert holds(view.camera.view(), aside)
        if TURNS[k] % 90 == 0:  # hidden from the sides
            assert holds(narrow.views[k].camera.view(), aside) == (TURNS[k] % 180 == 90)
        assert view.camera.width < 1.3 * narrow.views[k].camera.width
    assert wide.camera.width > narrow.camera.width
    assert wide.picture.shape == (wide.camera.height, wide.camera.width, 3)


def holds(view: View, point: list[float]) -> bool:
    """Return whether a view shows a point (3,)."""
    local = (np.array(point) - view.camera_to_world[:3, 3]) @ view.camera_to_world[:3, :3]
    x, y = local[:2] / local[2] * view.intrinsics[:2] + view.intrinsics[2:]
    return bool(0 < x < view.width and 0 < y < view.height)


def test_only_coarse_splats_learn_from_depth(ball: Lifted) -> None:
    options = replace(OPTIONS, epochs=60)
    own, other = settings_of(ball, options), settings_of(replace(ball, shape=None), options)
    assert own.hard is None
    assert (own.epochs, own.color, own.mean) == (60, 1e-3, 1e-4)
    assert other.hard is not None
    assert (other.epochs, other.color, other.mean) == (60, LARGEST_STEP, pytest.approx(5e-3))


def test_a_lift_that_refinement_takes_from_its_picture_is_kept(ball: Lifted) -> None:
    better = replace(ball, match=99.0)
    made = refine_lift(better, replace(OPTIONS, epochs=1))
    assert made.splats is better.splats
    assert (made.match, made.epochs) == (99.0, 0)
    assert "from before are kept" in made.notes[-1]


def test_the_command_reads_and_refines_them(
    picture: Path, written: Gaussians, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from impetus.backend.__main__ import app

    options = coarse(tmp_path, written)
    words = ["lift", str(picture), "--out", str(tmp_path / "body"), "--coarse",
             str(options.coarse), "--length", "0.4", "--refine", "--epochs", "2",
             "--cache", str(tmp_path / "cache")]  # fmt: skip
    app(words, standalone_mode=False)
    assert "refine 100 %" in capsys.readouterr().out
    record = msgspec.json.decode((tmp_path / "body" / "lift.json").read_bytes(), type=LiftRecord)
    assert (record.epochs, record.splats, record.triangles) == (2, len(written), 0)
    assert not (tmp_path / "body" / "form.npz").exists()
