"""On what a measurement was made: processor, memory, graphics card, versions, commit. Nothing large is imported for it."""

import os
import platform
import re
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGES = ("torch", "torchvision", "lightning", "timm", "pillow", "numpy", "hydra-core")
REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = ("RESULTS.md", "results.json")  # which the benchmarks themselves change
FORMATS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "asimd")  # the first that a processor has says how it multiplies


def machine() -> str:
    """One line: "AMD EPYC (avx512_bf16), 2 cores, 23 GiB of memory, no GPU; Linux 6.1"."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    gpus = "no GPU"
    if shutil.which("nvidia-smi"):
        gpus = ", ".join(_printed("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").splitlines()) or gpus
    system = f"{platform.system()} {platform.release()}"
    return f"{processor()}, {cores()} cores, {memory:.0f} GiB of memory, {gpus}; {system}"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's name, and the widest instructions of FORMATS that it has."""
    file = Path("/proc/cpuinfo")
    about = file.read_text(encoding="utf-8") if file.exists() else ""
    name = re.search(r"^model name\s*: (.+)", about, re.MULTILINE)
    flags = re.search(r"^(?:flags|Features)\s*: (.+)", about, re.MULTILINE)
    widest = next((flag for flag in FORMATS if flags and flag in flags[1].split()), None)
    named = name[1] if name else platform.processor() or platform.machine()
    return f"{named} ({widest})" if widest else named


def versions() -> str:
    """One line: Python's version and those of the packages that the figures depend on."""
    return ", ".join(
        [f"Python {platform.python_version()}", *(f"{package} {metadata.version(package)}" for package in PACKAGES)]
    )


def commit() -> str:
    """The commit of the checkout, with "-dirty" where tracked files but the results are changed; "unknown" where it is none."""
    git = ("git", "-C", str(REPOSITORY))
    changed = ("status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!benchmarks/{name}" for name in RESULTS))
    found = _printed(*git, "rev-parse", "--short=12", "HEAD")
    return f"{found}-dirty" if found and _printed(*git, *changed) else found or "unknown"


def _printed(*command: str) -> str:
    """What a command prints; "" where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
