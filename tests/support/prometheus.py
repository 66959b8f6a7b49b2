"""A real Prometheus on loopback, over figures that were written for it beforehand."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import httpx

from tests import needs
from tests.support.process import eventually, free_port

Sample = tuple[datetime, float]


class PrometheusServer:
    """The process. `figures` are its gauges, by name and labels as they are written: `errors{service="a"}`."""

    def __init__(self, folder: Path, figures: Mapping[str, Iterable[Sample]]) -> None:
        program, tool = needs.program("prometheus"), needs.program("promtool", "prometheus")
        folder.mkdir(parents=True, exist_ok=True)
        config, data = folder / "prometheus.yml", folder / "data"
        config.write_text("scrape_configs: []\n")
        text, self.url = folder / "figures.txt", f"http://127.0.0.1:{free_port()}"
        text.write_text(_open_metrics(figures))
        made = [str(tool), "tsdb", "create-blocks-from", "openmetrics", str(text), str(data)]
        subprocess.run(made, check=True, capture_output=True)
        self.process = subprocess.Popen(
            [
                str(program),
                f"--config.file={config}",
                f"--storage.tsdb.path={data}",
                "--storage.tsdb.retention.time=100y",
                f"--web.listen-address={self.url.removeprefix('http://')}",
                "--log.level=warn",
            ],
            stderr=subprocess.DEVNULL,
        )
        eventually(self._ready, what="Prometheus's start")

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready").status_code == 200
        except httpx.HTTPError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)


def _open_metrics(figures: Mapping[str, Iterable[Sample]]) -> str:
    lines: list[str] = []
    for name in dict.fromkeys(series.partition("{")[0] for series in figures):
        lines.append(f"# TYPE {name} gauge")
        for series, samples in figures.items():
            if series.partition("{")[0] == name:
                lines += [f"{series} {value} {at.timestamp():.3f}" for at, value in samples]
    return "\n".join([*lines, "# EOF", ""])
