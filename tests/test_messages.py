import random
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impetus.backend.contract import messages as m
from impetus.backend.contract.arrays import ArrayRef
from impetus.backend.service.doors.calls import read_call

from . import shots

ID = "01J0ABCDEFGHJKMNPQRSTVWXYZ"
REF = ArrayRef("0" * 64, "f4", (2, 3))


def values() -> Iterator[tuple[Any, ...]]:
    """One of each message, with every field set."""
    shot = shots.falling_cube()[0]
    info = m.JobInfo(ID, ID, "Name", "running", 1.5, 2, 8, 12, "sentence")
    yield (
        m.Hello("build"),
        m.Have((REF,)),
        m.Put(REF, 4 << 20),
        m.Submit(shot),
        m.SubmitLarge(REF),
        m.Cancel(ID, True),
        m.Attach(ID, 7),
        m.Detach(ID),
        m.ListJobs(3),
        m.TakeInfo(ID),
        m.ReadFrame(ID, "passes", -12, 5),
        m.ReadFile(ID, "take.json", 5),
        m.Remove(ID, True),
        m.Resume(ID, True),
        m.OpenView(),
        m.Shutdown(),
    )
    yield (
        m.Welcome("0.1.0", ("cpu",), ("mpm",), "/home"),
        m.Missing(("0" * 64,)),
        m.Stored(True),
        m.Accepted(ID, ID),
        m.Attached(3),
        m.Fine(),
        info,
        m.Jobs((info,)),
        m.TakeDetails(info, 1, 8, 24.0, 64, 36, "hash", "/take", (1, 2), ("take.json",)),
        m.Chunk(4, 8, "1-2"),
        m.ViewDoor(4711, "k" * 40),
        m.Refused("BAD_SHOT", "sentence", "remedy"),
    )
    yield (
        m.StateChanged("paused"),
        m.Progress("render", 1.0, 2.0, 3.0),
        m.FrameReady(-3),
        m.PointsReady(-3),
        m.Log("warning", "text"),
        m.Failed("INTERNAL", "sentence", "remedy", "/log"),
        m.Done(2.5),
    )


REQUESTS, ANSWERS, EVENTS = values()


def call(request: Any, **changes: Any) -> bytes:
    return msgspec.msgpack.encode(msgspec.structs.replace(m.Call(ID, (1, 0), request), **changes))


@pytest.mark.parametrize(
    ("union", "examples"),
    [(m.AnyRequest, REQUESTS), (m.AnyAnswer, ANSWERS), (m.AnyEvent, EVENTS)],
)
def test_every_message_is_tried(union: Any, examples: tuple[Any, ...]) -> None:
    assert {type(example) for example in examples} == set(get_args(union))


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda value: type(value).__name__)
def test_a_request_comes_back(request_: Any) -> None:
    assert read_call(call(request_)) == m.Call(ID, (1, 0), request_)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda value: type(value).__name__)
def test_an_answer_comes_back_and_a_newer_one_too(answer: Any) -> None:
    encoded = msgspec.msgpack.encode(m.Reply(ID, answer))
    assert msgspec.msgpack.decode(encoded, type=m.FromServer) == m.Reply(ID, answer)  # type: ignore[arg-type]
    plain = msgspec.msgpack.decode(encoded)
    plain["answer"]["of_tomorrow"] = [1, 2]
    newer = msgspec.msgpack.encode(plain)
    assert msgspec.msgpack.decode(newer, type=m.FromServer) == m.Reply(ID, answer)  # type: ignore[arg-type]


@pytest.mark.parametrize("body", EVENTS, ids=lambda value: type(value).__name__)
def test_an_event_comes_back(body: Any) -> None:
    event = m.Event(ID, 3, body)
    encoded = msgspec.msgpack.encode(event)
    assert msgspec.msgpack.decode(encoded, type=m.FromServer) == event  # type: ignore[arg-type]


def test_an_unknown_field_of_a_command_is_refused() -> None:
    plain = msgspec.msgpack.decode(call(m.Cancel(ID)))
    plain["request"]["and_then"] = "rm"
    answer = read_call(msgspec.msgpack.encode(plain))
    assert isinstance(answer, m.Reply)
    assert isinstance(answer.answer, m.Refused)
    assert answer.answer.code == "BAD_MESSAGE"


