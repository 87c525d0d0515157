"""This machine in words, and who used its processors while something was measured. Linux; reads /proc alone."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

FLAGS = ("avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
BEYOND_AVX2 = ("avx_vnni", "avx512f", "amx_int8")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Machine:
    """``memory`` in bytes."""

    processor: str
    cores: int
    flags: tuple[str, ...]
    memory: int
    system: str

    @property
    def beyond_avx2(self) -> bool:
        return any(flag in self.flags for flag in BEYOND_AVX2)


def this_machine(cores: int) -> Machine:
    lines = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    info = {name.strip(): value.strip() for name, _, value in lines}
    present = set(info.get("flags", "").split())
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return Machine(
        processor=f"{info.get('model name', platform.machine())} (family {info.get('cpu family')}, model {info.get('model')})",
        cores=cores,
        flags=tuple(flag for flag in FLAGS if flag in present),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        system=f"{system}, Linux {platform.release()}, Python {platform.python_version()}",
    )


def busy_seconds() -> float:
    """Seconds that the processors of this machine have worked, all together, since it started; stolen ones included."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) / TICKS


def children(root: int | None = None) -> list[int]:
    """Every process below ``root`` (this one unless given)."""
    parents = {process: parent for process, parent, _ in _processes()}
    found = [root or os.getpid()]
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found[1:]


def tree_seconds(root: int) -> float:
    """Processor seconds that a process and all below it have used."""
    members = {root, *children(root)}
    return sum(seconds for process, _, seconds in _processes() if process in members)


def resident(process: int) -> int:
    """Bytes of memory that a process holds, 0 when it is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _processes() -> list[tuple[int, int, float]]:
    """(process, parent, processor seconds of it and of its children that have ended)."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended meanwhile
        found.append((int(folder.name), int(fields[1]), sum(int(field) for field in fields[11:15]) / TICKS))
    return found
