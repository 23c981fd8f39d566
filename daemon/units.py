"""Durations and sizes as people write them: "15m", "1.5h", "10MB"."""

import math
import re

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 365 * 86400.0}
BYTES = {
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KIB": 1024,
    "MIB": 1024**2,
    "GIB": 1024**3,
    "TIB": 1024**4,
}
AMOUNT = re.compile(r"\s*([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([A-Za-z]{1,3})\s*", re.ASCII)


def parse_duration(text: str) -> float:
    """Seconds in "15m", "30s", "1.5h", "90d", "1y" (365 days). Raises ``ValueError`` with a sentence."""
    found = AMOUNT.fullmatch(text)
    unit = SECONDS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise ValueError(f'"{text[:40]}" is not a duration: write a number and ms, s, m, h, d, w or y, as in "15m"')
    return float(found[1]) * unit


def parse_size(text: str) -> int:
    """Bytes in "10MB" (powers of 1000) or "10MiB" (powers of 1024). Raises ``ValueError`` with a sentence."""
    found = AMOUNT.fullmatch(text)
    unit = BYTES.get(found[2].upper()) if found else None
    if found is None or unit is None:
        raise ValueError(f'"{text[:40]}" is not a size: write a number and B, KB, MB, GB or TB, as in "10MB"')
    return math.floor(float(found[1]) * unit)


def format_duration(seconds: float) -> str:
    """The shortest text that ``parse_duration`` reads as about the same: 900.0 is "15m"."""
    for unit in ("w", "d", "h", "m", "s"):
        if seconds >= SECONDS[unit] and seconds % SECONDS[unit] == 0:
            return f"{seconds / SECONDS[unit]:.0f}{unit}"
    return f"{seconds:g}s"
