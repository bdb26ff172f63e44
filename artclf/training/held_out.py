"""Held-out scores: images of each source (or generator) scored by a head that was trained without it.

The body is frozen and its outputs are cached, so that the head alone is trained again: from new weights, with the recipe, the
number of epochs and the share of AI images of the stage that gave the run's own.
"""

import logging
import time
from copy import deepcopy
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.utils.data import BatchSampler

from artclf.data.dataset import EpochSampler
from artclf.data.manifest import HUMAN, families
from artclf.errors import ArtclfError
from artclf.evaluation import Booleans
from artclf.evaluation.calibration import ENOUGH, FEWEST_GROUPS
from artclf.evaluation.decision import as_stored
from artclf.evaluation.guarantees import UNNAMED
from artclf.model.optimizers import build_optimizer
from artclf.model.rows import FeatureData
from artclf.training.build import Built
from artclf.training.resume import StageRecord

log = logging.getLogger(__name__)

AUTO_GROUPS = 3  # sources from which on `auto` sets thresholds by source
FOLDS = 10  # heads: of more groups, several are left out at a time, where enough images of each class are left then


def choose_groups(built: Built) -> "pd.Series[str] | None":
    """Decide what thresholds are set by; None: by the validation images.

    Returns:
        The source (or generator, as the Series is called) of each image that trains or validates, by its number in the
        manifest; "" where it is never left out.

    Raises:
        ArtclfError: where calibration.by asks for what can't be; where `auto` would set them by source, a fallback is noted.
    """
    by, data = built.config.calibration.by, built.data
    if by == "none":
        return None
    column = "generator" if by == "generator" else "source"
    train = data.manifest.split("train").iloc[np.unique(data.plan.rows)]
    groups = _names(pd.concat([train, data.manifest.split("val")]), column)
    label, needed = ("AI" if by == "generator" else HUMAN), AUTO_GROUPS if by == "auto" else FEWEST_GROUPS
    counts = groups[data.manifest.table["label"].loc[groups.index] == label.lower()].value_counts()
    found = int((counts[counts.index != ""] >= ENOUGH).sum())
    if found < needed:
        if by == "auto":
            return None
        raise ArtclfError(
            f"calibration.by={by}: got {found} {by}s with {ENOUGH} {label} images or more in train and val, without which "
            f"{ENOUGH} images of each class are left to train on; needed: {needed}; name each image's in the column {by} of "
            "data.csv, or type calibration.by=none"
        )
    why = None
    if deeper := {name: depth for name, depth in built.depths.items() if depth}:
        why = f"stage {next(iter(deeper))} trains layers of the body, which sees every {column}"
    elif not built.config.cache.prefix:
        why = "cache.prefix=false keeps no outputs of the frozen body"
    elif data.augment.each_epoch:
        why = f"augment={data.augment.name} changes every training image in each epoch, so that no outputs of them are kept"
    if why is None:
        return groups
    if by == "auto":
        data.fall_back(f"thresholds hold for images like validation's, not for a new {column}: {why}")
        return None
    raise ArtclfError(f"calibration.by={by}: {why}; type calibration.by=none")


def _names(table: pd.DataFrame, column: str) -> "pd.Series[str]":
    """The group of each of these images of train and val; "" where it has, or leaves to train on, too few to count."""
    is_ai = table["label"] == "ai"
    names = table[column] if column in table else pd.Series("", index=table.index)
    if column == "generator":
        names = families(names).where(is_ai, "")
    rest = {name: is_ai[(names != name) & (table["split"] == "train")] for name in names.unique()}
    small = {name for name, others in rest.items() if min(others.sum(), (~others).sum()) < ENOUGH}
    small |= {name for name, of_class in is_ai.groupby(names) if max(of_class.sum(), (~of_class).sum()) < ENOUGH}
    return names.mask(names.isin(UNNAMED | small), "").rename(column)


