"""S3-compatible storage on this machine."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from dev.environments import environment


class S3Server:
    """A local S3 server."""

    def __init__(self, url: str) -> None:
        """Take its URL."""
        self.url = url

    def make(self, bucket: str) -> None:
        requests.put(f"{self.url}/{bucket}", timeout=10).raise_for_status()

    def objects(self, bucket: str) -> dict[str, bytes]:
        """Return the content of each object of a bucket, by its key."""
        keys = re.findall("<Key>(.+?)</Key>", self._get(bucket).decode())
        return {key: self._get(f"{bucket}/{key}") for key in keys}

    def _get(self, path: str) -> bytes:
        # Whoever has no name may not read objects.
        named = {"Authorization": "AWS test:test"}
        response = requests.get(f"{self.url}/{path}", headers=named, timeout=10)
        response.raise_for_status()
        return response.content


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Start an S3 server on a free port; stop it in the end."""
    script = (
        "import sys; from moto.server import ThreadedMotoServer as Server\n"
        "server = Server('127.0.0.1', 0); server.start()\n"
        "print(server.get_host_and_port()[1], flush=True); sys.stdin.read(); server.stop()"
    )
    with subprocess.Popen(
        [environment("moto") / "python", "-c", script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as server:  # fmt: skip
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            port = next(line for line in server.stdout if line.strip().isdigit())
            yield S3Server(f"http://127.0.0.1:{port.strip()}")
        finally:
            server.stdin.close()
            server.wait(timeout=60)
