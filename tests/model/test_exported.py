"""A model as a .safetensors file: what comes back, and what is refused."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from artclf.errors import ArtclfError
from artclf.model.exported import load_safetensors, read_header, save_safetensors
from tests.model.test_checkpoint import RULE
from tests.model.test_classifier import classifier

ABOUT = {"run": "2026-11-27", "precision": "32-true"}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_safetensors(classifier(), RULE, ABOUT, tmp_path / "new" / "model.safetensors")
    return tmp_path / "new" / "model.safetensors"


def test_a_model_comes_back_bit_for_bit(saved: Path) -> None:
    torch.manual_seed(0)
    network = classifier().eval()
    model, rule = load_safetensors(saved)
    size = network.image_size
    pixels = torch.randint(0, 256, (4, 3, size, size), dtype=torch.uint8)
    assert torch.equal(model.p_ai(pixels), network.p_ai(pixels))
    assert (rule, read_header(saved)["about"], dict(model.hparams)) == (RULE, ABOUT, dict(network.hparams))
    assert [file.name for file in saved.parent.iterdir()] == ["model.safetensors"]
    save_safetensors(classifier(), None, {}, saved)
    assert load_safetensors(saved)[1] is None


def test_a_damaged_or_foreign_file_is_one_line(saved: Path) -> None:
    def refused(why: str) -> None:
        with pytest.raises(ArtclfError, match=why) as caught:
            load_safetensors(saved)
        assert str(caught.value).startswith(f"{saved}: ")
        assert "\n" not in str(caught.value)

    content, header = saved.read_bytes(), read_header(saved)
    saved.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    refused("is damaged")
    saved.write_bytes(content[: len(content) // 2])
    refused("is no model of artclf's")
    tensors = {"a": torch.ones(2)}
    wrong = {**header, "hyper_parameters": {**header["hyper_parameters"], "name": 3}}
    for metadata, why in (
        (None, "it has weights alone"),
        ({"artclf": "[" * 100_000}, "is no model of artclf's"),
        ({"artclf": json.dumps({**header, "about": {"precision": []}})}, "about.precision"),
        ({"artclf": json.dumps(header)}, "is damaged"),
        ({"artclf": json.dumps({**header, "hyper_parameters": {"format": 99}})}, "of another version"),
        ({"artclf": json.dumps(wrong)}, "can't be right: name"),
    ):
        save_file(tensors, saved, metadata=metadata)
        refused(why)


def test_without_safetensors_it_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("safetensors", "safetensors.torch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ArtclfError, match=r'type pip install "artclf\[hub\]"'):
        save_safetensors(classifier(), RULE, ABOUT, tmp_path / "a.safetensors")
