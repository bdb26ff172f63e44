"""artclf: train, test and explain classifiers that tell AI-generated art from human-made art.

`load` reads a trained model, `train` trains one; an ArtclfError is something that the caller can fix. What they need is
loaded when they are used: `import artclf` alone costs nothing.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["ArtclfError", "load", "train"]

if TYPE_CHECKING:
    from artclf.errors import ArtclfError
    from artclf.inference.predict import load
    from artclf.training.single_run import train
else:

    def __getattr__(name: str) -> object:
        """Load what a public name stands for."""
        from importlib import import_module  # noqa: PLC0415 (as all below: where it is needed)

        from artclf.runtime import quick_imports  # noqa: PLC0415

        homes = {"ArtclfError": "artclf.errors", "load": "artclf.inference.predict", "train": "artclf.training.single_run"}
        if name not in homes:
            raise AttributeError(f"module 'artclf' has no attribute {name!r}")
        with quick_imports():
            return getattr(import_module(homes[name]), name)
