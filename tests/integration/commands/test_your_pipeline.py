"""The tutorial docs/your-pipeline.md does what it says."""

import json
import re
import shlex
import sys
from pathlib import Path

import pandas as pd

from tests.fixtures.command import Rushhour

PAGE = (Path(__file__).parents[3] / "docs" / "your-pipeline.md").read_text("utf-8")


def test_the_script_of_the_tutorial_runs_after_each_hour(
    rushhour: Rushhour, two_days: Path, tmp_path: Path
) -> None:
    script = re.findall(r"```python\n(.*?)```", PAGE, re.S)[0]
    (tmp_path / "inference.py").write_text(script)
    (call,) = re.findall(r"^\$ rushhour (up .*--on-hour .*)$", PAGE, re.M)
    words = shlex.split(call)
    command = words[words.index("--on-hour") + 1]
    assert command.startswith("python ")
    # Where the reader would be: in the directory of the script, with rushhour's Python.
    words[words.index("--on-hour") + 1] = f"cd {tmp_path} && {sys.executable}{command[6:]}"
    span = ("--from", "2024-10-01 22:00", "--until", "2024-10-02 01:00")
    ended = rushhour(*words, "--dataset", "green", "--data", two_days, *span)
    assert ended.code == 0, ended.stderr
    written = sorted(path.stem for path in tmp_path.glob("*.parquet"))
    assert written == ["2024-10-01T23", "2024-10-02T00", "2024-10-02T01", "2024-10-02T02"]
    table = pd.read_parquet(tmp_path / "2024-10-02T01.parquet")
    assert (table["pickup_hour"] == pd.Timestamp("2024-10-02 01:00", tz="UTC")).all()
    assert table["predicted_demand"].sum() > 0
    # The run scored what it submitted for three hours, which came before them.
    models = json.loads(rushhour("models", "--json").stdout)["models"]
    (mine,) = (model for model in models if model["model"] == "mean_of_hour")
    assert mine["mae_24h"] is not None
