"""The plugin definition and the tap's settings agree."""

from __future__ import annotations

import yaml

from dev.environments import ROOT
from tap_croct.tap import TapCroct

KINDS = {
    "string": {"string", "date_iso8601", "options"},
    "integer": {"integer"},
    "number": {"decimal"},
    "boolean": {"boolean"},
    "array": {"array"},
    "object": {"object"},
}


def test_meltano_yml_and_the_settings_agree() -> None:
    (extractor,) = yaml.safe_load((ROOT / "meltano.yml").read_text())["plugins"]["extractors"]
    TapCroct.append_builtin_config(TapCroct.config_jsonschema)
    schema = TapCroct.config_jsonschema
    settings = {setting["name"]: setting for setting in extractor["settings"]}
    assert list(settings) == list(schema["properties"])
    for name, prop in schema["properties"].items():
        setting = settings[name]
        types = prop["type"] if isinstance(prop["type"], list) else [prop["type"]]
        (kind,) = [kind for kind in types if kind != "null"]
        assert setting["kind"] in KINDS[kind], name
        assert setting.get("value") == prop.get("default"), name
        assert setting.get("sensitive", False) is prop.get("secret", False), name
        assert setting["label"] == prop["title"], name
        assert setting["description"] == prop["description"], name
        if "enum" in prop:
            assert [option["value"] for option in setting["options"]] == prop["enum"]
    assert extractor["settings_group_validation"] == [schema["required"]]
    assert sorted(extractor["capabilities"]) == sorted(c.value for c in TapCroct.capabilities)
