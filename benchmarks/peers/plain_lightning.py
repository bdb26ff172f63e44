"""The seed's job in plain Lightning, as a competent user writes it.

Pillow decodes and torchvision scales, augments and normalises in two worker processes that live through the whole fit; 32-bit,
Lightning's default; frozen layers get no gradient and stay in eval mode; the best weights by validation loss are kept and
tested. Nothing is computed twice on purpose, and nothing is kept from epoch to epoch.
"""

import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC
from torchvision.transforms import v2

from benchmarks.first_step import EpochClock
from benchmarks.peers.images import MEAN, STD, Item, build, read_splits

RATES = {"head": (1e-3, "cosine"), "last10": (1e-5, "constant"), "all": (1e-4, "cosine")}  # as in artclf's configuration
WORKERS, BATCH = 2, 32
Batch = tuple[torch.Tensor, torch.Tensor]  # images float32 [B, 3, S, S], targets [B]


class Images(Dataset[Batch]):
    """Normalised images float32 [3, S, S] and their targets []."""

    def __init__(self, items: list[Item], size: int) -> None:
        self.items = items
        scaled = [v2.Resize(size), v2.CenterCrop(size)]
        affine = v2.RandomAffine(15, scale=(0.9, 1.1), interpolation=v2.InterpolationMode.BILINEAR)
        to_tensor = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
        self.plain = v2.Compose([*scaled, *to_tensor])
        self.augmented = v2.Compose([*scaled, v2.RandomHorizontalFlip(), affine, *to_tensor])

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Batch:
        item = self.items[index]
        with Image.open(item.file) as image:
            return (self.augmented if item.copy else self.plain)(image.convert("RGB")), torch.tensor(item.target)


class Classifier(LightningModule):
    """ResNet-50 and the seed study's head. `stage` says what trains: head, last10 or all."""

    def __init__(self, weights: Path, epochs: int) -> None:
        super().__init__()
        self.body, self.head = build(weights)
        self.epochs = epochs  # over which the learning rate falls, however many of them are run
        self.accuracy, self.auroc, self.train_accuracy = BinaryAccuracy(), BinaryAUROC(), BinaryAccuracy()

    def begin(self, stage: str) -> None:
        """Freeze what the stage does not train."""
        self.rate, self.schedule = RATES[stage]
        self.body.requires_grad_(False)
        # in a tuple, not as a module of its own: a checkpoint would hold it twice
        self.trained = ({"head": nn.Identity(), "last10": self.body.layer4[2], "all": self.body}[stage],)
        self.trained[0].requires_grad_(True)

    def on_train_epoch_start(self) -> None:
        """Keep frozen layers in eval mode."""
        self.body.eval()
        self.trained[0].train()

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:  # noqa: ARG002
        """The loss of a batch."""
        return self._step("train", batch, {"accuracy": self.train_accuracy})

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Loss, accuracy and AUROC."""
        self._step("val", batch, {"accuracy": self.accuracy, "auroc": self.auroc})

    def test_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """The same on the test images."""
        self._step("test", batch, {"accuracy": self.accuracy, "auroc": self.auroc})

    def _step(self, split: str, batch: Batch, metrics: dict[str, Any]) -> torch.Tensor:
        logit = self.head(self.body(batch[0])).squeeze(1)
        loss = nn.functional.binary_cross_entropy_with_logits(logit, batch[1])
        for metric in metrics.values():
            metric.update(torch.sigmoid(logit.detach()), batch[1].int())
        figures = {"loss": loss, **metrics}
        self.log_dict({f"{split}/{name}": value for name, value in figures.items()}, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> Any:
        """Adam over what trains; the rate stays, or falls by a half cosine."""
        optimizer = torch.optim.Adam([p for p in self.parameters() if p.requires_grad], lr=self.rate)
        if self.schedule == "constant":
            return optimizer
        steps = int(self.trainer.estimated_stepping_batches) * self.epochs // (self.trainer.max_epochs or 1)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def run(
    manifest: Path, root: Path, weights: Path, image_size: int, stages: list[str], epochs: int, only_epochs: int
) -> dict[str, Any]:
    """Train the stages (keys of RATES) and test the best weights; `only_epochs` are run, as if it were `epochs`."""
    lightning.seed_everything(0, workers=True)
    splits = read_splits(manifest, root)
    loaders = {
        split: DataLoader(
            Images(items, image_size),
            batch_size=BATCH,
            shuffle=split == "train",
            num_workers=WORKERS,
            persistent_workers=True,
            pin_memory=torch.cuda.is_available(),
            drop_last=split == "train" and len(items) % BATCH == 1,  # batch normalisation can't be trained on one
        )
        for split, items in splits.items()
    }
    model = Classifier(weights, epochs)
    kept: list[ModelCheckpoint] = []
    clocks: dict[str, Any] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        for stage in stages:
            kept.append(ModelCheckpoint(folder, filename=stage, monitor="val/loss", mode="min", save_weights_only=True))
            clock = EpochClock(str(folder / f"{stage}.jsonl"))
            model.begin(stage)
            _trainer(folder, only_epochs, [kept[-1], clock]).fit(model, loaders["train"], loaders["val"])
            _load(model, kept[-1])
            clocks[stage] = [json.loads(line) for line in clock.file.read_text(encoding="utf-8").splitlines()]
        _load(model, min(kept, key=lambda each: float(each.best_model_score or 0)))
        (figures,) = _trainer(folder, 1, []).test(model, loaders["test"], verbose=False)
    return {
        "test": {name.removeprefix("test/"): value for name, value in figures.items()},
        "images": {split: len(items) for split, items in splits.items()},
        "epochs": clocks,
        "written": time.time(),
    }


def _load(model: Classifier, kept: ModelCheckpoint) -> None:
    model.load_state_dict(torch.load(kept.best_model_path, map_location="cpu", weights_only=True)["state_dict"])


def _trainer(folder: Path, epochs: int, callbacks: list[Callback]) -> Trainer:
    return Trainer(
        default_root_dir=folder,
        max_epochs=epochs,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=bool(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        devices=1,
    )
