"""What the figures of a run depend on: versions and the machine."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil


def circumstances() -> dict[str, Any]:
    """Give what the figures depend on: versions and the machine."""
    return {
        "python": platform.python_version(),
        "twisted": version("twisted"),
        "twisted-lab": version("twisted-lab"),
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "cores": psutil.cpu_count(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
    }


def processor() -> str:
    """Give the processor's name, as Linux calls it, or what kind it is."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
