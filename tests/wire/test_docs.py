"""What the page says of settings is so."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tap_croct.settings import SETTINGS
from tests.support.documents import table

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.running import Output


FROM_THE_SDK = {
    "stream_maps", "stream_map_config", "faker_config", "batch_config", "flattening_enabled",
    "flattening_max_depth", "flattening_max_key_length", "flattening_separator",
}  # fmt: skip
"""Settings that the page describes in its own words."""


def test_the_settings_table(tap: Callable[..., Output]) -> None:
    """It names every setting, and says of the tap's own what the tap says of them."""
    about = json.loads(tap(None, "--about", "--format=json").stdout)
    properties: dict[str, dict[str, Any]] = about["settings"]["properties"]
    rows = {}
    for row in table("docs/settings.md", "Settings"):
        for name in re.findall(r"`(\w+)`", row["setting"]):
            rows[name] = row
    assert rows.keys() == properties.keys()
    own = SETTINGS["properties"].keys() - FROM_THE_SDK
    assert len(own) == len(rows) - len(FROM_THE_SDK)
    for name in own:
        setting = SETTINGS["properties"][name]
        assert rows[name][""] == setting["description"]
        if "default" in setting:
            assert rows[name]["default"].strip("`") == str(setting["default"]).replace(
                "False", "false"
            )
