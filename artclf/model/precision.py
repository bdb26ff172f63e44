"""Which number format is computed in."""

import torch

PRECISIONS: dict[str, torch.dtype | None] = {"32-true": None, "bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
"""Lightning's names of those that artclf computes in, and to what each of them lowers what is safe to lower."""


def resolve_precision(setting: str, accelerator: str) -> str:
    """Return the precision for Lightning's Trainer.

    Args:
        setting: "auto", or a precision of Lightning's, which is returned as it is.
        accelerator: "auto", "cpu" or "gpu".

    Returns:
        For "auto": bf16-mixed where the device computes in it (GPUs from compute capability 8 on, CPUs with AVX-512 bf16 or
        AMX), 16-mixed on older CUDA GPUs, else 32-true.
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
    """The context in which a precision of Lightning's is computed in, as its Trainer enters it.

    Args:
        precision: one of PRECISIONS.
        device: torch's name of the device's type.
    """
    kind = PRECISIONS[precision]
    return torch.autocast(device, dtype=kind, enabled=kind is not None)


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 in hardware (AVX-512 bf16 or AMX); emulated, it would be slower than 32-bit."""
    # torch tells it under private names alone; where a release lacks them, 32-bit is always right
    queries = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(bool(query()) for query in queries if query is not None)
