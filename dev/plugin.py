"""The plugin definition for Meltano projects of others, generated from this repository's `meltano.yml`.

`make plugin` (or `python -m dev.plugin`) writes it; a test fails when it is out of date.
"""

import re
import textwrap

from dev.environments import ROOT

DEFINITION = ROOT / "plugins" / "extractors" / "tap-croct.yml"

_HEAD = """\
# Generated from meltano.yml by `make plugin`. For a Meltano project next to a clone of this repository:
#   meltano add --from-ref ../tap-croct/plugins/extractors/tap-croct.yml tap-croct
# If the clone is somewhere else, change `pip_url` to its path.
"""


def definition() -> str:
    """Return the extractor's entry of `meltano.yml` as a definition of its own, as YAML."""
    text = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    pattern = r"^  - (name: tap-croct\n.*?)^  \w+:$"
    (entry,) = re.findall(pattern, text, re.DOTALL | re.MULTILINE)
    body = textwrap.dedent(f"    {entry}")
    return _HEAD + body.replace("pip_url: -e .\n", "pip_url: ../tap-croct\n")


if __name__ == "__main__":
    DEFINITION.write_text(definition(), encoding="utf-8")
