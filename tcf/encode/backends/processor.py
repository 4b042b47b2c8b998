"""Which device and number format an encoder runs in. Loads torch only where CUDA is possible."""

import functools
import os
from importlib.metadata import version
from pathlib import Path

from tcf.errors import EncoderError

__all__ = ["pick_device", "pick_dtype"]


def pick_device(device: str | None) -> str:
    """Return ``device``, or by default ``"cuda"`` where torch sees one, else ``"cpu"``.

    The processes of a launch (``LOCAL_RANK``) take one GPU each.
    """
    if device is not None:
        return str(device)
    if version("torch").endswith("+cpu"):
        return "cpu"  # known without importing torch, which a full cache hit never needs
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    rank = os.environ.get("LOCAL_RANK")
    return "cuda" if rank is None else f"cuda:{int(rank) % torch.cuda.device_count()}"


def pick_dtype(dtype: str, device: str) -> str:
    """Return the format that ``dtype`` means on ``device``; ``"auto"`` never costs speed.

    Raises:
        EncoderError: If it is float16 on a CPU, which is about ten times slower than float32 there.
    """
    on_cpu = device.startswith("cpu")
    if dtype == "float16" and on_cpu:
        raise EncoderError(
            "float16 on a CPU is about ten times slower than float32; "
            "use dtype='auto', 'float32' or 'bfloat16', or a GPU"
        )
    if dtype != "auto":
        return dtype
    fast = _cpu_has_bfloat16() if on_cpu else device.startswith("cuda") and _cuda_has_bfloat16()
    return "bfloat16" if fast else "float32"


def _cuda_has_bfloat16() -> bool:
    import torch

    return torch.cuda.is_bf16_supported(including_emulation=False)


@functools.cache
def _cpu_has_bfloat16() -> bool:
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False  # not Linux: float32 is right everywhere
    flags = next((line for line in info.splitlines() if line.startswith("flags")), "").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags
