"""What is here, what works, what is slow and why: the findings that `impetus doctor` shows."""

import os
import platform
import shutil
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import zmq

from ...contract.client import Client
from ...contract.errors import ImpetusError, LinkError
from ...contract.keys import private_folder, read_connection
from ...contract.messages import PROTOCOL
from .finding import Finding
from .methods import examine_methods

NEEDED = ("impetus", "msgspec", "pyzmq", "numpy", "scipy", "taichi", "OpenEXR", "pillow", "imageio",
          "av", "typer", "rich", "psutil")  # fmt: skip
OPTIONAL = ("gsplat", "ray")
LITTLE_MEMORY = 8 << 30
LITTLE_DISK = 10 << 30
FEW_CORES = 4
SLOW_DISK = 100e6
"Bytes a second, flushed, under which landing frames is felt."
PROBE_BYTES = 32 << 20


def examine(home: Path) -> Iterator[Finding]:
    """Yield what there is to know, as it is found."""
    yield Finding("Python", f"{platform.python_version()}, {platform.platform(terse=True)}")
    yield from _packages()
    yield _curve()
    yield from _devices()
    yield from examine_methods()
    yield from _machine()
    yield from _disk(home)
    yield _backend(home)


def _packages() -> Iterator[Finding]:
    for name in NEEDED:
        try:
            yield Finding(name, version(name))
        except PackageNotFoundError:
            yield Finding(name, "missing", "bad", "Set up the backend again.")
    for name in OPTIONAL:
        try:
            yield Finding(name, version(name))
        except PackageNotFoundError:
            yield Finding(name, "not installed; not needed for what you have", "info")


def _curve() -> Finding:
    value = f"ZeroMQ {zmq.zmq_version()}, CURVE {'on' if zmq.has('curve') else 'missing'}"
    if zmq.has("curve"):
        return Finding("Encryption", value)
    return Finding(
        "Encryption", value, "bad", "Install pyzmq's own wheel; without it nobody can connect."
    )


def _devices() -> Iterator[Finding]:
    if find_spec("taichi") is None:
        yield Finding("Devices", "unknown without taichi", "bad", "Set up the backend again.")
        return
    from ...stages.device import list_devices

    devices = list_devices()
    for device in devices:
        yield Finding(f"Device {device.name}", device.description)
    names = {device.name for device in devices}
    if "cuda" not in names:
        others = sorted(names - {"cpu"})
        advice = f"Try --device {others[0]}." if others else "An NVIDIA GPU makes both faster."
        yield Finding(
            "Speed", "no CUDA device: simulation and rendering run on the processor", "slow",
            advice,
        )  # fmt: skip
    yield _engine("cuda" if "cuda" in names else "cpu")


def _engine(device: str) -> Finding:
    from ...splatting.engines import choose_engine

    engine = choose_engine(device)
    value = f"{engine.name}: {engine.reason}"
    if device == "cuda" and engine.name != "gsplat":
        return Finding("Splats", value, "slow", "Install the extra impetus[cuda].")
    return Finding("Splats", value)


def _machine() -> Iterator[Finding]:
    import psutil

    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    load = psutil.cpu_percent(interval=0.3)
    advice = "Lower resolution and splats while you try things." if cores < FEW_CORES else ""
    yield Finding("Processor", f"{cores} cores", "slow" if advice else "good", advice)
    if load > 80.0:
        yield Finding(
            "Load", f"{load:.0f} % busy", "slow", "Other programs compete with the backend."
        )
    memory = psutil.virtual_memory()
    value = f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB free"
    if memory.available < LITTLE_MEMORY:
        yield Finding("Memory", value, "slow", "Large shots will be refused: close other programs.")
    else:
        yield Finding("Memory", value)


def _disk(home: Path) -> Iterator[Finding]:
    private_folder(home)
    free = shutil.disk_usage(home).free
    value = f"{free / 2**30:.1f} GiB free in {home}"
    if free < LITTLE_DISK:
        yield Finding("Disk", value, "slow", "Jobs pause when it is full: remove old takes.")
    else:
        yield Finding("Disk", value)
    rate = _write_rate(home)
    slow = rate < SLOW_DISK
    advice = "Keep the user folder on a local disk." if slow else ""
    yield Finding("Disk speed", f"{rate / 1e6:.0f} MB/s", "slow" if slow else "good", advice)


def _write_rate(folder: Path) -> float:
    """Return bytes a second to the disk, flushed as frames are."""
    path = folder / f"doctor-{os.getpid()}.tmp"
    data = os.urandom(PROBE_BYTES)
    began = time.perf_counter()
    try:
        with path.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        return PROBE_BYTES / (time.perf_counter() - began)
    finally:
        path.unlink(missing_ok=True)


def _backend(home: Path) -> Finding:
    try:
        connection = read_connection(home)
    except LinkError as err:
        return Finding("Backend", err.sentence, "info", err.remedy)
    try:
        with Client(connection) as client:
            began = time.perf_counter()
            welcome = client.hello()
            spent = time.perf_counter() - began
            jobs = client.jobs()
    except ImpetusError as err:
        return Finding("Backend", err.sentence, "bad", err.remedy)
    running = sum(job.state in ("running", "queued") for job in jobs)
    value = (
        f"version {welcome.version}, protocol {PROTOCOL[0]}.{PROTOCOL[1]}, "
        f"answers in {1000 * spent:.0f} ms, {running} of {len(jobs)} jobs to do, "
        f"on {', '.join(welcome.devices)}"
    )
    try:
        if welcome.version != version("impetus"):
            return Finding(
                "Backend", value, "bad", "Another version runs: end it and connect again."
            )
    except PackageNotFoundError:
        return Finding("Backend", value, "info")
    return Finding("Backend", value)
