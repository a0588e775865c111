"""The extra `faker`: invented values in place of personal ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dev.running import Output
    from dev.sandbox import Sandbox


def test_invented_email_addresses(sandbox: Sandbox, tap: Callable[..., Output]) -> None:
    config = sandbox.config(
        stream_maps={"users": {"email": "fake.email() if email else None"}},
        faker_config={"seed": 7, "locale": "en_US"},
    )
    real = [user["email"] for user in sandbox.world.items("users")]
    first = [user["email"] for user in tap(config).records("users")]
    assert [email is None for email in first] == [email is None for email in real]
    invented = {email for email in first if email}
    assert len(invented) > 1
    assert all("@" in email for email in invented)
    assert not invented & set(real)
    assert [user["email"] for user in tap(config).records("users")] == first
