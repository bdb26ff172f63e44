"""The door: Hydra composes conf/, artclf runs it. Try `python train.py --help`."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from artclf.errors import boundary
from artclf.training.launch import check_command_line, launch


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def train(config: DictConfig) -> float | None:
    """Train, test and report, as the command line says."""
    return launch(config)


if __name__ == "__main__":
    with boundary("hydra.run.dir=FOLDER"):
        sys.argv[1:] = check_command_line(sys.argv[1:], Path(__file__).resolve().parent / "conf")
        train()
