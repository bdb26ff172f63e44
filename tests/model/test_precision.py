import pytest
import torch

from artclf.model import precision
from artclf.model.precision import PRECISIONS, autocast, resolve_precision


@pytest.mark.parametrize(
    ("setting", "accelerator", "cpu_bf16", "capability", "expected"),
    [
        ("32-true", "auto", True, (9, 0), "32-true"),
        ("auto", "cpu", True, (9, 0), "bf16-mixed"),
        ("auto", "cpu", False, (9, 0), "32-true"),
        ("auto", "gpu", False, (8, 0), "bf16-mixed"),
        ("auto", "auto", True, (7, 5), "16-mixed"),
    ],
)
def test_auto_is_what_the_device_computes_in(
    monkeypatch: pytest.MonkeyPatch, setting: str, accelerator: str, cpu_bf16: bool, capability: tuple[int, int], expected: str
) -> None:
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: cpu_bf16)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert resolve_precision(setting, accelerator) == expected


def test_the_queries_of_torch_for_bf16_exist() -> None:
    names = [name for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported") if hasattr(torch.cpu, name)]
    assert names, "torch.cpu has renamed its queries for bf16: find the new names in precision.py"
    assert precision.cpu_has_bf16() == any(getattr(torch.cpu, name)() for name in names)


@pytest.mark.parametrize(("precision", "dtype"), PRECISIONS.items())
def test_autocast_computes_in_the_dtype_of_a_precision(precision: str, dtype: torch.dtype | None) -> None:
    with torch.inference_mode(), autocast(precision, "cpu"):
        assert torch.nn.Linear(8, 1)(torch.randn(2, 8)).dtype == (dtype or torch.float32)
