import pytest
import torch

from artclf.model import precision
from artclf.model.precision import PRECISIONS, autocast, resolve_precision


def test_what_is_asked_for_is_taken() -> None:
    assert resolve_precision("32-true", "auto") == "32-true"
    assert resolve_precision("16-mixed", "cpu") == "16-mixed"


@pytest.mark.parametrize(("has", "expected"), [(True, "bf16-mixed"), (False, "32-true")])
def test_a_cpu_computes_in_bf16_only_where_it_has_it(monkeypatch: pytest.MonkeyPatch, has: bool, expected: str) -> None:
    monkeypatch.setattr(precision, "cpu_has_bf16", lambda: has)
    assert resolve_precision("auto", "cpu") == expected


@pytest.mark.parametrize(("capability", "expected"), [((9, 0), "bf16-mixed"), ((8, 0), "bf16-mixed"), ((7, 5), "16-mixed")])
def test_an_older_gpu_computes_in_16_bit(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    assert resolve_precision("auto", "gpu") == expected
    assert resolve_precision("auto", "auto") == expected


def test_torch_is_asked_by_names_that_exist() -> None:
    names = [name for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported") if hasattr(torch.cpu, name)]
    assert names, "torch.cpu no longer tells of bf16: find its new name in precision.py"
    assert precision.cpu_has_bf16() == any(getattr(torch.cpu, name)() for name in names)


@pytest.mark.parametrize(("precision", "kind"), PRECISIONS.items())
def test_the_context_of_a_precision_computes_in_it(precision: str, kind: torch.dtype | None) -> None:
    layer = torch.nn.Linear(8, 1)
    with torch.inference_mode(), autocast(precision, "cpu"):
        assert layer(torch.randn(2, 8)).dtype == (kind or torch.float32)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_trains_in_what_it_resolves_to() -> None:
    model = torch.nn.Linear(8, 1).cuda()
    kind = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}[resolve_precision("auto", "gpu")]
    with torch.autocast("cuda", dtype=kind):
        assert model(torch.randn(2, 8, device="cuda")).dtype == kind
