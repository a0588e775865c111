"""Certificates of the environment are honored, where the connection is encrypted."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import certifi

from tap_croct.tap import TapCroct

if TYPE_CHECKING:
    from pathlib import Path

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
