"""Tables to audit: files and statistics that do not differ, except where a test plants a difference."""

from typing import Any

import numpy as np
import pandas as pd

from artclf.evaluation.audit import STATISTICS


def pictures(n: int = 200, seed: int = 0, **columns: Any) -> pd.DataFrame:
    """Half human, then half AI images; columns replace."""
    rng = np.random.default_rng(seed)
    rows = {
        "path": [f"{number}.jpg" for number in range(n)],
        "label": ["human"] * (n // 2) + ["ai"] * (n - n // 2),
        "style": "",
        "split": "train",
        "width": rng.choice([256, 512, 640], n),
        "height": rng.choice([256, 512], n),
        "format": "JPEG",
        "mode": "RGB",
        "bytes": rng.integers(20_000, 90_000, n),
        "jpeg_quality": rng.choice([75, 90, 95], n),
        "quality_exact": True,
        "subsampling": rng.choice(["4:2:0", "4:4:4"], n),
        "tables": rng.choice(["aaaa", "bbbb", "cccc"], n),
        "exif": rng.random(n) < 0.5,
        "declared": "declares nothing",
        "sha256": [f"{number:064x}" for number in range(n)],
        "hash": [f"{int(bits):016x}" for bits in rng.integers(0, 2**63, n)],
        **{name: rng.random(n) for name in STATISTICS},
    }
    table = pd.DataFrame({**rows, **columns}).astype({"jpeg_quality": "Int64", "quality_exact": "boolean"})
    return table if "generator" in columns else table.assign(generator=table["label"].replace("ai", "sd"))
