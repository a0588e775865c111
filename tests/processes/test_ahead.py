"""Pages are fetched one page ahead and never more; that they are, `test_bookmarks.py` shows."""

from pathlib import Path

import pytest

from dev.running import launch
from tests.support.fixtures import Start
from tests.support.slow_reader import lines_of

PAGE = 50
EVENT = b'{"type":"RECORD","stream":"events"'


@pytest.mark.slow
def test_at_most_one_page_ahead(start: Start, tmp_path: Path) -> None:
    """A pipe does not take a page of these events at once."""
    sandbox = start(visits=50)
    for event in sandbox.world.items("events"):
        event["payload"]["title"] = "x" * 20_000
    in_the_pipe = 4  # lines; with them, the last lines of a page
    seen = 0
    with launch(tmp_path, sandbox.config(page_size=PAGE)) as process:
        for line in lines_of(process, pause=0.02, every=10):
            if line.startswith(EVENT):
                page = (seen + in_the_pipe) // PAGE + 1
                assert len(sandbox.pages("events")) <= page + 1
                seen += 1
    assert seen == len(sandbox.world.items("events"))
