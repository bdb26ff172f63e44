"""The schema of a run's configuration. pydantic checks it, because it collects all errors, where OmegaConf stops at the first.

Keys that have a default here are newer than the others: config.yaml of an older run may not have them.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from artclf.cache.folder import kaggle_ai_artbench, kaggle_cache
from artclf.config.values import (
    CANONICAL_QUALITY,
    SIDES,
    Drawn,
    Fraction,
    Location,
    MoreThanZero,
    Name,
    NotNegative,
    Positive,
    Probability,
    Qualities,
    Quality,
    Seed,
    Share,
    ThreeDeviations,
    ThreeMeans,
    Weights,
    number_or,
)

METRICS = {"train/loss": "min", "train/accuracy": "max", "val/loss": "min", "val/accuracy": "max", "val/auroc": "max"}
"""What is logged in each epoch, and whether it is better when it is minimal or maximal."""


class Section(BaseModel):
    """A part of the configuration: unknown keys, wrong types, NaN and infinity are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, protected_namespaces=(), allow_inf_nan=False)


class DemoConfig(Section):
    """How the demo images are drawn; sizes in pixels."""

    seed: Seed
    size: Annotated[int, Field(ge=32, le=1024)]
    train_per_folder: Drawn
    test_per_folder: Drawn
    shortcut: Literal["size", "quality", "format"] | None = None  # planted in the AI images' files


class DataConfig(Section):
    """Where the images come from and how they are read; sizes in pixels."""

    source: Literal["demo", "ai_artbench", "folder", "csv"]
    root: Location | None
    csv: Location | None
    image_size: Annotated[int | str, number_or(SIDES[0], "auto", highest=SIDES[1])]
    batch_size: Annotated[int, Field(ge=1, le=2**20)]
    num_workers: Annotated[int, Field(ge=0, le=512)]
    val_fraction: Annotated[float, Field(gt=0.0, lt=0.9)]
    test_fraction: Annotated[float, Field(gt=0.0, lt=0.9)]
    split_seed: Seed
    max_rejected: Probability
    max_pixels: Annotated[int, Field(ge=1, le=2**32)]
    canonical: bool = False
    canonical_side: Annotated[int, Field(ge=16, le=2048)] | None = None
    canonical_quality: Quality = CANONICAL_QUALITY
    demo: DemoConfig | None

    @model_validator(mode="after")
    def _source_is_complete(self) -> Self:
        download = f"its download, which is not (or not wholly) in {kaggle_cache()}: type artclf data fetch ai_artbench"
        has, needs = {
            "demo": (self.demo, "its data.demo section (seed, train_per_folder, test_per_folder)"),
            "folder": (self.root, "data.root=FOLDER (in quotes, where it is called null)"),
            "csv": (self.csv, "data.csv=FILE"),
            "ai_artbench": (self.root or kaggle_ai_artbench(), f"data.root=FOLDER, or {download}"),
        }[self.source]
        if not has:
            raise ValueError(f"data={self.source} needs {needs}")
        return self


class BalanceConfig(Section):
    """How unequal classes are balanced."""

    name: Literal["augment", "sampler", "pos_weight", "undersample", "none"]


class AugmentConfig(Section):
    """How images are augmented. Zero (null for jpeg and webp) leaves an augmentation out."""

    name: str
    crop: Fraction
    rotation: Annotated[float, Field(ge=0.0, le=180.0)]
    zoom: Annotated[float, Field(ge=0.0, le=0.5)]  # beyond, reflection could not fill the margin
    flip: Probability
    color: Fraction
    blur: Probability
    jpeg: Qualities | None
    each_epoch: bool
    rescale: Annotated[float, Field(ge=0.0, le=0.9)] = 0.0
    webp: Qualities | None = None
    copies: Annotated[int, Field(ge=0, le=100)] = 0

    @model_validator(mode="after")
    def _lowest_first(self) -> Self:
        for name, quality in (("jpeg", self.jpeg), ("webp", self.webp)):
            if quality is not None and quality[0] > quality[1]:
                raise ValueError(f"augment.{name}: the lowest quality comes first: [40, 95]")
        return self

    @property
    def lowers_quality(self) -> bool:
        """Whether an augmented image may be more compressed or less sharp than its file."""
        return bool(self.jpeg or self.webp or self.blur or self.rescale)

    @property
    def changes_images(self) -> bool:
        """Whether it changes images at all."""
        return self.lowers_quality or any((self.crop, self.rotation, self.zoom, self.flip, self.color))


class ModelConfig(Section):
    """The backbone and its weights: auto, pretrained, none, or a file's path; None: the preprocessing of the weights."""

    library: Literal["torchvision", "timm", "onnx"]
    name: str
    weights: Weights
    mean: ThreeMeans | None = None  # per channel, of pixels in [0, 1]; std likewise
    std: ThreeDeviations | None = None
    interpolation: Literal["bilinear", "bicubic"] | None = None


