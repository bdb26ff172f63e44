"""artclf: train, test and explain classifiers that tell AI-generated art from human-made art."""

__version__ = "0.1.0"
