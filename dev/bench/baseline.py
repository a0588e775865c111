"""The baseline: fetch pages, split and re-encode them, and nothing else.

`python -m dev.bench.baseline URL`
"""

import sys

import msgspec
import requests


class _Event(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: str
    sessionId: str  # noqa: N815 - the API's name
    userId: str  # noqa: N815 - the API's name
    timestamp: int
    context: msgspec.Raw
    payload: msgspec.Raw


class _Page(msgspec.Struct):
    items: list[_Event]
    nextCursor: str | None = None  # noqa: N815 - the API's name


class _Record(msgspec.Struct, tag="RECORD", tag_field="type", gc=False):
    stream: str
    record: _Event


def main(url: str) -> None:
    session = requests.Session()
    decoder = msgspec.json.Decoder(_Page)
    encoder = msgspec.json.Encoder()
    params: dict[str, str | int] = {"pageSize": 1000}
    while True:
        page = decoder.decode(session.get(f"{url}/events", params=params).content)
        if not page.items:
            return
        lines = encoder.encode_lines([_Record("events", item) for item in page.items])
        sys.stdout.buffer.write(lines)
        params["cursor"] = str(page.nextCursor)


if __name__ == "__main__":
    main(sys.argv[1])
