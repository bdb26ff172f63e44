"""A plain state dict from a checkpoint of artclf's, for its peers: `python -m benchmarks.weights FROM TO`."""

import sys
from pathlib import Path

import torch

BODY = "body."


def extract(checkpoint: Path, file: Path) -> int:
    """Write the backbone's tensors, under the names that torchvision gives them.

    Returns:
        The number of tensors.
    """
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    # contiguous: artclf trains channels-last, and whoever loads the file is to choose that
    body = {name.removeprefix(BODY): tensor.contiguous() for name, tensor in state.items() if name.startswith(BODY)}
    torch.save(body, file)
    return len(body)


if __name__ == "__main__":
    print(f"{extract(Path(sys.argv[1]), Path(sys.argv[2]))} tensors: {sys.argv[2]}")
