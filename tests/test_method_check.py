"""Every rule about methods, each broken once: one sentence that names the place, at once."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from impetus.backend.contract import edits as e
from impetus.backend.contract import image_motions as i
from impetus.backend.contract import methods as d
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import Array, ArrayRef, ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.method_presets import method_presets, preset_method
from impetus.backend.contract.shot_check import check_shot

from . import shots

SIZE = (96, 64)
FULL, NONE = np.ones((64, 96), np.uint8), np.zeros((64, 96), np.uint8)
FLOW = np.zeros((3, 64, 96, 2), np.float32)
VIDEO = np.zeros((4, 128, 192, 3), np.uint8)
HOLED = np.where(np.arange(FLOW.size).reshape(FLOW.shape) == 7, np.nan, FLOW).astype("f4")

Make = Callable[[Callable[[Array], ArrayRef]], d.Method]


def check(make: Make, **fields: object) -> None:
    shot, arrays = shots.falling_cube(size=SIZE, **fields)
    more = ArraySet(dict(arrays))
    check_shot(shots.changed(shot, method=make(more.add)), more)


GOOD: dict[str, Make] = {
    "craft": lambda add: d.MotionCraft(),
    "guidance": lambda add: d.MotionGuidance(),
    "renders that are followed": lambda add: d.MotionCraft(follow=1.0),
    "masks": lambda add: d.MotionCraft(novelty=d.Novelty(mask=add(FULL))),
    "a picture of any size": lambda add: d.MotionCraft(
        start=d.PictureStart(add(np.zeros((31, 500, 4), np.uint8)))
    ),
    "a larger flow of the film's shape": lambda add: d.MotionCraft(
        motion=i.FileMotion(add(np.zeros((3, 128, 192, 2), np.float32)))
    ),
    "a longer video": lambda add: d.MotionCraft(motion=i.VideoMotion(add(VIDEO.repeat(2, 0)))),
    "an edit": lambda add: d.MotionGuidance(
        motion=e.AuthoredMotion((e.Translate(mask=add(FULL), offset=(3, 0)),))
    ),
    "a flock": lambda add: d.MotionCraft(motion=i.FlockMotion(add(FULL.astype(np.int32)))),
}

BAD: dict[str, tuple[Make, str]] = {
    "no step": (
        lambda add: d.MotionCraft(steps=5, tau=40.0),
        r"Method, steps: expected at least one step up to tau, got 5 steps and tau 40 .* 25 steps",
    ),
    "no step of an edit": (
        lambda add: d.MotionGuidance(steps=4, hard_warp_start=0.05), "got 4 steps and its start 50",
    ),
    "a start before the shot": (
        lambda add: d.MotionCraft(start=d.RenderStart(0)),
        "Method, start frame: expected a frame of 1 to 4, got 0",
    ),
    "a picture of floats": (
        lambda add: d.MotionCraft(start=d.PictureStart(add(np.zeros((9, 9, 3), np.float32)))),
        r"start picture: expected u1 \(H, W, 3 or 4\), got f4 \(9, 9, 3\)",
    ),
    "an empty picture": (
        lambda add: d.MotionCraft(start=d.PictureStart(add(np.zeros((0, 9, 3), np.uint8)))),
        "start picture: expected u1",
    ),
    "floor over ceiling": (
        lambda add: d.MotionCraft(novelty=d.Novelty(floor=0.8, ceiling=0.2)), "floor up to the",
    ),
    "a picture that follows renders": (
        lambda add: d.MotionCraft(
            start=d.PictureStart(add(np.zeros((64, 96, 3), np.uint8))), follow=0.5
        ),
        "follow render: expected frames that start from a render and move as the shot does",
    ),
    "a slide that follows renders": (
        lambda add: d.MotionCraft(motion=i.ShiftMotion(), follow=0.5), "move as the shot does",
    ),
    "moved noise that follows renders": (
        lambda add: d.MotionCraft(reinvert=False, follow=0.5), "inverted again",
    ),
    "a mask of another size": (
        lambda add: d.MotionCraft(novelty=d.Novelty(mask=add(FULL[:9]))),
        r"novelty mask: expected u1 \(64, 96\) as the film, got u1 \(9, 96\)",
    ),
    "a mask of floats": (
        lambda add: d.MotionCraft(novelty=d.Novelty(mask=add(FULL.astype("f4")))), "got f4",
    ),
    "an empty mask": (
        lambda add: d.MotionCraft(motion=i.SmokeMotion(source=add(NONE))),
        "smoke's source: expected some marked pixels",
    ),
    "an obstacle everywhere": (
        lambda add: d.MotionCraft(motion=i.LiquidMotion(obstacle=add(FULL))), "some free pixels",
    ),
    "no axis": (lambda add: d.MotionCraft(motion=i.SphereMotion(axis=(0, 0, 0))), "a direction"),
    "agents below zero": (
        lambda add: d.MotionCraft(motion=i.FlockMotion(add(-FULL.astype(np.int32)))), "from 0",
    ),
    "too few fields": (
        lambda add: d.MotionCraft(motion=i.FileMotion(add(FLOW[:2]))),
        "motion file: expected 3 fields, one from frame to frame, got 2",
    ),
    "a flow of another shape": (
        lambda add: d.MotionCraft(motion=i.FileMotion(add(FLOW[:, :, :64]))),
        "as the film, 96 x 64, got 64 x 64",
    ),
    "a flow with channels first": (
        lambda add: d.MotionCraft(motion=i.FileMotion(add(np.zeros((3, 2, 64, 96), "f4")))),
        r"expected f4 \(steps, H, W, 2\), got f4 \(3, 2, 64, 96\)",
    ),
    "a flow with NaN": (
        lambda add: d.MotionCraft(motion=i.FileMotion(add(HOLED))), "finite numbers, got nan",
    ),
    "too many active masks": (
        lambda add: d.MotionCraft(
            motion=i.FileMotion(add(FLOW), active=add(VIDEO[:2, :64, :96, 0]))
        ),
        "expected 1 or 3 masks, got 2",
    ),
    "a short video": (
        lambda add: d.MotionCraft(motion=i.VideoMotion(add(VIDEO[:3]))), "4 pictures, got 3",
    ),
    "a video of bytes in another order": (
        lambda add: d.MotionCraft(motion=i.VideoMotion(add(VIDEO[..., :1]))), "frames, H, W, 3",
    ),
    "all frozen": (
        lambda add: d.MotionGuidance(editable=add(NONE)), "a mask that freezes them all",
    ),
    "no weights": (
        lambda add: d.MotionGuidance(terms=d.GuidanceTerms(flow_weight=0, color_weight=0)),
        "a weight above zero",
    ),
    "no schedule": (lambda add: d.MotionGuidance(schedule=()), "schedule: expected a factor"),
    "a video from its middle": (
        lambda add: d.MotionGuidance(
            start=d.RenderStart(2), motion=i.VideoMotion(add(VIDEO))
        ),
        "the shot's first frame, 1,",
    ),
    "an edit of nothing": (
        lambda add: d.MotionGuidance(motion=e.AuthoredMotion((e.Scale(mask=add(NONE)),))),
        "Method, edit 1: expected some marked pixels",
    ),
    "three corners": (
        lambda add: d.MotionGuidance(
            motion=e.AuthoredMotion((e.Translate(), e.Homography(corners=((0, 0),) * 3)))
        ),
        "Method, edit 2: expected 4 corners, got 3",
    ),
    "rows upside down": (
        lambda add: d.MotionGuidance(
            motion=e.AuthoredMotion((e.StretchRows(factors=((1.0, 1.0), (0.0, 2.0))),))
        ),
        "heights that rise",
    ),
    "an amount for some frames": (
        lambda add: d.MotionGuidance(
            motion=e.AuthoredMotion((e.Translate(),), amount=add(np.zeros(3)))
        ),
        "for 1 or 4 frames",
    ),
    "not a number": (lambda add: d.MotionCraft(guidance=float("nan")), "finite number, got nan"),
}  # fmt: skip


@pytest.mark.parametrize("case", GOOD)
def test_what_can_be_made_passes(case: str) -> None:
    check(GOOD[case])


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_made_is_told(case: str) -> None:
    make, words = BAD[case]
    with pytest.raises(ShotError) as caught:
        check(make)
    assert re.search(words, str(caught.value)), str(caught.value)


def test_a_film_too_small_for_latents_is_told() -> None:
    shot, arrays = shots.falling_cube(size=(640, 63))
    with pytest.raises(ShotError, match="at least 64 x 64 pixels to diffuse, got 640 x 63"):
        check_shot(shots.changed(shot, method=d.MotionCraft()), arrays)
    check_shot(shots.changed(shot, method=s.NoMethod()), arrays)


def test_presets_are_what_their_names_say() -> None:
    presets = method_presets()
    assert list(presets) == [
        "motion_guidance_fast", "motion_guidance_paper", "motioncraft_fast", "motioncraft_paper",
    ]  # fmt: skip
    assert presets["motioncraft_paper"].method == d.MotionCraft()
    assert presets["motion_guidance_paper"].method == d.MotionGuidance()
    assert preset_method("motioncraft", "fast").steps == 40
    assert preset_method(None, "motioncraft_fast") == preset_method("motioncraft", "fast")
    with pytest.raises(ShotError, match="expected one of motion_guidance_fast"):
        preset_method("motioncraft", "motion_guidance_fast")
