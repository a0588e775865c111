"""What the data dictionary says of a property, for the dbt package to quote.

`make dictionary` (or `python -m dev.dbt_docs`) writes it from the schemas; a test fails when it is out
of date.
"""

from pathlib import Path

from dev.dictionary import columns
from dev.warehouse import SCHEMAS

PAGE = Path(__file__).parent.parent / "transform" / "models" / "dictionary.md"
_HEAD = "<!-- Generated from tap_croct/schemas.py by `make dictionary`. Do not edit by hand. -->\n"


def page() -> str:
    """Return the docs blocks that the package's models use, one for each property."""
    used = "".join(path.read_text() for path in PAGE.parent.glob("*/*.yml"))
    blocks = [
        f"{{% docs {block} %}}{prop['description']}{{% enddocs %}}\n"
        for name, schema in SCHEMAS.items()
        for path, prop in columns(schema)
        if f"doc('{(block := block_name(name, path))}')" in used
    ]
    return "\n".join([_HEAD, *blocks])


def block_name(stream: str, path: str) -> str:
    """Name the block of a property: `events__payload_order_total`."""
    return f"{stream}__{path.replace('[]', '').replace('.', '_').replace('@', '')}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
