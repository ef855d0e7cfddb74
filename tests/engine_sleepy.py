"""A worker whose engine sleeps and writes real frame files, for tests of the service.

What a frame holds follows from its number alone, so that takes can be compared byte for byte.
A file `behave` beside the take tells it to misbehave; each call of the engine is a line in `calls`.
"""

import ctypes
import os
import resource
import time
from pathlib import Path

from impetus.backend.contract.arrays import ArraySet
from impetus.backend.contract.errors import ShotError
from impetus.backend.contract.shot import Shot
from impetus.backend.contract.take_files import SUFFIX, frame_path, is_whole
from impetus.backend.service.worker import PipeListener, Places, main

FRAME_BYTES = 200_000


def content(file: str, frame: int) -> bytes:
    return f"{file} {frame} ".encode() * (FRAME_BYTES // len(f"{file} {frame} "))


def engine(shot: Shot, arrays: ArraySet, places: Places, listener: PipeListener) -> None:
    note(places, f"start {os.getpid()}")
    how = read(places, "behave")
    if how == "lie":
        for frame in shot.frames.numbers:
            listener.frame(frame)
        return
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    behave(how)
    pause = float(read(places, "pause") or 0.02)
    numbers = shot.frames.numbers
    if how == "chatter":
        for step in range(5000):
            time.sleep(0.0002)
            listener.progress("simulate", step / 5000, len(numbers), None)
    for done, frame in enumerate(numbers):
        listener.check()
        if not is_whole(places.take, frame):
            for step in range(4):
                time.sleep(pause / 4)
                listener.progress("simulate", done + step / 4, len(numbers), None)
                listener.check()
            if how == "full" and frame == 4:
                fill_disk()
            for file in SUFFIX:
                write(frame_path(places.take, file, frame), content(file, frame))
            note(places, f"frame {frame}")
        listener.frame(frame)
    write(places.take / "take.json", b"{}")
    listener.progress("deliver", len(numbers), len(numbers), 0.0)


def behave(how: str) -> None:
    if how == "hang":
        time.sleep(1000)
    elif how == "hold":  # as a long kernel does: no other thread of this process runs
        ctypes.PyDLL(None).sleep(6)
    elif how == "die":
        os._exit(3)
    elif how == "memory":
        raise MemoryError("cannot allocate 900 GiB")
    elif how == "shot":
        raise ShotError("Cube, mesh", "expected a volume, got none.", "Close its holes.")
    elif how == "print":
        print("a library greets on standard output", flush=True)  # noqa: T201
        os.write(1, b"\xff\xff\xff\xff garbage\n")


def fill_disk() -> None:
    """From now on the system refuses to write more than half a frame into a file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (FRAME_BYTES // 2, resource.RLIM_INFINITY))


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".tmp")
    with part.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, path)


def read(places: Places, name: str) -> str:
    path = places.cache / name
    return path.read_text() if path.exists() else ""


def note(places: Places, line: str) -> None:
    with places.cache.joinpath("calls").open("a") as stream:
        stream.write(line + "\n")


def start(device: str) -> str:
    os.write(1, b"a driver greets\n")
    return f"sleepy on {device}"


if __name__ == "__main__":
    main(engine, start)