class Part(BaseModel):
    """A part that is built from its options, which are checked against the constructor of its class."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    @property
    def options(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return dict(self.__pydantic_extra__ or {})


class NamedPart(Part):
    """A head or a loss."""

    name: str


class Target(Part):
    """A callback or a logger: `_target_` is the import path of its class."""

    target: str = Field(alias="_target_")


class OptimConfig(Section):
    """The optimiser of a stage."""

    name: Literal["adam", "adamw", "sgd"]
    lr: MoreThanZero
    weight_decay: Annotated[float, Field(ge=0.0, le=1e38)]


class StageConfig(Section):
    """One stage: how deep to unfreeze, and how to train what is unfrozen."""

    unfreeze: Annotated[int | str, number_or(0, "auto", "last_block", "all")]
    max_epochs: Annotated[int | str, number_or(1, "auto")]
    patience: Annotated[int | str, number_or(1, "auto")] | None
    optim: OptimConfig
    schedule: Literal["auto", "constant", "cosine", "onecycle"]
    lora_rank: Annotated[int, Field(ge=1, le=1024)] | None = None  # linear layers of what is unfrozen train by LoRA alone


class TrainerConfig(Section):
    """The hardware a run trains on. Named as the arguments of Lightning's Trainer."""

    accelerator: Literal["auto", "cpu", "gpu"]
    devices: Annotated[int | str, number_or(1, "auto")]
    num_nodes: Positive
    strategy: Literal["auto", "ddp"]
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
    channels_last: bool
    compile: bool = False
    deterministic: bool
    gradient_clip_val: MoreThanZero | None
    accumulate_grad_batches: Positive


class CacheConfig(Section):
    """What is computed once and kept."""

    pixels: bool = True
    prefix: bool = True
    max_gb: Annotated[float, Field(gt=0.0, le=1e9)] | None = None  # of one store; None: half of what is free on its disk


class AuditConfig(Section):
    """How many images, a random sample, are audited, and scored in both forms; 0: none."""

    images: NotNegative = 1000


class CalibrationConfig(Section):
    """How scores become probabilities and verdicts. The rates are target rates, of validation images or of a new source's."""

    by: Literal["auto", "source", "generator", "none"] = "auto"
    method: Literal["auto", "temperature", "platt", "isotonic", "none"] = "auto"
    false_positive_rate: Share = 0.01
    false_negative_rate: Share = 0.05


class MonitorConfig(Section):
    """The metric by which the best weights are chosen."""

    metric: Literal["val/loss", "val/accuracy", "val/auroc"]
    mode: Literal["min", "max"]

    @model_validator(mode="after")
    def _mode_fits(self) -> Self:
        better = METRICS[self.metric]
        if self.mode != better:
            raise ValueError(f"{self.metric} is better when it is {better}imal: monitor.mode={better}")
        return self


class PruningConfig(Section):
    """Which trial of a sweep a run is."""

    storage: str  # the sweep's journal, a file
    trial: NotNegative  # Optuna's id


class HoldoutConfig(Section):
    """What is left out of training: a family of generators, a style, a source, or all from a year on; None: each in turn."""

    by: Literal["generator", "style", "source", "period"]
    leave: Annotated[str, Field(min_length=1)] | None


class ResumeConfig(Section):
    """Which run continues."""

    folder: str | None = None
    trust: bool = False  # whether the folder may name classes of any package, and places to write to

    @model_validator(mode="after")
    def _trusts_a_folder(self) -> Self:
        if self.trust and self.folder is None:
            raise ValueError("resume.trust=true goes with a folder: resume=FOLDER resume.trust=true")
        return self


class Config(Section):
    """A whole run."""

    data: DataConfig
    balance: BalanceConfig
    augment: AugmentConfig
    model: ModelConfig
    head: NamedPart
    loss: NamedPart
    stages: Annotated[dict[Name, StageConfig], Field(min_length=1)]
    trainer: TrainerConfig
    callbacks: dict[Name, Target | None]
    logger: dict[Name, Target | None]
    seed: Seed
    monitor: MonitorConfig
    calibration: CalibrationConfig = CalibrationConfig()
    cache: CacheConfig = CacheConfig()
    audit: AuditConfig = AuditConfig()
    report: bool = True
    resume: ResumeConfig
    pruning: PruningConfig | None = None
    holdout: HoldoutConfig | None = None

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if taken := {"best", "last"} & self.stages.keys():
            raise ValueError(f"stages.{taken.pop()}: best.ckpt and last.ckpt have a meaning of their own; rename the stage")
        if self.balance.name == "augment":
            self._copies_fit()
        return self

    def _copies_fit(self) -> None:
        augment, others = self.augment, "balance=sampler, pos_weight, undersample or none"
        if not augment.changes_images:
            copies = "balance=augment makes augmented copies, and augment=none changes nothing: choose augment=basic or strong"
            raise ValueError(f"{copies}, or {others}")
        if augment.lowers_quality and not (augment.each_epoch or augment.copies):
            raise ValueError(
                "balance=augment would lower the quality of one class alone (jpeg, webp, blur, rescale), by which the classes "
                f"could be told apart: type augment.each_epoch=true, augment.copies=4 or {others}"
            )
