"""The number formats that networks are computed in."""

import torch

PRECISIONS: dict[str, torch.dtype | None] = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""Lightning's name of each precision, and the dtype that autocast uses."""


def resolve_precision(setting: str, accelerator: str) -> str:
    """Return the precision for Lightning's Trainer.

    `auto` is bf16-mixed where the device computes in it (GPUs from compute capability 8 on, CPUs with AVX-512 bf16 or AMX),
    16-mixed on older CUDA GPUs, else 32-true. Another setting is returned as it is.
    """
    if setting != "auto":
        return setting
    if accelerator != "cpu" and torch.cuda.is_available():
        # not torch.cuda.is_bf16_supported, which is true for emulation as well
        return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "16-mixed"
    if accelerator != "cpu" and torch.backends.mps.is_available():
        return "32-true"
    return "bf16-mixed" if cpu_has_bf16() else "32-true"


def autocast(precision: str, device: str) -> torch.autocast:
    """The autocast context that Lightning's Trainer would enter for one of PRECISIONS on a type of device."""
    dtype = PRECISIONS[precision]
    return torch.autocast(device, dtype=dtype, enabled=dtype is not None)


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware (AVX-512 bf16 or AMX); emulated, it would be slower than 32-bit."""
    # torch has private names only for this; where a release lacks them, 32-bit is always right
    queries = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(bool(query()) for query in queries if query is not None)
