"""Puts config/ into the wheel as daemon/starter, which is what `wirewatch init` writes.

Only into the real wheel: in an editable install a folder of that name in site-packages would hide the package daemon.
"""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class StarterFiles(BuildHookInterface[Any]):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "standard":
            for name in ("wirewatch.toml", "topics.toml", "feeds.toml"):  # by name: config/data is the developer's own
                build_data["force_include"][f"config/{name}"] = f"daemon/starter/{name}"
