"""How fast an exported model is in ONNX Runtime, against its network in torch."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.results import Figure, ratios, timed
from benchmarks.rows.predict import random_network

BATCHES = (1, 16)


def onnx(bench: Bench) -> tuple[list[Figure], list[str]]:
    """ONNX Runtime against torch on the CPU: a ResNet-50 of random weights and its export, in 32 bits.

    In a child, as what it imports is large. Pixels are ready; both normalise them. It takes 2 minutes on 2 cores.
    """
    found, _ = bench.call("rows.exported.measure", repeat=bench.repeat, quick=bench.quick)
    figures = [Figure(f"ONNX Runtime, batch of {batch}, times as fast as torch", found[f"{batch}"], "×") for batch in BATCHES]
    note = f"{found['size']} pixels a side; torch with {found['threads']} threads, channels last, as artclf predict computes."
    return figures, [note]


def measure(repeat: int, *, quick: bool = False) -> dict[str, Any]:
    """Both in turn: batch size → how many times as fast as torch, in each round."""
    import numpy as np  # noqa: PLC0415 (which benchmarks' own process does without)
    import torch  # noqa: PLC0415

    from artclf.inference.export import write_graph  # noqa: PLC0415
    from artclf.inference.onnx_scorer import INPUT, OUTPUT, open_session  # noqa: PLC0415
    from artclf.inference.torch_scorer import TorchScorer  # noqa: PLC0415

    size, images = (64, 16) if quick else (224, 16)
    network = random_network(size)
    scorer = TorchScorer(network, "32-true")
    with tempfile.TemporaryDirectory(prefix="artclf-onnx-") as folder:
        write_graph(network, Path(folder, "model.onnx"))
        session = open_session(Path(folder, "model.onnx"))
    found: dict[str, Any] = {"threads": torch.get_num_threads(), "size": size}
    for batch in BATCHES:
        pixels = np.random.default_rng(0).integers(0, 256, (batch, 3, size, size), dtype=np.uint8)
        sides = {"torch": partial(scorer.p_ai, pixels), "onnx": partial(session.run, [OUTPUT], {INPUT: pixels})}
        seconds = timed(repeat, images // batch, **sides)
        found[f"{batch}"] = ratios(seconds["torch"], seconds["onnx"])
    return found