def held_out_scores(built: Built, groups: "pd.Series[str]", record: StageRecord) -> dict[str, Any]:
    """Score the images of each group by a head that was trained without it; the model is on its device.

    Args:
        built: with the outputs of the frozen body in `data.feature_data`; where they are not, a fallback is noted.
        groups: of each image, as of `choose_groups`; left out in turn.
        record: of the stage whose head is the run's.

    Returns:
        by and held_out, as `fit_decision_rule` takes them; nothing after a fallback.
    """
    started, model, parts = time.perf_counter(), built.model, built.data.feature_data
    if model.tail is None or not {"train", "val"} <= parts.keys():
        built.data.fall_back(
            f"thresholds hold for images like validation's, not for a new {groups.name}: no cached outputs of the body"
        )
        return {}
    train, rows, table = parts["train"], [], built.data.manifest.table
    assert isinstance(train, FeatureData)
    of_train = table.loc[np.unique(train.numbers.numpy()), "label"] == "ai"
    for fold in _folds(groups, of_train):
        left_out = groups.isin(fold)
        head = _refit(built, train, ~left_out[train.numbers.numpy()].to_numpy(), record)
        for items in (train, parts["val"]):
            assert isinstance(items, FeatureData)
            numbers, first = np.unique(items.numbers.numpy(), return_index=True)  # of copies, the image itself
            chosen = left_out[numbers].to_numpy()
            for batch in BatchSampler(first[chosen].tolist(), built.config.data.batch_size, drop_last=False):
                inputs, _, row = items.__getitems__(batch)
                with torch.inference_mode():
                    p_ai = torch.sigmoid(head(model.tail(inputs.to(model.device)).float())).double().cpu()
                rows.append(pd.DataFrame({"p_ai": as_stored(p_ai.numpy())}, index=row.numpy()))
    scored = pd.concat(rows)
    scored["group"], scored["label"] = groups[scored.index], table.loc[scored.index, "label"]
    seconds, number = time.perf_counter() - started, scored["group"].nunique()
    log.info("held-out scores of %d images of %d %ss in %.1f s", len(scored), number, groups.name, seconds)
    return {"by": groups.name, "held_out": scored}


def _folds(groups: "pd.Series[str]", is_ai: "pd.Series[bool]") -> list[list[str]]:
    """The groups that are left out together; `is_ai` is of the training images, by their numbers, as `groups` are of all."""
    names = sorted(set(groups) - {""})
    folds = [names[first::FOLDS] for first in range(min(len(names), FOLDS))]
    left = [is_ai[~groups[is_ai.index].isin(fold)] for fold in folds]
    enough = all(min(rest.sum(), (~rest).sum()) >= ENOUGH for rest in left)
    return folds if enough else [[name] for name in names]


def _refit(built: Built, train: FeatureData, kept: Booleans, record: StageRecord) -> nn.Module:
    """Train a new head on the kept items [N], as often drawn as all of them, with AI images as frequent as among all."""
    model, config, stage, tail = built.model, built.config, built.config.stages[record.name], built.model.tail
    assert tail is not None
    weights, is_ai = built.data.plan.weights, train.targets.numpy() == 1
    weights = np.ones(len(train)) if weights is None else weights
    weights = sum(weights * kept * one / weights[kept & one].sum() * weights[one].sum() for one in (is_ai, ~is_ai))
    sampler = EpochSampler(len(train), shuffle=True, weights=weights, seed=config.seed)
    steps = -(-len(train) // config.data.batch_size)
    with torch.random.fork_rng(devices=[model.device] if model.device.type == "cuda" else []):
        torch.manual_seed(config.seed)
        head, loss = deepcopy(model.head).train().requires_grad_(True), deepcopy(model.loss).train()
        for layer in head.modules():
            if callable(reset := getattr(layer, "reset_parameters", None)):
                reset()
        trained, total = list(head.parameters()), steps * int(stage.max_epochs)
        optimizer, scheduler = build_optimizer(stage, trained, total, config.data.batch_size, fused=model.fused)
        for epoch in range(min(record.best_epoch, int(stage.max_epochs))):
            sampler.set_epoch(epoch)
            for batch in BatchSampler(sampler, config.data.batch_size, drop_last=False):
                if len(batch) < 2:  # batch normalisation can't be trained on it
                    continue
                inputs, target, _ = train.__getitems__(batch)
                with torch.no_grad():
                    features = tail(inputs.to(model.device)).float()
                optimizer.zero_grad()
                loss(head(features), target.to(model.device)).backward()
                optimizer.step()
                if scheduler is not None:
                    scheduler.step()
    return head.eval()
