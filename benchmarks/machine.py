"""On what a measurement was made: processor, memory, graphics card, versions, commit."""

import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

from artclf.runtime import cores, memory

PACKAGES = ("torch", "torchvision", "lightning", "timm", "pillow", "numpy", "hydra-core")
REPOSITORY = Path(__file__).resolve().parents[1]
FORMATS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "asimd")  # the first that a processor has says how it multiplies


def where() -> str:
    """One line: "AMD EPYC (avx512_bf16), 2 cores, 23 GiB of memory, no GPU; Linux 6.1; Python 3.12.3, torch 2.11.0 …"."""
    found = ", ".join(f"{package} {metadata.version(package)}" for package in PACKAGES)
    return (
        f"{processor()}, {cores()} cores, {memory() / 2**30:.0f} GiB of memory, {gpus() or 'no GPU'}; {platform.system()} "
        f"{platform.release()}; Python {platform.python_version()}, {found}"
    )


def gpus() -> str:
    """The GPUs' names; "" without any."""
    return _printed("nvidia-smi", "--query-gpu=name", "--format=csv,noheader") if shutil.which("nvidia-smi") else ""


def processor() -> str:
    """The processor's name, and the widest instructions of FORMATS that it has."""
    file = Path("/proc/cpuinfo")
    about = file.read_text(encoding="utf-8") if file.exists() else ""
    name = re.search(r"^model name\s*: (.+)", about, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*: (.+)", about, re.MULTILINE)
    widest = next((flag for flag in FORMATS if flags and flag in flags[1].split()), "no known vector instructions")
    return f"{name[1] if name else platform.processor() or platform.machine()} ({widest})"


def commit() -> str:
    """The commit of the checkout, with "-dirty" where tracked files other than the results are changed."""
    git = ("git", "-C", str(REPOSITORY))
    results = (f":!benchmarks/{name}" for name in ("RESULTS.md", "results.json"))
    changed = _printed(*git, "status", "--porcelain", "--untracked-files=no", "--", ".", *results)
    return f"{_printed(*git, 'rev-parse', '--short=12', 'HEAD') or 'unknown'}{'-dirty' if changed else ''}"


def _printed(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
