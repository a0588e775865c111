"""The tap that the SDK's template gives for this API, with the same schemas.

`python -m dev.bench.template --config FILE`
"""

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, ClassVar

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import APIKeyAuthenticator
from singer_sdk.helpers.types import Context

from tap_croct import schemas

STREAMS = {
    # path, schema, key, times: first the one that the API sorts by
    "events": ("/events", schemas.EVENT, "id", ("timestamp",)),
    "sessions": ("/session", schemas.SESSION, "sessionId", ("closeTime",)),
    "users": ("/user", schemas.USER, "userId", ("lastModifiedTime", "birthDate")),
}


def format_times(row: dict[str, Any], names: Iterable[str]) -> None:
    """Format some times of a record, as one would."""
    for name in names:
        if row[name] is not None:
            moment = datetime.fromtimestamp(row[name] / 1000, timezone.utc)
            row[name] = moment.isoformat(timespec="milliseconds")


class TemplateStream(RESTStream[Any]):
    """What the streams share, as the template has it."""

    records_jsonpath = "$.items[*]"
    next_page_token_jsonpath = "$.nextCursor"

    def __init__(self, tap: Tap, name: str) -> None:
        """Take over what `STREAMS` says of a stream."""
        path, schema, key, self.times = STREAMS[name]
        super().__init__(tap, name, schema, path)
        self.primary_keys = (key,)
        self.replication_key = self.times[0]

    @property
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @property
    def authenticator(self) -> APIKeyAuthenticator:
        return APIKeyAuthenticator(key="X-Api-Key", value=self.config["api_key"])

    def get_url_params(self, context: Context | None, next_page_token: Any) -> dict[str, Any]:
        del context
        return {"pageSize": 1000, "cursor": next_page_token}

    def post_process(self, row: dict[str, Any], context: Context | None = None) -> dict[str, Any]:
        del context
        format_times(row, self.times)
        if self.name == "events":
            row["eventType"] = row["payload"]["@type"]
        elif self.name == "sessions":
            format_times(row["window"], row["window"])
        return row


class TemplateTap(Tap):
    """The template's tap."""

    name = "tap-template"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("api_key", th.StringType, required=True, secret=True),
        th.Property("api_url", th.StringType, required=True),
    ).to_dict()

    def discover_streams(self) -> list[RESTStream[Any]]:
        return [TemplateStream(self, name) for name in STREAMS]


if __name__ == "__main__":
    TemplateTap.cli()
