"""What is said of values that structs do not take: owner, range, value and advice."""

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import forces as f
from impetus.backend.contract import materials as m
from impetus.backend.contract import methods as d
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.ranges import check_ranges, decoded
from impetus.backend.contract.shot_check import check_shot

from . import shots
from .air_cases import smoking


def jelly(**fields: object) -> tuple[s.Shot, ArraySet]:
    shot, arrays = shots.three_materials()
    first = shots.changed(shot.bodies[0], **fields)  # type: ignore[arg-type]
    return shots.changed(shot, bodies=(first, *shot.bodies[1:])), arrays


def settings(**fields: object) -> tuple[s.Shot, ArraySet]:
    shot, arrays = shots.falling_cube()
    return shots.changed(shot, **fields), arrays


def windy(**fields: object) -> tuple[s.Shot, ArraySet]:
    shot, arrays = shots.falling_cube()
    pose, strength = shot.bodies[0].poses, arrays.add(np.ones(1))
    return shots.changed(shot, forces=(f.Wind("Gale", pose, strength, **fields),)), arrays  # type: ignore[arg-type]


def hot(kelvin: float) -> tuple[s.Shot, ArraySet]:
    return smoking(source={"temperature": kelvin})


CASES: dict[str, tuple[tuple[s.Shot, ArraySet], str]] = {
    "in a part of a body": (
        jelly(material=m.Elastic(poisson_ratio=0.5)),
        "Jelly, poisson ratio: expected a number of at least 0 and below 0.5, got 0.5. Lower it. "
        "What keeps its volume nearly has a Poisson ratio of 0.45 to 0.49.",
    ),
    "deep in a list": (
        jelly(looks=s.Looks(surfaces=(s.Surface(), s.Surface(roughness=1.5)))),
        "Jelly, roughness: expected a number of at least 0 and at most 1, got 1.5. Lower it.",
    ),
    "in a tuple": (
        jelly(looks=s.Looks(surfaces=(s.Surface(base_color=(0.1, -0.2, 0.3)),))),
        "Jelly, base color: expected a number of at least 0 and at most 1000000, got -0.2. Raise "
        "it.",
    ),
    "of the shot": (
        settings(render=s.RenderSettings(splats=5)),
        "Tiny, splats: expected a whole number of at least 100 and at most 20000000, got 5. Raise "
        "it.",
    ),
    "of a method": (
        settings(method=d.MotionCraft(tau=0.0)),
        "Tiny, tau: expected a number above 0 and at most 1000, got 0. Raise it.",
    ),
    "of a force": (
        windy(falloff=f.Falloff(power=-1.0)),
        "Gale, power: expected a number of at least 0 and at most 1e+15, got -1. Raise it.",
    ),
    "a number or a track": (
        hot(-300.0),
        "Torch, temperature: expected a number of at least -250 and at most 10000, got -300. Raise "
        "it.",
    ),
    "of another kind": (
        jelly(thickness="thin"),
        "Jelly, thickness: expected a number, got 'thin'. Correct it, or export it again.",
    ),
    "too many": (
        settings(gas=s.Gas(closed=("-x",) * 7)),
        "Tiny, closed: expected at most 6 entries, got 7. Leave some out.",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_owner_range_value_and_advice_are_told(name: str) -> None:
    (shot, arrays), words = CASES[name]
    with pytest.raises(ShotError) as caught:
        check_shot(shot, arrays)
    assert str(caught.value) == words
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("name", CASES)
def test_the_same_is_told_of_what_comes_as_bytes(name: str) -> None:
    (shot, _), words = CASES[name]
    for codec in (msgspec.json, msgspec.msgpack):
        with pytest.raises(ShotError) as caught:
            decoded(codec.encode(shot), s.Shot, codec.decode, where="a.shot")
        assert str(caught.value) == f"a.shot, {words}"


def test_numbers_of_numpy_count_and_whole_shots_pass() -> None:
    for shot, _ in (shots.three_materials(), smoking()):
        check_ranges(shot)
    check_ranges(jelly(thickness=np.float64(0.1))[0])
    with pytest.raises(ShotError, match=r"Jelly, thickness: .* got -1"):
        check_ranges(jelly(thickness=np.float32(-1))[0])


def test_a_part_of_no_known_kind_is_told_with_those_there_are() -> None:
    plain = msgspec.to_builtins(jelly()[0])
    plain["bodies"][0]["material"]["type"] = "cheese"
    with pytest.raises(
        ShotError, match=r"Jelly, material type: expected elastic, .*, got 'cheese'"
    ):
        decoded(msgspec.json.encode(plain), s.Shot)


def test_what_is_no_value_of_shots_is_refused() -> None:
    with pytest.raises(ShotError, match=r"expected numbers, .*, got array\(\["):
        check_ranges(jelly(velocity=np.zeros(3))[0])


def test_what_is_no_encoding_at_all_is_left_to_others() -> None:
    with pytest.raises(msgspec.DecodeError):
        decoded(b"{", s.Shot)
