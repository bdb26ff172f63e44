"""ArtClassifier, the LightningModule: a body, a head, and one shared step."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC
from torchmetrics.utilities import dim_zero_cat

from artclf.config.schema import StageConfig
from artclf.data.canonical import Canonical
from artclf.data.dataset import Batch
from artclf.errors import ArtclfError
from artclf.model.backbones import Backbone, build_backbone
from artclf.model.heads import HEADS
from artclf.model.layers import Layers, list_layers
from artclf.model.lora import PREFIX, add_lora, linear_modules, merged
from artclf.model.losses import LOSSES
from artclf.model.optimizers import RATE_BATCH, build_optimizer

FORMAT = 3  # of checkpoints, among their hyper-parameters
FROZEN = "frozen"  # in a checkpoint of an unfinished stage: the digest of the weights that it leaves out


class _Mean(Metric):
    """A weighted mean. NaN stays, so that divergence is seen; torchmetrics' own looks for it, and waits for a GPU to do so."""

    total: torch.Tensor
    weight: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        for state in ("total", "weight"):
            self.add_state(state, torch.zeros(()), dist_reduce_fx="sum")

    def update(self, value: torch.Tensor, weight: int) -> None:
        self.total += value * weight
        self.weight += weight

    def compute(self) -> torch.Tensor:
        return self.total / self.weight


class _AUROC(BinaryAUROC):
    """NaN where there is one class only, for which torchmetrics gives 0."""

    def compute(self) -> torch.Tensor:  # type: ignore[override]  # as in torchmetrics itself
        target = dim_zero_cat(self.target)
        return torch.tensor(math.nan) if target.min() == target.max() else super().compute()


