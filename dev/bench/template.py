"""The tap that the SDK's template gives for this API, with the same schema.

`python -m dev.bench.template --config FILE`
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar

from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import APIKeyAuthenticator

from tap_croct import schemas

if TYPE_CHECKING:
    from singer_sdk.helpers.types import Context


class EventsStream(RESTStream[Any]):
    """Events, as the template would do it."""

    name = "events"
    path = "/events"
    primary_keys: ClassVar[list[str]] = ["id"]
    replication_key = "timestamp"
    schema = schemas.EVENT
    records_jsonpath = "$.items[*]"
    next_page_token_jsonpath = "$.nextCursor"

    @property
    def url_base(self) -> str:
        return str(self.config["api_url"])

    @property
    def authenticator(self) -> APIKeyAuthenticator:
        return APIKeyAuthenticator(key="X-Api-Key", value=self.config["api_key"])

    def get_url_params(self, context: Context | None, next_page_token: Any) -> dict[str, Any]:
        del context
        return {"pageSize": 1000, "cursor": next_page_token}

    def post_process(
        self, row: dict[str, Any], context: Context | None = None
    ) -> dict[str, Any] | None:
        del context
        time = datetime.fromtimestamp(row["timestamp"] / 1000, timezone.utc)
        row["timestamp"] = time.isoformat(timespec="milliseconds")
        row["eventType"] = row["payload"]["@type"]
        return row


class TemplateTap(Tap):
    """The template's tap."""

    name = "tap-template"
    config_jsonschema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property("api_key", th.StringType, required=True, secret=True),
        th.Property("api_url", th.StringType, required=True),
    ).to_dict()

    def discover_streams(self) -> list[RESTStream[Any]]:
        return [EventsStream(self)]


if __name__ == "__main__":
    TemplateTap.cli()
