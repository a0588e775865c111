"""The three streams with dlt's REST client, into DuckDB: `python dlt_pipeline.py URL KEY`.

Runs in the `dlt` environment.
"""

from __future__ import annotations

import sys
import tempfile

import dlt  # type: ignore[import-not-found]
from dlt.sources.helpers.rest_client import RESTClient  # type: ignore[import-not-found]
from dlt.sources.helpers.rest_client.auth import APIKeyAuth  # type: ignore[import-not-found]
from dlt.sources.helpers.rest_client.paginators import (  # type: ignore[import-not-found]
    JSONResponseCursorPaginator,
)

STREAMS = {"events": "id", "sessions": "sessionId", "users": "userId"}
PATHS = {"events": "events", "sessions": "session", "users": "user"}


def main() -> None:
    url, key = sys.argv[1:]
    client = RESTClient(
        url,
        auth=APIKeyAuth(name="X-Api-Key", api_key=key),
        paginator=JSONResponseCursorPaginator(cursor_path="nextCursor", cursor_param="cursor"),
    )
    resources = [
        dlt.resource(
            client.paginate(PATHS[name], params={"pageSize": 1000}, data_selector="items"),
            name=name,
            primary_key=primary_key,
            write_disposition="merge",
            max_table_nesting=0,
        )
        for name, primary_key in STREAMS.items()
    ]
    pipeline = dlt.pipeline(
        "croct",
        pipelines_dir=tempfile.mkdtemp(dir="."),  # nothing is known of an earlier warehouse
        destination=dlt.destinations.duckdb("dlt.duckdb"),
        dataset_name="croct",
    )
    print(pipeline.run(resources))


if __name__ == "__main__":
    main()
