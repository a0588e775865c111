"""The key is redacted; certificates of the environment are honored."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from tap_croct.tap import TapCroct

if TYPE_CHECKING:
    from pathlib import Path

    import certifi
import pytest

KEY = "k3y-0f-th3-sh0p-7f83b165"


def test_certificates_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    shutil.copy(certifi.where(), bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    session = stream("https://api.croct.io/export").requests_session
    assert (session.verify, session.trust_env) == (str(bundle), True)
    session = stream("http://localhost/export").requests_session
    assert session.trust_env is False


def stream(url: str) -> Any:
    return TapCroct(config={"api_key": KEY, "api_url": url}).streams["events"]
