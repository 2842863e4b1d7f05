"""`rushhour report`: the figures of a run again, as text, as JSON, and as one file."""

import base64
import json
import os
import re
from pathlib import Path

import redis

from dataflows.forecasting.forecasters import model_names
from rushhour.core.models import SERVED
from rushhour.simulator.stack.redis_server import EmbeddedRedis
from tests.fixtures.command import Cli, Rushhour
from tests.fixtures.finished_run import FinishedRun


def test_the_report_is_that_of_the_end_of_the_run(
    cli: Cli, after_run: Rushhour, finished_run: FinishedRun
) -> None:
    shown = cli(after_run, "report")
    assert (shown.code, shown.stderr) == (0, "")
    printed, _, _ = finished_run.printed.stdout.partition("cost:")
    assert shown.stdout.split() == printed.split()


def test_the_file_holds_all_that_it_needs(cli: Cli, after_run: Rushhour, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text("an older one")
    shown = cli(after_run, "report", "--html", file, "--json")
    document = json.loads(shown.stdout)
    assert (document["html_file"], document["counts"]["hours_closed"]) == (str(file), 48)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    page = file.read_text("utf-8")
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", page)
    assert "{{" not in page.partition("<script")[0]
    assert "default-src 'none'" in page

    figures = json.loads(re.findall(r'id="figures">(.*?)</script>', page, re.S)[0])
    assert figures["scores"] == document["scores"]
    assert set(figures["windows"]) == {"24h", "7d", "all"}
    assert figures["windows"]["all"]["hours_missing"] == 0
    assert len(figures["zones"]["mae"]) == len(figures["atlas"]["zones"]) == 265
    assert [row["name"] for row in figures["windows"]["all"]["models"]] == list(model_names())
    assert figures["windows"]["all"]["models"][0]["name"] == SERVED

    modules = json.loads(re.findall(r'type="importmap">(.*?)</script>', page, re.S)[0])["imports"]
    for name, url in modules.items():
        text = base64.b64decode(url.partition(",")[2]).decode()
        for other in re.findall(r'^import [^;]*?"([^"]+)"', text, re.M):
            assert other in modules, f"{name} imports {other}"


def test_a_link_leads_to_the_file_and_a_device_is_refused(
    cli: Cli, after_run: Rushhour, tmp_path: Path
) -> None:
    file, link, pipe = tmp_path / "file.html", tmp_path / "link.html", tmp_path / "pipe"
    link.symlink_to(file)
    assert cli(after_run, "report", "--html", link, "-q").code == 0
    assert link.is_symlink()
    assert file.read_text("utf-8").startswith("<!doctype html>")
    os.mkfifo(pipe)
    refused = cli(after_run, "report", "--html", pipe)
    assert (refused.code, refused.stdout) == (2, "")
    assert "exists, and is no file: choose another --html" in refused.one_line()
    assert pipe.is_fifo()


def test_a_run_that_is_not_finished_says_so(
    cli: Cli, rushhour: Rushhour, closed_run: redis.Redis, redis_server: EmbeddedRedis
) -> None:
    assert closed_run.ping()
    shown = cli(rushhour, "report", "--redis", redis_server.url)
    assert (shown.code, shown.stderr) == (0, "the run is not finished: 4 of 9 hours\n")
