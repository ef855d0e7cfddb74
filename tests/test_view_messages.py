"""What viewports ask and see, as bytes; and the queue in which the latest wins."""

import math
import random
from typing import Any, get_args

import msgspec
import numpy as np
import pytest

from impetus.backend.contract import messages as m
from impetus.backend.contract import views as v
from impetus.backend.contract.arrays import ArrayRef
from impetus.backend.service.views.waiting import LIMIT, Asked, Waiting, read_ask

from . import shots

ID = "01J0ABCDEFGHJKMNPQRSTVWXYZ"
REF = ArrayRef("0" * 64, "u1", (12,))
POSE: tuple[float, ...] = tuple(shots.look_at((1, -3, 2), (0, 0, 0)).ravel().tolist())
LOOK = v.Look(3, ID, -7, POSE, (50.0, 50.0, 32.0, 18.0), 64, 36, 0.1, 100.0, fine=True)
REQUESTS = (LOOK, v.Spread(2, REF, 5, 100, "splats_only"))
ANSWERS = (
    v.Seen(1, 2, 3, 4, True, 5, 0.5),
    v.Points(7),
    v.Absent(3),
    v.Working("Preparing"),
    m.Refused("BAD_SHOT", "sentence", "remedy"),
)


def ask(request: Any, number: int = 1, protocol: tuple[int, int] = m.PROTOCOL) -> bytes:
    return msgspec.msgpack.encode(v.Ask(number, protocol, request))


def changed(**fields: Any) -> bytes:
    plain = msgspec.msgpack.decode(ask(LOOK))
    plain["request"].update(fields)
    return msgspec.msgpack.encode(plain)


def test_every_message_is_tried() -> None:
    assert {type(request) for request in REQUESTS} == set(get_args(v.AnyView))
    assert {type(answer) for answer in ANSWERS} == set(get_args(v.AnySight))


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda value: type(value).__name__)
def test_an_ask_comes_back(request_: Any) -> None:
    assert read_ask(b"peer", ask(request_, 4)) == Asked(b"peer", 4, request_)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda value: type(value).__name__)
def test_an_answer_comes_back(answer: Any) -> None:
    shown = v.Shown(2, answer)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(shown), type=v.Shown) == shown


BAD: list[dict[str, Any]] = [
    {"width": 0},
    {"width": 8192, "height": 8192},
    {"near": 0.0},
    {"near": math.nan},
    {"near": 5.0, "far": 5.0},
    {"intrinsics": (0.0, 50.0, 32.0, 18.0)},
    {"intrinsics": (50.0, math.nan, 32.0, 18.0)},
    {"camera_to_world": (math.inf, *POSE[1:])},
    {"camera_to_world": POSE[:15]},
    {"camera_to_world": tuple(np.diag([2.0, 2, 2, 1]).ravel().tolist())},
    {"camera_to_world": tuple(np.diag([1.0, 1, -1, 1]).ravel().tolist())},
    {"camera_to_world": (*POSE[:12], 0.0, 0.0, 1.0, 1.0)},
    {"pane": 16},
    {"frame": 1 << 40},
    {"source": "../../etc/passwd"},
    {"source": {"sha256": "0", "dtype": "u1", "shape": [1]}},
    {"bodies": "some"},
    {"path": "/etc/passwd"},
]


@pytest.mark.parametrize("fields", BAD, ids=str)
def test_what_cannot_be_looked_from_is_refused(fields: dict[str, Any]) -> None:
    read = read_ask(b"peer", changed(**fields))
    assert isinstance(read, v.Shown)
    assert isinstance(read.answer, m.Refused)
    assert read.answer.code == "BAD_MESSAGE"


def test_another_major_version_is_named() -> None:
    read = read_ask(b"peer", ask(LOOK, 9, (2, 0)))
    assert isinstance(read, v.Shown)
    assert read.number == 9
    assert isinstance(read.answer, m.Refused)
    assert read.answer.code == "VERSION"


def test_noise_and_mutated_asks_never_raise() -> None:
    chance = random.Random(3)
    seeds = [ask(request) for request in REQUESTS]
    for _ in range(20_000):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        read_ask(b"peer", bytes(data[: chance.randint(1, len(data))]))
    assert read_ask(b"peer", b"\x91" * 100_000) is None


def look(frame: int, pane: int = 0) -> v.Look:
    return msgspec.structs.replace(LOOK, frame=frame, pane=pane)


def test_the_newest_of_a_pane_wins_and_keeps_its_turn() -> None:
    waiting = Waiting()
    for number, (peer, pane, frame) in enumerate(
        [(b"a", 0, 1), (b"b", 0, 2), (b"a", 0, 3), (b"a", 1, 4), (b"b", 0, 5)]
    ):
        waiting.put(Asked(peer, number, look(frame, pane)))
    waiting.put(Asked(b"a", 9, v.Spread(0, ID, 6)))
    order = []
    while (asked := waiting.next()) is not None:
        order.append(asked.request.frame)
    assert order == [3, 5, 4, 6]  # a's, b's, then what came to other panes and kinds


def test_only_what_is_newer_overtakes() -> None:
    waiting, first = Waiting(), Asked(b"a", 1, look(1))
    assert not waiting.overtakes(first)
    waiting.put(Asked(b"a", 2, look(2, pane=1)))
    waiting.put(Asked(b"b", 1, look(2)))
    waiting.put(Asked(b"a", 3, v.Spread(0, ID, 2)))
    assert not waiting.overtakes(first)
    waiting.put(Asked(b"a", 4, look(2)))
    assert waiting.overtakes(first)
    waiting.forget(b"a")
    assert not waiting.overtakes(first)
    assert waiting.next() == Asked(b"b", 1, look(2))


def test_a_rough_look_is_overtaken_only_by_one_at_something_else() -> None:
    waiting, first = Waiting(), Asked(b"a", 1, msgspec.structs.replace(look(1), fine=False))
    waiting.put(Asked(b"a", 2, look(2)))
    assert not waiting.overtakes(first)
    waiting.put(Asked(b"a", 3, msgspec.structs.replace(look(2), source=REF)))
    assert waiting.overtakes(first)


def test_the_queue_is_bounded() -> None:
    waiting = Waiting()
    for peer in range(2 * LIMIT):
        waiting.put(Asked(peer.to_bytes(4, "big"), 1, look(1)))
    count = 0
    while waiting.next() is not None:
        count += 1
    assert count == LIMIT
