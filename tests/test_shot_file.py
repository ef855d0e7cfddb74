import zipfile
from pathlib import Path

import numpy as np
import pytest

from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.contract.shot_file import read_shot, write_shot

from . import shots


def test_a_shot_file_comes_back(tmp_path: Path) -> None:
    shot, arrays = shots.three_materials()
    write_shot(tmp_path / "a.shot", shot, arrays)
    again, read = read_shot(tmp_path / "a.shot")
    check_shot(again, read)
    assert again == shot
    assert all((read[sha] == arrays[sha]).all() for sha in read)
    assert not list(tmp_path.glob("*.tmp"))


def test_the_same_shot_makes_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_shot(tmp_path / name, *shots.falling_cube())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_anyone_can_read_it(tmp_path: Path) -> None:
    shot, arrays = shots.falling_cube()
    write_shot(tmp_path / "a.shot", shot, arrays)
    with zipfile.ZipFile(tmp_path / "a.shot") as archive:
        sha256 = shot.bodies[0].mesh.vertices.sha256
        with archive.open(f"arrays/{sha256}.npy") as stream:
            assert (np.load(stream) == arrays[sha256]).all()


@pytest.mark.parametrize("damage", ["cut", "noise", "not zip", "absent", "no json"])
def test_damage_gets_one_sentence(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.shot"
    write_shot(path, *shots.falling_cube())
    data = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "noise":
        data[data.index(b"NUMPY") + 200] ^= 255  # in the numbers of the first array
        path.write_bytes(data)
    elif damage == "not zip":
        path.write_text("hello")
    elif damage == "absent":
        path.unlink()
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("other.txt", "hello")
    with pytest.raises(ShotError, match=r"a\.shot"):
        read_shot(path)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('"resolution": 24', '"resolution": 4',
         r"a\.shot, Tiny, resolution: expected a whole number of at least 8 and at most 2048, "
         r"got 4\. Raise it\."),
        ('"friction": 0.3', '"friction": -0.3',
         r"Floor, friction: expected a number of at least 0 and at most 100, got -0\.3\. Raise"),
        ('"role": "static"', '"role": "asleep"',
         r"Floor, role: expected dynamic, kinematic or static, got 'asleep'\. Choose one of"),
        ('"name": "Floor"', '"name": ""',
         r"Tiny, bodies 2, name: expected at least 1 character, got 0\. Add some\."),
        ('"seed": 0', '"seed": 0.5', r"Tiny, seed: expected a whole number, got 0\.5\."),
        ('"seed": 0', '"sead": 0', r"a\.shot, Tiny: object contains unknown field `sead`\."),
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_named_with_its_value(
    before: str, after: str, words: str, tmp_path: Path
) -> None:
    write_shot(tmp_path / "whole.shot", *shots.falling_cube())
    with (
        zipfile.ZipFile(tmp_path / "whole.shot") as whole,
        zipfile.ZipFile(tmp_path / "a.shot", "w") as changed,
    ):
        for name in whole.namelist():
            data = whole.read(name)
            if name == "shot.json":
                assert before.encode() in data
                data = data.replace(before.encode(), after.encode())
            changed.writestr(name, data)
    with pytest.raises(ShotError, match=words):
        read_shot(tmp_path / "a.shot")
