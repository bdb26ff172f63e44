"""On what a measurement was made: processor, memory, graphics card, versions, commit. Nothing large is imported for it."""

import os
import platform
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
    gpus = graphics_cards()
    memory = f"{memory_bytes() / 2**30:.0f} GiB of memory"
    return f"{processor()}, {cores()} cores, {memory}, {', '.join(gpus) or 'no GPU'}; {platform.system()} {platform.release()}"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """The processor's name, and the widest instructions of FORMATS that it has."""
    lines = _lines(Path("/proc/cpuinfo"))
    name = lines.get("model name") or platform.processor() or platform.machine()
    flags = (lines.get("flags") or lines.get("Features") or "").split()
    widest = next((flag for flag in FORMATS if flag in flags), None)
    return f"{name} ({widest})" if widest else name


def memory_bytes() -> int:
    """The machine's memory; 0 where it can't be told."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def graphics_cards() -> list[str]:
    """The names of NVIDIA's cards, by nvidia-smi; none where there is no such command."""
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if done.returncode == 0 else []


def versions() -> str:
    """One line: Python's version and those of the packages that the figures depend on."""
    found = [f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def commit() -> str:
    """The commit of the checkout, with "-dirty" where tracked files but the results are changed; "unknown" where it is none."""
    git = ["git", "-C", str(REPOSITORY)]
    changed = ["status", "--porcelain", "--untracked-files=no", "--", ".", *(f":!benchmarks/{name}" for name in RESULTS)]
    try:
        found, dirty = (
            subprocess.run([*git, *words], capture_output=True, text=True, timeout=30, check=True).stdout.strip()
            for words in (["rev-parse", "--short=12", "HEAD"], changed)
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return f"{found}-dirty" if dirty else found


def _lines(file: Path) -> dict[str, str]:
    try:
        pairs = (line.split(":", 1) for line in file.read_text(encoding="utf-8").splitlines() if ":" in line)
    except OSError:
        return {}
    return {name.strip(): value.strip() for name, value in pairs}
