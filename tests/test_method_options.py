"""A method on the command line goes over the shot's own, and keeps what it does not speak of."""

import re
from pathlib import Path

import pytest

from impetus.backend.contract import image_motions as i
from impetus.backend.contract import methods as d
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot_file import write_shot
from impetus.backend.service.method_options import MethodOptions, ShotOptions

from . import shots
from .test_command import impetus

OWN = d.MotionCraft(prompt="honey", model="large", tau=300.0, motion=i.ShiftMotion((2.0, 0.0)))


def test_nothing_given_leaves_the_shot_s() -> None:
    assert MethodOptions().over(OWN) is not None
    assert MethodOptions().over(OWN) == OWN
    assert MethodOptions().over(d.NoMethod()) == d.NoMethod()


def test_a_preset_keeps_what_the_picture_is_of() -> None:
    chosen = MethodOptions(preset="fast").over(OWN)
    assert isinstance(chosen, d.MotionCraft)
    assert (chosen.steps, chosen.tau) == (40, 400.0)
    assert (chosen.prompt, chosen.model, chosen.motion) == ("honey", "large", OWN.motion)


def test_another_method_starts_from_its_defaults() -> None:
    chosen = MethodOptions("motion_guidance", "fast", prompt="jelly").over(OWN)
    assert isinstance(chosen, d.MotionGuidance)
    assert (chosen.prompt, chosen.model, chosen.steps) == ("jelly", "tiny", 50)
    assert MethodOptions("motioncraft").over(d.NoMethod()) == d.MotionCraft()


def test_words_alone_change_words_alone() -> None:
    chosen = MethodOptions(prompt="jelly", model="tiny").over(OWN)
    assert chosen == d.MotionCraft(prompt="jelly", tau=300.0, motion=OWN.motion)
    assert MethodOptions("none").over(OWN) == d.NoMethod()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (MethodOptions(prompt="x"), "expected a method for the prompt, got none"),
        (MethodOptions("dream"), "expected motioncraft or motion_guidance, got 'dream'"),
        (MethodOptions("motioncraft", "slow"), "expected one of .*motioncraft_paper, got 'slow'"),
        (MethodOptions(preset="fast"), "got 'fast'"),
        (
            MethodOptions("motioncraft", model="../x"),
            "Method, model: expected a text .*, got '../x'",
        ),
        (
            MethodOptions("motioncraft", prompt="x" * 2001),
            "Method, prompt: expected at most 2000 characters, got 2001",
        ),
    ],
)
def test_what_is_not_there_is_told(options: MethodOptions, words: str) -> None:
    with pytest.raises(ShotError) as caught:
        options.over(d.NoMethod())
    assert re.search(words, str(caught.value)), str(caught.value)


def test_what_leaves_is_chosen_beside_the_shot() -> None:
    shot, _ = shots.falling_cube()
    assert ShotOptions().over(shot) == shot
    grows = ShotOptions(leaving="grow").over(shot).simulation
    assert (grows.leaving, grows.domain) == ("grow", shot.simulation.domain)
    with pytest.raises(ShotError, match="expected clip, grow or stop, got 'fly'"):
        ShotOptions(leaving="fly").over(shot)


def test_the_command_takes_a_method_and_tells_what_is_wrong_with_it(tmp_path: Path) -> None:
    path = tmp_path / "cube.shot"
    write_shot(path, *shots.falling_cube((1, 2), size=(96, 64)))
    method = ("--method", "motioncraft", "--method-preset", "fast", "--model", "nowhere")
    done = impetus("render", path, "--out", tmp_path / "t", "--cache", tmp_path / "c", *method)
    assert done.returncode == 1
    assert "Expected the name of a model, got 'nowhere'" in done.stderr
    assert not list((tmp_path / "c").iterdir()), "told before any work"
