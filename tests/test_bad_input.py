"""What cannot be made, on the real way there: one sentence each, and the next shot is made."""

import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import messages as m
from impetus.backend.contract import shot as s
from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.client import Client
from impetus.backend.contract.errors import ImpetusError, LinkError, RefusedError, ShotError
from impetus.backend.contract.keys import read_connection
from impetus.backend.contract.shot_check import check_shot
from impetus.backend.contract.shot_file import write_shot
from impetus.backend.service.foreground import render_shot
from impetus.backend.stages.bodies.prepare import prepare

from . import shots
from .served import wait_for

Case = tuple[s.Shot, ArraySet]
NAN_POSE = np.full((1, 4, 4), np.nan)


def thing(mesh: Any = None, **fields: object) -> Case:
    arrays = ArraySet()
    fields.setdefault("poses", shots.place((0, 0, 0.5)))
    return shots.shot(arrays, [shots.body(arrays, "Thing", mesh or shots.cube(), **fields)]), arrays


def simulated(case: Case, **settings: object) -> Case:
    return shots.changed(case[0], simulation=s.SimulationSettings(**settings)), case[1]  # type: ignore[arg-type]


def flat() -> Case:
    vertices, triangles = shots.cube()
    return thing((vertices * np.float32([1, 1, 0]), triangles))


def far() -> Case:
    return simulated(thing(poses=shots.place((1e6, 0, 0.5))), resolution=24)


def billion() -> Case:
    box = s.Box((-1, -1, 0), (1, 1, 2))
    return simulated(thing(shots.cube(0.5)), resolution=1900, particles_per_cell=10, domain=box)


def outside() -> Case:
    return thing(poses=shots.place((5, 0, 0.5)))


# --- where it is checked


@pytest.mark.parametrize("metres", [1e5, 1e6, 1e12])
def test_a_body_too_far_out_for_its_cells_is_named(metres: float) -> None:
    shot, arrays = simulated(thing(poses=shots.place((metres, 0, 0.5))), resolution=24)
    with pytest.raises(ShotError, match=r"Thing: expected within .* of the world's origin") as got:
        prepare(shot, arrays)
    assert "Move the scene to the origin" in got.value.remedy


def test_a_body_some_way_out_is_made() -> None:
    shot, arrays = simulated(thing(poses=shots.place((3000, 0, 0.5))), resolution=24)
    assert len(prepare(shot, arrays).matter.particles.volume) > 100


def clipped_backwards(case: Case) -> Case:
    camera = msgspec.structs.replace(case[0].camera, clip_start=5.0, clip_end=1.0)
    return shots.changed(case[0], camera=camera), case[1]


@pytest.mark.parametrize(
    ("case", "words"),
    [
        (thing(poses=NAN_POSE), "Thing: expected finite numbers, got nan at [0, 0, 0]."),
        (clipped_backwards(thing()), "Camera: expected its clip end beyond its clip start"),
    ],
    ids=["a NaN transform", "clip"],
)
def test_sentences_are_for_artists(case: Case, words: str) -> None:
    with pytest.raises(ShotError) as caught:
        check_shot(*case)
    assert caught.value.sentence.startswith(words)
    assert caught.value.remedy
    assert "np." not in str(caught.value)


def test_gravity_is_no_object_to_be_cleared() -> None:
    shot, arrays = thing()
    gravity = arrays.add(np.array([[0, 0, np.nan]]))
    with pytest.raises(ShotError, match=r"Scene gravity: .* got nan at \[0, 2\]") as caught:
        check_shot(shots.changed(shot, gravity=gravity), arrays)
    assert caught.value.remedy == "Enter a number there."


# --- through `impetus render`


