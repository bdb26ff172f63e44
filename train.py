"""Hydra composes conf/, artclf runs it. Try `python train.py --help`; `artclf train` does the same, from any folder."""

from artclf.training.launch import main

if __name__ == "__main__":
    main()