class ArtClassifier(LightningModule):
    """A classifier of images, uint8 [B, 3, S, S] → logit [B]; target 1 and a positive logit mean AI.

    Its arguments are plain values: a checkpoint keeps them to build it again.

    Args:
        library, name: the backbone, as in `build_backbone`.
        head, loss: {"name": a key of HEADS or LOSSES, …its options}.
        preprocessing: {"mean", "std": per channel, of pixels in [0, 1]; "interpolation", "image_size": how images are resized,
            and to what size S; "canonical": {"side", "quality"} of the form that they are brought into first, or None}.
        weights: where the body's weights came from, for the record: "pretrained", "random", or a file.
        channels_last: whether convolutions run in that memory layout.
        backbone: the backbone with its weights; None: one with random weights.
    """

    mean: torch.Tensor
    std: torch.Tensor
    tail: Callable[[torch.Tensor], torch.Tensor] | None  # cached outputs of the frozen layers → features

    def __init__(
        self,
        library: str,
        name: str,
        head: dict[str, Any],
        loss: dict[str, Any],
        preprocessing: dict[str, Any],
        weights: str = "random",  # noqa: ARG002 (kept in the checkpoint)
        channels_last: bool = True,
        backbone: Backbone | None = None,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=["backbone"], logger=False)  # loggers get the whole configuration
        self.hparams["format"] = FORMAT
        self.image_size: int = preprocessing["image_size"]
        self.interpolation: str = preprocessing["interpolation"]
        self.canonical = Canonical(**preprocessing["canonical"]) if preprocessing.get("canonical") else None
        pooled = not HEADS[head["name"]].of_patches
        backbone = backbone or build_backbone(library, name, image_size=self.image_size, pooled=pooled)
        self.body = backbone.body
        self.layers: Layers = list_layers(self.body)
        self.head = HEADS[head["name"]](backbone.features, **_options(head))
        self.loss = LOSSES[loss["name"]](**_options(loss))
        for key in ("mean", "std"):
            self.register_buffer(key, torch.tensor(preprocessing[key]).view(1, -1, 1, 1), persistent=False)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.to(memory_format=self.memory_format)
        # means over all images of all processes: self.log's own mean rounds the processes' mean batch size down; to validate
        # arguments, torchmetrics would wait for a GPU in every step
        accuracy = BinaryAccuracy(validate_args=False)
        self.train_metrics = MetricCollection({"loss": _Mean(), "accuracy": accuracy}, prefix="train/")
        self.val_metrics = self.train_metrics.clone(prefix="val/")
        self.val_metrics.add_metrics({"auroc": _AUROC(validate_args=False)})
        self.stage: StageConfig | None = None  # set by `begin`, as are depth, seed and the digest of the frozen weights
        self.depth = len(self.layers)
        self.seed = 0
        self.batch = RATE_BATCH
        self.frozen_digest = ""
        self.fused = True  # whether the optimiser updates all tensors in one kernel
        self.tail = None  # set by FeatureCache, together with data that gives such outputs
        self.adapters: list[Any] = []  # of a stage with LoRA; in a list, as they hold the body, which is no part of theirs
        self._tested: list[tuple[torch.Tensor, torch.Tensor]] = []

    # ---- forward

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Pixels, uint8 [B, 3, S, S], or cached outputs of the frozen layers, the input of `tail` → logit [B]."""
        if inputs.dtype == torch.uint8:
            features = self.body(self.normalised(inputs))
        else:
            assert self.tail is not None
            features = self.tail(inputs)
        logit: torch.Tensor = self.head(features)
        return logit.float()  # half precision would round the loss and the probabilities

    def normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels, uint8 [B, 3, S, S] → images normalised for the body, float [B, 3, S, S]."""
        images = (pixels.to(self.mean.dtype) / 255 - self.mean) / self.std
        return images.contiguous(memory_format=self.memory_format)

    @torch.inference_mode()
    def p_ai(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels, uint8 [B, 3, S, S] → probability of AI [B]. Call it in eval mode."""
        return torch.sigmoid(self(pixels))

    def compile_what_trains(self) -> None:
        """Compile the tail, or the whole body where there is none, but no head alone. The first step then takes a minute."""
        if self.tail is None:
            self.body.compile()
        elif self.depth:
            self.tail = torch.compile(self.tail)

    # ---- stages

    def begin(self, stage: StageConfig, depth: int, seed: int = 0, batch: int = RATE_BATCH) -> None:
        """Begin a stage: freeze all but the head and the last `depth` layers of the body.

        Args:
            stage: how it trains.
            depth: number of layers that train besides the head.
            seed: of its dropout.
            batch: images of a step of the optimiser.
        """
        self.stage, self.depth, self.seed, self.batch = stage, depth, seed, batch
        self.layers.set_depth(depth)
        if stage.lora_rank:
            self.adapters = [add_lora(self.body, self.lora_layers(depth), stage.lora_rank)]
        self.frozen_digest = self.layers.frozen_digest(depth)

    def lora_layers(self, depth: int) -> list[str]:
        """The linear layers among the last `depth`, by name. ArtclfError if there are none."""
        trained = self.layers.trained(depth)
        of_parameters = [name.rpartition(".")[0] for layer in trained for name in layer.parameters]
        return linear_modules(self.body, [*(layer.name for layer in trained), *of_parameters])

    def merged(self, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The tensors of a checkpoint, with those of LoRA merged into the body's."""
        if not self.adapters:
            return state
        body = merged(self.adapters[0], {key[5:]: value for key, value in state.items() if key.startswith("body.")})
        others = {key: value for key, value in state.items() if not key.startswith("body.")}
        return {**{f"body.{key}": value for key, value in body.items()}, **others}

    def load_weights(self, state: dict[str, torch.Tensor]) -> None:
        """Load a checkpoint's tensors; in a stage with LoRA, those of the plain network end it, as after its last epoch."""
        if not any(PREFIX in name for name in state):
            self.end()
        self.load_state_dict(state)

    def end(self) -> None:
        """End a stage: merge LoRA's matrices, if it had any, into the body."""
        while self.adapters:
            self.adapters.pop().merge_and_unload()

    def configure_optimizers(self) -> Any:
        """The stage's optimiser, over what trains; no weight decay on tensors of fewer than two dimensions."""
        assert self.stage is not None
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        steps = 0 if self.stage.schedule == "constant" else int(self.trainer.estimated_stepping_batches)
        optimizer, scheduler = build_optimizer(self.stage, trained, steps, self.batch, fused=self.fused)
        if scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def what_trains(self) -> str:
        """One line for the log: how many layers and parameters train."""
        total = sum(p.numel() for p in self.parameters())
        parameters = f"{self.trainable_parameters():,} of {total:,} parameters"
        return f"{self.depth} of {len(self.layers)} layers and the head train: {parameters}"

    def trainable_parameters(self) -> int:
        """Number of parameters that the stage trains."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def on_train_epoch_start(self) -> None:
        """Set the modes again: a callback or a validation may have changed them."""
        self.layers.set_modes(self.depth)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002
        """Seed dropout by the seed, the epoch and the process: before the first batch, after a data loader has drawn."""
        if batch_idx == 0:
            words = np.random.SeedSequence([self.seed, self.current_epoch, self.global_rank]).generate_state(1, np.uint64)
            torch.manual_seed(int(words[0]))

    # ---- checkpoints

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out what the stage does not change: most of the weights, which would be written anew after each epoch."""
        if frozen := self.layers.frozen_state(self.depth):
            for name in frozen:
                del checkpoint["state_dict"][f"body.{name}"]
            checkpoint[FROZEN] = self.frozen_digest

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Put back what `on_save_checkpoint` left out. ArtclfError if the frozen weights are not those the stage began with."""
        digest = checkpoint.pop(FROZEN, None)
        if digest is None:
            return
        if digest != self.frozen_digest:
            raise ArtclfError(
                f"the weights of {self.hparams['name']} are no longer those with which this run began (model.weights="
                f"{self.hparams['weights']}): put them back, or begin a new run"
            )
        frozen = self.layers.frozen_state(self.depth)
        checkpoint["state_dict"].update({f"body.{name}": tensor for name, tensor in frozen.items()})

    # ---- steps

    def _shared_step(self, batch: Batch, batch_idx: int, metrics: MetricCollection) -> torch.Tensor:
        """Update metrics by a batch, and return its loss []."""
        inputs, target, _ = batch
        logit = self(inputs)
        loss: torch.Tensor = self.loss(logit, target)
        # not logits: torchmetrics takes them for probabilities where all lie in [0, 1]
        p_ai, value = torch.sigmoid(logit.detach()), loss.detach().clone()
        metrics.update(preds=p_ai, target=target.int(), value=value, weight=len(target))
        if batch_idx == 0:  # Lightning computes them at the end of the epoch
            self.log_dict(metrics, on_step=False, on_epoch=True, prog_bar=True)
        return loss

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """The loss of a batch."""
        return self._shared_step(batch, batch_idx, self.train_metrics)

    def on_validation_start(self) -> None:
        """Let all processes validate with the buffers that are saved, the first one's: each has its own running means."""
        if self.trainer.world_size > 1:
            for buffer in self.buffers():
                torch.distributed.broadcast(buffer, src=0)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss, accuracy and AUROC of the validation split."""
        self._shared_step(batch, batch_idx, self.val_metrics)

    def on_test_epoch_start(self) -> None:
        """Clear an earlier test's scores."""
        self._tested.clear()

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:  # noqa: ARG002
        """Collect each image's row and p(AI); metrics are computed from them after Lightning's test."""
        inputs, _, row = batch
        self._tested.append((row, torch.sigmoid(self(inputs))))  # on their device: to fetch them is to wait for it

    def tested(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows int64 [N], rising, and p(AI) float32 [N] of all images of the last test, from every process."""
        rows, p_ai = (torch.cat(parts).cpu() for parts in zip(*self._tested, strict=True))
        if self.trainer.world_size > 1:
            gathered: list[Any] = [None] * self.trainer.world_size
            torch.distributed.all_gather_object(gathered, (rows, p_ai))
            rows, p_ai = (torch.cat(parts) for parts in zip(*gathered, strict=True))
        order = torch.argsort(rows)
        return rows[order], p_ai[order]


def _options(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "name"}