def edited(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a shot file's shot.json."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    plain = json.loads(parts["shot.json"])
    change(plain)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (parts | {"shot.json": json.dumps(plain).encode()}).items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda shot: shot.pop("camera"), "missing required field `camera`"),
        (lambda shot: shot.update(colour=1), "unknown field `colour`"),
        (lambda shot: shot["bodies"][0].update(colour=1), "Thing: object contains unknown field"),
    ],
    ids=["no camera", "an unknown key", "an unknown key of a body"],
)
def test_a_shot_file_of_another_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: Any, words: str
) -> None:
    path = tmp_path / "x.shot"
    write_shot(path, *thing())
    edited(path, change)
    assert render_shot(path, tmp_path / "out", tmp_path / "c", device="cpu", resume=True) == 1
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("make", "code", "words"),
    [
        (flat, 1, "Thing, mesh: expected a closed mesh with a volume"),
        (far, 1, "Thing: expected within"),
        (lambda: thing(poses=NAN_POSE), 1, "Thing: expected finite numbers"),
        (lambda: thing(shots.cube(), velocity=(0, 0, 0), poses=shots.place((9, 0, 0))), 1,
         "Thing: expected inside the domain"),
        (billion, 12, "GiB of free memory"),
    ],
    ids=["no volume", "far away", "NaN", "outside", "a billion particles"],
)  # fmt: skip
def test_render_says_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[], Case], code: int,
    words: str,
) -> None:  # fmt: skip
    path = tmp_path / "x.shot"
    write_shot(path, *make())
    assert render_shot(path, tmp_path / "out", tmp_path / "c", device="cpu", resume=True) == code
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("impetus: ")]
    assert len(said) == 1
    assert words in said[0]


@pytest.mark.parametrize("spoiled", ["out", "cache"])
def test_a_folder_that_is_none_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoiled: str
) -> None:
    path = tmp_path / "x.shot"
    write_shot(path, *thing())
    (tmp_path / spoiled).write_text("in the way")
    out, cache = tmp_path / "out", tmp_path / "cache"
    assert render_shot(path, out, cache, device="cpu", resume=True) == 1
    said = capsys.readouterr().err
    assert f"Expected to be able to write {tmp_path / spoiled}, got: File exists." in said
    assert "Choose another folder" in said
    assert "Traceback" not in said


# --- through the server


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A client of the real backend, whose worker makes real shots."""
    home = tmp_path / "home"
    home.mkdir()
    command = [sys.executable, "-P", "-m", "impetus.backend", "serve", "--device", "cpu"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--home", str(home)], stderr=log)
    try:
        wait_for(lambda: (home / "connection.json").exists())
        with Client(read_connection(home)) as found:
            yield found
    finally:
        process.terminate()
        process.wait(20)


def end_of(client: Client, case: Case) -> m.Failed | m.Done | ImpetusError:
    """What becomes of a shot."""
    try:
        job = client.submit(*case).job
    except ImpetusError as error:
        return error
    client.attach(job)
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for event in client.events(0.2):
            if event.job == job and isinstance(event.body, m.Failed | m.Done):
                return event.body
    raise AssertionError("the shot did not end")


def test_the_backend_goes_on_serving(client: Client) -> None:
    bad = [
        flat(),
        far(),
        outside(),
        billion(),
        thing(poses=NAN_POSE),
        thing(velocity=(np.inf,) * 3),
    ]
    for case in bad:
        ended = end_of(client, case)
        assert isinstance(ended, m.Failed | ShotError)
        assert ended.code in ("BAD_SHOT", "OUT_OF_MEMORY")
        assert ended.sentence.endswith(".")
        assert ended.remedy
    assert isinstance(end_of(client, shots.falling_cube((1, 2))), m.Done)


def test_a_stranger_is_told_whom_to_ask(client: Client, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    strange = msgspec.structs.replace(
        read_connection(tmp_path / "home"), home=str(tmp_path / "other")
    )
    with pytest.raises(RefusedError) as caught, Client(strange) as other:
        other.jobs()
    assert "key" in caught.value.sentence
    assert caught.value.remedy
    assert isinstance(caught.value, LinkError)
    assert client.jobs() == ()