# Hello as the protocols 0.9, 1.0, 1.7 and 2.0 say it, byte for byte.
RECORDED = {
    (0, 9): b"\x84\xa4type\xa4call\xa2id\xa8abcdefgh\xa8protocol\x92\x00\x09\xa7request"
    b"\x82\xa4type\xa5hello\xa5build\xa3old",
    (1, 0): b"\x84\xa4type\xa4call\xa2id\xa8abcdefgh\xa8protocol\x92\x01\x00\xa7request"
    b"\x82\xa4type\xa5hello\xa5build\xa3now",
    (1, 7): b"\x84\xa4type\xa4call\xa2id\xa8abcdefgh\xa8protocol\x92\x01\x07\xa7request"
    b"\x82\xa4type\xa5hello\xa5build\xa5newer",
    (2, 0): b"\x84\xa4type\xa4call\xa2id\xa8abcdefgh\xa8protocol\x92\x02\x00\xa7request"
    b"\x82\xa4type\xa8greeting\xa4crew\x03",
}


@pytest.mark.parametrize("version", [(1, 0), (1, 7)])
def test_the_same_major_version_is_understood(version: tuple[int, int]) -> None:
    got = read_call(RECORDED[version])
    assert isinstance(got, m.Call)
    assert got.protocol == version


@pytest.mark.parametrize(("version", "who"), [((0, 9), "extension"), ((2, 0), "backend")])
def test_another_major_version_is_named(version: tuple[int, int], who: str) -> None:
    reply = read_call(RECORDED[version])
    assert isinstance(reply, m.Reply)
    assert reply.answer == m.Refused(
        "VERSION",
        f"The backend speaks protocol 1.0, the extension {version[0]}.{version[1]}.",
        f"Update the {who}.",
    )


@pytest.mark.parametrize(
    "bad", ["", "short", "a" * 65, "../../etc/passwd", "abcdefgh\n", "C:\\windows", "a b c d e"]
)
def test_ids_are_names_not_paths(bad: str) -> None:
    reply = read_call(call(m.TakeInfo(bad)))
    assert isinstance(reply, m.Reply)
    assert isinstance(reply.answer, m.Refused)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"sha256": "0" * 64 + "\n", "dtype": "f4", "shape": []}, ArrayRef)


@pytest.mark.parametrize(
    "request_",
    [
        {"type": "attach", "job": ID, "last_seq": -1},
        {"type": "attach", "job": ID, "last_seq": float("nan")},
        {"type": "list", "limit": 0},
        {"type": "list", "limit": 10**9},
        {"type": "read_frame", "take": ID, "file": "../beauty", "frame": 1},
        {"type": "read_frame", "take": ID, "file": "beauty", "frame": 1 << 40},
        {"type": "read_file", "take": ID, "file": "impetus.sqlite"},
        {"type": "put", "array": {"sha256": "0" * 64, "dtype": "O", "shape": [1]}, "offset": 0},
        {"type": "put", "array": {"sha256": "0" * 64, "dtype": "f4", "shape": [-1]}, "offset": 0},
        {"type": "eval", "code": "1"},
    ],
)
def test_bounds_are_kept(request_: dict[str, Any]) -> None:
    data = {"type": "call", "id": ID, "protocol": [1, 0], "request": request_}
    reply = read_call(msgspec.msgpack.encode(data))
    assert isinstance(reply, m.Reply)
    assert isinstance(reply.answer, m.Refused)
    assert reply.answer.code == "BAD_MESSAGE"


@given(st.binary(max_size=300))
@settings(max_examples=500, deadline=None)
def test_noise_is_nobody(data: bytes) -> None:
    assert read_call(data) is None or isinstance(read_call(data), m.Call | m.Reply)


def test_depth_and_claims_do_no_harm() -> None:
    head = b"\x84\xa4type\xa4call\xa2id\xa8abcdefgh\xa8protocol\x92\x01\x00\xa7request"
    deep = head + b"\x91" * 200_000 + b"\x00"
    claim = head + b"\xdd\xff\xff\xff\xff"
    for data in (deep, claim, deep[: len(head) + 100]):
        assert read_call(data) is None or isinstance(read_call(data), m.Reply)


def test_mutated_calls_never_raise() -> None:
    """30,000 here; the reliability suite sends a million over a socket."""
    chance = random.Random(2)
    seeds = [call(request) for request in REQUESTS]
    for _ in range(30_000):
        data = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        read_call(bytes(data[: chance.randint(1, len(data))]))


def test_new_ids_are_ids_and_differ() -> None:
    ids = [m.new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert msgspec.convert(ids, list[m.Id]) == ids
    assert ids[0][:8] <= ids[-1][:8]
