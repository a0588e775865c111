"""Airflow, and what tests ask it."""

import json
from collections.abc import Iterator
from typing import Any

import requests

from dev.airflow import Airflow


class Deployment(Airflow):
    """A deployment that can be asked."""

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the API server for something: a tenth of the time that a command takes to start.

        Args:
            method: Such as `POST`.
            path: Such as `dags/croct/dagRuns`.
            body: What is sent, as JSON.

        Returns:
            The answer, decoded.

        Raises:
            requests.HTTPError: If it is refused.
        """
        server = f"http://127.0.0.1:{self.variables['AIRFLOW__API__PORT']}"
        token = requests.get(f"{server}/auth/token", timeout=60).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        response = requests.request(
            method, f"{server}/api/v2/{path}", json=body, headers=headers, timeout=60
        )
        response.raise_for_status()
        return response.json()

    def wait_for(self, dag: str, count: int) -> dict[str, str]:
        """Wait until a number of a DAG's runs have ended; return their states."""
        ended = ("success", "failed")
        self.wait(
            f"{count} runs of {dag} have ended",
            lambda: sum(state in ended for state in self.runs(dag).values()) >= count,
        )
        return self.runs(dag)

    def task_logs(self, dag: str) -> Iterator[tuple[str, list[str]]]:
        """Yield the name and the messages of each log of a DAG's tasks."""
        for file in sorted((self.folder / "airflow" / "logs" / f"dag_id={dag}").rglob("*.log")):
            lines = file.read_text(errors="replace").splitlines()
            yield str(file), [json.dumps(json.loads(line)) for line in lines if line[:1] == "{"]
