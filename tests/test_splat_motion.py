"""The motion field and its validity on traced scenes."""

from functools import cache

import pytest

from impetus.backend.evaluation.motion.scenes import scenes
from impetus.backend.evaluation.motion.suite import MotionFigures, measure

NAMES = [scene.name for scene in scenes()]
DIRECTIONS = [1, -1]


@cache
def figures(name: str, direction: int) -> MotionFigures:
    scene = next(scene for scene in scenes(320, 180) if scene.name == name)
    return measure(scene, direction).figures


@pytest.mark.parametrize("direction", DIRECTIONS, ids=["forward", "backward"])
@pytest.mark.parametrize("name", NAMES)
class TestScenes:
    def test_motion_is_the_surfaces_own(self, name: str, direction: int) -> None:
        assert figures(name, direction).mean_error < 0.02

    def test_motion_is_wrong_nowhere_inside(self, name: str, direction: int) -> None:
        """The worst hundredth of what bodies fill; outlines, where two bodies mix, included."""
        assert figures(name, direction).worst_percentile < 0.25

    def test_depth_is_the_surfaces_own(self, name: str, direction: int) -> None:
        assert figures(name, direction).depth_error < 1e-3

    def test_the_other_frame_matches_along_the_motion(self, name: str, direction: int) -> None:
        assert figures(name, direction).match > 33

    def test_what_is_visible_is_valid(self, name: str, direction: int) -> None:
        assert figures(name, direction).recall >= 0.95

    def test_what_is_hidden_is_not(self, name: str, direction: int) -> None:
        assert figures(name, direction).false_alarm < 0.08
