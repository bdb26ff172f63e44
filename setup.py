"""What pyproject.toml can't say: the packages that are found, and conf/, which travels in the wheel as artclf/conf."""

from setuptools import find_namespace_packages, setup

setup(packages=[*find_namespace_packages(include=["artclf*", "hydra_plugins*"]), "artclf.conf"])
