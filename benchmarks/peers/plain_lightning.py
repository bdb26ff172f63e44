"""The seed's job in plain Lightning, as a competent user writes it.

Pillow decodes and torchvision scales, alters and normalises in two worker processes that live through the whole fit; 32-bit,
which is Lightning's default; what is frozen gets no gradient and stays in eval mode; the best weights by validation loss are
kept, and tested at the end. Nothing is computed twice on purpose, but nothing is kept from epoch to epoch either.
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
from torchvision.models import resnet50
from torchvision.transforms import v2

from benchmarks.first_step import EpochClock
from benchmarks.peers.pictures import MEAN, STD, Item, balanced, read_split

RATES = {"head": (1e-3, "cosine"), "last10": (1e-5, "constant"), "all": (1e-4, "cosine")}  # as artclf is told to train
WORKERS, BATCH = 2, 32


class Pictures(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Normalised pictures float32 [3, S, S] and their targets []."""

    def __init__(self, items: list[Item], size: int) -> None:
        self.items = items
        to_tensor = [v2.PILToTensor(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
        scaled = [v2.Resize(size), v2.CenterCrop(size)]
        self.plain = v2.Compose([*scaled, *to_tensor])
        self.altered = v2.Compose(
            [*scaled, v2.RandomHorizontalFlip(), v2.RandomAffine(15, scale=(0.9, 1.1), interpolation=BILINEAR), *to_tensor]
        )

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        item = self.items[index]
        with Image.open(item.file) as image:
            picture = image.convert("RGB")
        return (self.altered if item.copy else self.plain)(picture), torch.tensor(item.target)


BILINEAR = v2.InterpolationMode.BILINEAR


class Classifier(LightningModule):
    """ResNet-50 and the seed study's head. `stage` says what trains: head, last10 or all."""

    def __init__(self, weights: Path, epochs: int) -> None:
        super().__init__()
        self.body = resnet50(weights=None)
        self.body.fc = nn.Identity()
        self.body.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        self.head = nn.Sequential(
            nn.Linear(2048, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(256, 1)
        )
        self.epochs = epochs  # over which the learning rate falls, however many of them are run
        self.accuracy, self.auroc, self.train_accuracy = BinaryAccuracy(), BinaryAUROC(), BinaryAccuracy()

    def begin(self, stage: str) -> None:
        """Freeze what the stage does not train."""
        self.rate, self.schedule = RATES[stage]
        self.body.requires_grad_(stage == "all")
        # in a tuple, not as a module of its own: a checkpoint would hold it twice
        self.trained = ({"head": nn.Identity(), "last10": self.body.layer4[2], "all": self.body}[stage],)
        self.trained[0].requires_grad_(True)

    def on_train_epoch_start(self) -> None:
        """What is frozen stays in eval mode."""
        self.body.eval()
        self.trained[0].train()

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Normalised pictures [B, 3, S, S] → logit [B]."""
        logit: torch.Tensor = self.head(self.body(pictures)).squeeze(1)
        return logit

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:  # noqa: ARG002
        """The loss of a batch."""
        logit, loss = self._step(batch)
        self.train_accuracy(torch.sigmoid(logit.detach()), batch[1].int())
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        self.log("train/accuracy", self.train_accuracy, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """Loss, accuracy and AUROC."""
        self._evaluate("val", batch)

    def test_step(self, batch: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> None:  # noqa: ARG002
        """The same on the test pictures."""
        self._evaluate("test", batch)

    def _evaluate(self, split: str, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        logit, loss = self._step(batch)
        for metric in (self.accuracy, self.auroc):
            metric.update(torch.sigmoid(logit), batch[1].int())
        figures: dict[str, Any] = {f"{split}/loss": loss, f"{split}/accuracy": self.accuracy, f"{split}/auroc": self.auroc}
        self.log_dict(figures, on_step=False, on_epoch=True)

    def _step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        logit = self(batch[0])
        return logit, nn.functional.binary_cross_entropy_with_logits(logit, batch[1])

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
    """Train the stages and test the best weights.

    Args:
        manifest: a run's manifest.csv, whose paths are relative to `root`.
        root: the images' folder.
        weights: a state dict of ResNet-50's body.
        image_size: pixels a side.
        stages: keys of RATES.
        epochs: of each stage.
        only_epochs: how many of them are run; the learning rate falls as if all were.
    """
    lightning.seed_everything(0, workers=True)
    splits = {split: read_split(manifest, root, split) for split in ("train", "val", "test")}
    splits["train"] = balanced(splits["train"])
    loaders = {
        split: DataLoader(
            Pictures(items, image_size),
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
    best: ModelCheckpoint | None = None
    clocks: dict[str, Any] = {}
    with TemporaryDirectory() as name:
        folder = Path(name)
        for stage in stages:
            kept = ModelCheckpoint(folder, filename=stage, monitor="val/loss", mode="min", save_weights_only=True)
            clock = EpochClock(str(folder / f"{stage}.jsonl"))
            model.begin(stage)
            _trainer(folder, only_epochs, [kept, clock]).fit(model, loaders["train"], loaders["val"])
            model.load_state_dict(torch.load(kept.best_model_path, map_location="cpu", weights_only=True)["state_dict"])
            if best is None or float(kept.best_model_score or 0) < float(best.best_model_score or 0):
                best = kept
            clocks[stage] = [json.loads(line) for line in clock.file.read_text(encoding="utf-8").splitlines()]
        if best is not None:
            model.load_state_dict(torch.load(best.best_model_path, map_location="cpu", weights_only=True)["state_dict"])
        (figures,) = _trainer(folder, 1, []).test(model, loaders["test"], verbose=False)
    return {
        "test": {"n": len(splits["test"]), **{name.removeprefix("test/"): value for name, value in figures.items()}},
        "pictures": {split: len(items) for split, items in splits.items()},
        "epochs": clocks,
        "written": time.time(),
    }


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
