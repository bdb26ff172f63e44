"""An ONNX encoder as a frozen backbone: tried with encoders of a few numbers that are made here."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from artclf.errors import ArtclfError
from artclf.model.backbones import build_backbone
from artclf.model.checkpoint import load_classifier
from tests.conftest import TINY, Outcome


def encoder(file: Path, *, batch: int | str = "batch", spread: bool = False) -> Path:
    """Features [B, 5] and patches [B, 16, 5] of images [B, 3, 32, 32]; `spread`: divided by the batch's largest value."""
    weights = np.random.default_rng(0).normal(size=(5, 3, 8, 8)).astype("float32")
    nodes = [
        *([helper.make_node("ReduceMax", ["images"], ["largest"], keepdims=0)] if spread else []),
        helper.make_node("Div", ["images", "largest" if spread else "one"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "weights"], ["maps"], strides=[8, 8]),
        helper.make_node("Reshape", ["maps", "flat"], ["columns"]),
        helper.make_node("Transpose", ["columns"], ["patches"], perm=[0, 2, 1]),
        helper.make_node("ReduceMean", ["patches"], ["features"], axes=[1], keepdims=0),
    ]
    values = {"weights": weights, "flat": np.array([0, 5, 16]), "one": np.array(1, dtype="float32")}
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, 32, 32])],
        [
            helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, 5]),
            helper.make_tensor_value_info("patches", TensorProto.FLOAT, [batch, 16, 5]),
        ],
        [numpy_helper.from_array(value, name) for name, value in values.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), file)
    return file


@pytest.mark.parametrize("batch", ["batch", 1])
def test_features_equal_those_of_the_same_network_in_torch(tmp_path: Path, batch: int | str) -> None:
    file = encoder(tmp_path / "encoder.onnx", batch=batch)
    backbone = build_backbone("onnx", "onnx", str(file))
    assert (backbone.features, backbone.image_size, backbone.weights) == (5, 32, str(file))
    images = torch.rand(3, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    weights = torch.from_numpy(numpy_helper.to_array(onnx.load(file).graph.initializer[0]).copy())
    maps = torch.nn.functional.conv2d(images, weights, stride=8)
    torch.testing.assert_close(deepcopy(backbone.body)(images), maps.mean((2, 3)))
    patches = build_backbone("onnx", "onnx", str(file), pooled=False)
    torch.testing.assert_close(patches.body(images), maps.flatten(2).transpose(1, 2))


def test_images_are_encoded_one_by_one_where_their_features_would_depend_on_the_batch(tmp_path: Path) -> None:
    body = build_backbone("onnx", "onnx", str(encoder(tmp_path / "encoder.onnx", spread=True))).body
    images = torch.rand(2, 3, 32, 32) * torch.tensor([1.0, 5.0]).view(2, 1, 1, 1)
    torch.testing.assert_close(body(images)[:1], body(images[:1]))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.onnx", None, "there is no such .onnx file; model=onnx needs model.weights=FILE.onnx"),
        ("broken.onnx", b"no model", "is no ONNX model that onnxruntime can read"),
        ("other.pth", b"", "there is no such .onnx file"),
    ],
)
def test_a_file_that_is_no_encoder_is_one_line(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ArtclfError, match=message):
        build_backbone("onnx", "onnx", str(tmp_path / name))


def test_another_size_than_the_encoders_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtclfError, match=r"data.image_size=64: .*encoder.onnx can't take it"):
        build_backbone("onnx", "onnx", str(encoder(tmp_path / "encoder.onnx")), 64)


@pytest.mark.parametrize("head", ["linear", "attention_pool"])
def test_a_run_on_an_encoder_is_cached_and_not_fine_tuned_and_its_checkpoint_needs_no_other_file(
    train: Callable[..., Outcome], pictures: Path, tmp_path: Path, head: str
) -> None:
    file = encoder(tmp_path / "encoder.onnx")
    words = [*TINY, "data=folder", f"data.root={pictures}", "data.image_size=auto", "model=onnx", f"model.weights={file}"]
    done = train(*words, f"head={head}", "hydra.run.dir=run", "stages.head.max_epochs=2")
    assert done.lines("computing the frozen layers once for")
    said = "stages.last10.unfreeze: got 10; allowed: 0, as an ONNX encoder stays frozen, and only its head trains"
    assert train(*words, "+finetune=last10", code=2).lines(said)
    file.unlink()
    model = load_classifier(tmp_path / "run" / "checkpoints" / "best.ckpt")
    assert model.p_ai(torch.zeros(1, 3, 32, 32, dtype=torch.uint8)).shape == (1,)
    assert model.mean.flatten().tolist() == pytest.approx([0.48145466, 0.4578275, 0.40821073])
