"""The training images that lie nearest to an image by the network's features, which are what its head sees."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from math import nan
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from artclf.cache.array_store import RowStore
from artclf.cache.folder import cache_folder
from artclf.data.manifest import SHA256
from artclf.data.pixels import hash_files
from artclf.data.prefetch import read_batches
from artclf.data.sampling import draw_sample
from artclf.evaluation import Floats
from artclf.inference.predict import Model
from artclf.inference.score import THREADS
from artclf.inference.torch_scorer import TorchScorer
from artclf.model.precision import autocast

MOST = 2_000  # training images that are compared; of more, a random sample


@dataclass(frozen=True)
class Neighbours:
    """The nearest training images of each class."""

    rows: pd.DataFrame  # of the run's manifest, the nearest first, with `file` and `similarity` (cosine, -1 to 1)
    compared: int  # training images that are still there, of at most MOST that were drawn
    trained: int  # all that the model was trained on
    median: float  # similarity of those compared; NaN where there are none
    why_none: str = ""  # why none are compared


def nearest_images(model: Model, image: Path, number: int) -> Neighbours:
    """Find the training images of each class whose features have the highest cosine similarity with an image's.

    Features of patches are averaged. Those of training images are kept in artclf's cache. A training image that is gone, that
    has changed since, or that is the image itself, is passed over.

    Args:
        model: a trained model; of an exported one, there are no features.
        image: the file.
        number: how many of each class.

    Raises:
        UnreadableImage: the image can't be read.
        StoreError: the cache can't be written.
    """
    run, scorer = model.run, model.scorer
    trained = run.images[run.images["split"] == "train"]
    if not isinstance(scorer, TorchScorer):
        return Neighbours(trained.head(0), 0, len(trained), nan, "The model is an export, which has no features to compare.")
    if run.root is None or trained.empty:
        return Neighbours(trained.head(0), 0, len(trained), nan, "What the model was trained on is not known here.")
    rows = trained.iloc[draw_sample(trained, min(MOST, len(trained)), 0)]
    rows = rows.assign(file=[run.root / path for path in rows["path"]])
    digests = np.array(hash_files([image, *rows["file"]]), dtype=object)
    same = digests[1:] == rows[SHA256].to_numpy() if SHA256 in rows else digests[1:] != ""
    rows = rows.assign(digest=digests[1:])[same & (digests[1:] != digests[0])]
    if rows.empty:
        gone = "The training images are no longer there, or no longer the same: none can be shown."
        return Neighbours(rows, 0, len(trained), nan, gone)
    ((_, (own,)),) = _features(scorer, [image], model.max_pixels)
    vectors = _cached_features(scorer, rows, len(own), model.max_pixels)
    similarity = vectors @ own / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(own))
    found = rows.assign(similarity=similarity).dropna(subset="similarity").sort_values("similarity", ascending=False)
    nearest = found.groupby("label").head(number).reset_index(drop=True)
    return Neighbours(nearest, len(found), len(trained), float(found["similarity"].median()))


def _cached_features(scorer: TorchScorer, rows: pd.DataFrame, width: int, max_pixels: int) -> Floats:
    """The features of training images [N, width], of which those that no store holds are computed now; NaN if unreadable."""
    network = scorer.network
    causes = {
        "weights": network.layers.frozen_digest(0),
        "reader": repr(scorer.reader(max_pixels)),
        "precision": scorer.precision,
        "device": network.device.type,
        "torch": torch.__version__,
    }
    folder = cache_folder() / "features" / hashlib.sha256(json.dumps(causes).encode()).hexdigest()[:16]
    store = RowStore(folder, 4 * width, {"what": f"features of {network.hparams['name']} for case files", **causes})
    keys = dict(zip(rows["file"], map(bytes.fromhex, rows["digest"]), strict=True))
    missing = [file for file, number in zip(keys, store.find([*keys.values()]), strict=True) if number < 0]
    if missing:
        with store.building():
            for files, vectors in _features(scorer, missing, max_pixels):
                store.append([keys[file] for file in files], vectors.view(np.uint8))
    return store.read(store.find([*keys.values()])).view(np.float32)


def _features(scorer: TorchScorer, files: list[Path], max_pixels: int) -> Iterator[tuple[list[Path], Floats]]:
    """Files, in batches, and the features of each, float32 [B, D]; NaN where a file can't be read."""
    network, shape = scorer.network, (3, scorer.image_size, scorer.image_size)
    read = scorer.reader(max_pixels).read
    with closing(read_batches(files, read, shape, batch=scorer.batch, threads=THREADS, zeros=scorer.zeros)) as batches:
        for batch in batches:
            with torch.inference_mode(), autocast(scorer.precision, network.device.type):
                vectors = network.body(network.normalised(torch.from_numpy(batch.pixels).to(network.device))).float()
            if vectors.ndim > 2:  # of patches: [B, N, D] or [B, D, H, W]
                vectors = vectors.mean(1) if vectors.ndim == 3 else vectors.mean((2, 3))
            found = vectors.cpu().numpy()
            found[[bool(reason) for reason in batch.reasons]] = np.nan
            yield batch.files, found
