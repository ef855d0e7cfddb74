"""How torch is set so that the same shot gives the same frames: once per process, here alone."""

import os

import torch


def settle() -> str:
    """Set threads and algorithms; return in words what the bits depend on beside the input.

    Sums on a processor are split among threads, so their number is part of it: OMP_NUM_THREADS, or
    the cores that this process may use. On a GPU deterministic kernels are taken where there are
    any; torch warns of the others (the gradient of sampling a picture, for one).
    """
    threads = _threads()
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False
    return f"torch {torch.__version__}, {threads} threads"


def _threads() -> int:
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
