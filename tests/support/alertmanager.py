"""A real Prometheus Alertmanager on loopback, with our webhook as its only receiver."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx

from tests import needs
from tests.support.process import eventually, free_port

CONFIG = """
route:
  receiver: twokey
  group_by: [alertname]
  group_wait: 200ms
  group_interval: 1s
  repeat_interval: 2s
receivers:
  - name: twokey
    webhook_configs:
      - url: {url}/signals/v1/alertmanager
        send_resolved: true
        http_config:
          authorization:
            type: Bearer
            credentials: {token}
"""


class Alertmanager:
    """The process, and its API."""

    def __init__(self, folder: Path, url: str, token: str) -> None:
        program = needs.program("prometheus-alertmanager")
        folder.mkdir(parents=True, exist_ok=True)
        config, self.url = folder / "alertmanager.yml", f"http://127.0.0.1:{free_port()}"
        config.write_text(CONFIG.format(url=url, token=token))
        self.process = subprocess.Popen(
            [
                str(program),
                f"--config.file={config}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ]
        )
        eventually(self._ready, what="Alertmanager's start")

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def post(self, name: str, *, starts_at: str, ends_at: str | None = None, **labels: str) -> None:
        """Tell Alertmanager of an alert, or (with an end) that it is over."""
        alert = {
            "labels": {"alertname": name, "severity": "critical", "workflow": "support_assistant", **labels},
            "annotations": {"summary": "p95 latency of answers is high"},
            "startsAt": starts_at,
        }
        alert |= {"endsAt": ends_at} if ends_at else {}
        httpx.post(f"{self.url}/api/v2/alerts", json=[alert]).raise_for_status()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
