"""The device that kernels run on: found, described and started once, here and nowhere else."""

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import Any, Literal

from ..contract.errors import ResourceError

DeviceName = Literal["auto", "cpu", "cuda", "vulkan", "metal"]
KINDS: tuple[DeviceName, ...] = ("cpu", "cuda", "vulkan", "metal")
NVIDIA_SMI_SECONDS = 10.0


@dataclass(frozen=True)
class Device:
    """What runs the kernels: `name` as `start_device` takes it, `description` for people."""

    name: DeviceName
    description: str


def list_devices() -> tuple[Device, ...]:
    """Find the devices that this machine has for us; the processor is always among them."""
    ti = _taichi()
    ti.set_logging_level(ti.ERROR)  # what is missing is an answer here, not a warning
    found = [name for name in KINDS if ti.lang.misc.is_arch_supported(getattr(ti, name))]
    ti.set_logging_level(ti.WARN)
    return tuple(Device(name, _describe(name)) for name in found)


def start_device(name: DeviceName = "auto") -> Device:
    """Start Taichi on a device, or return the device that runs already.

    `auto` takes CUDA where it is there, else the processor. Raises ResourceError when the device
    is not there, or when another one has been started in this process.
    """
    running = _running()
    if running is not None:
        if name in ("auto", running):
            return Device(running, _describe(running))
        raise ResourceError(
            f"Expected to compute on {name}, but this process computes on {running} already.",
            "Start another worker for the other device.",
        )
    there = {device.name: device for device in list_devices()}
    chosen: DeviceName = name
    if name == "auto":
        chosen = "cuda" if "cuda" in there else "cpu"
    if chosen not in there:
        raise ResourceError(
            f"Expected a device that can {chosen}, found only {', '.join(there)}.",
            "Choose one of these, or auto; or install the driver of the other.",
        )
    ti = _taichi()
    with contextlib.redirect_stdout(sys.stderr):
        ti.init(arch=getattr(ti, chosen), random_seed=0, offline_cache=True, log_level=ti.WARN)
    return there[chosen]


def _taichi() -> Any:
    # Taichi greets on standard output, which may be a pipe that carries messages.
    os.environ.setdefault("ENABLE_TAICHI_HEADER_PRINT", "0")
    import taichi

    return taichi


def _running() -> DeviceName | None:
    ti = _taichi()
    if ti.lang.impl.get_runtime().prog is None:
        return None
    arch = ti.lang.impl.current_cfg().arch
    return next(name for name in KINDS if getattr(ti, name) == arch)


def _describe(name: DeviceName) -> str:
    if name == "cpu":
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return f"{platform.processor() or platform.machine()}, {cores} cores"
    if name == "cuda":
        return _nvidia_name() or "NVIDIA GPU"
    return f"GPU through {name.capitalize()}"


def _nvidia_name() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        answer = subprocess.run(
            [program, "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=NVIDIA_SMI_SECONDS, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.strip().split("\n")[0]
