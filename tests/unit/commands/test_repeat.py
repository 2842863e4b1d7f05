"""With which settings a run is repeated."""

import pytest

from rushhour.core.hours import WEEK_MS
from rushhour.core.settings import Settings
from rushhour.core.version import VERSION
from rushhour.simulator.commands.repeat import settings_of
from rushhour.simulator.runs import describe_run
from tests.fixtures.manifests import manifest_of

FLAGS = dict.fromkeys(Settings.model_fields)
SPAN = {"from_hour": "2024-10-05 03:00", "until_hour": "2024-10-29 08:00"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"keep": "14d"},
        {"loop": True},
        {"loop": True, "keep": "all"},
        {"loop": True, "rebase": "2026-11-30"},
        {"rebase": "2020-02-29", "surge": "132:2.0@2024-10-20"},
        {"rebase": "2024-10-06"},
    ],
    ids=str,
)
def test_it_replays_the_same_hours_on_the_same_dates_whatever_the_environment(
    options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = describe_run(Settings.load(**FLAGS | SPAN | options), ())
    fields = run.to_fields()
    del fields["version"]
    manifest = manifest_of()
    manifest.run.clear()
    manifest.run.update(fields)
    manifest.versions["rushhour"] = VERSION
    assert manifest.run_info == run

    environment = {"REBASE": "now", "LOOP": "1", "KEEP": "20d", "MONTH": "2024-09", "SURGE": "1:3"}
    for name, value in environment.items():
        monkeypatch.setenv(f"RUSHHOUR_{name}", value)
    again = describe_run(settings_of(FLAGS, manifest, manifest.run_info), ())
    assert again.differences(run) == ()
    assert again.shift_ms == run.shift_ms == run.shift_weeks * WEEK_MS
