"""What any such program has to import before it can begin; its whole process is the floor's start-up."""

# ruff: noqa: F401 (they are imported for the time it takes)

import hydra
import lightning.pytorch
import matplotlib.figure
import pandas
import PIL.Image
import pydantic
import sklearn.metrics
import torch
import torchmetrics.classification
import torchvision.transforms.v2
