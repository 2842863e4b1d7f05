"""The table and the file of benchmarks/peers."""

from pathlib import Path

from benchmarks.peers.plot import draw
from benchmarks.peers.results import About, Measurement, Results, State, load
from benchmarks.peers.table import table

MIB = 1024 * 1024
ABOUT = About(
    dataset="green",
    month="2024-10",
    trips=1000,
    machine="a machine, 2 cores",
    python="3.11",
    rushhour="1",
    kafka="Kafka",
)


def run(
    contender: str, number: int, wall_s: float, state: State = "exact", trips: int = 1000
) -> Measurement:
    return Measurement(
        contender=contender,
        round=number,
        trips=trips,
        state=state,
        detail="" if state == "exact" else "why",
        wall_s=wall_s,
        cpu_s=2 * wall_s,
        peak_bytes=int(wall_s * MIB),
        broker_cpu_s=None,
    )


def results(*runs: Measurement) -> Results:
    labels = {each.contender: each.contender.title() for each in runs}
    return Results(about=ABOUT, labels=labels, measurements=list(runs))


def test_a_row_has_medians_and_spans() -> None:
    lines = table(results(run("a", 1, 1.0), run("a", 2, 4.0), run("a", 3, 2.0))).splitlines()
    assert lines[2] == (
        "| A | 2.0 (1.0 to 4.0) | 4.0 (2.0 to 8.0) | 2 (1 to 4) | 500 | 4000.0 | - | exact |"
    )


def test_medians_are_called_so_only_if_there_are_several_runs() -> None:
    assert table(results(run("a", 1, 1.0))).endswith(" One run of each.")
    several = table(results(run("a", 1, 1.0), run("a", 2, 4.0)))
    assert several.endswith(" Medians of 2 interleaved runs (smallest to largest).")


def test_a_failed_run_is_shown_and_has_no_part_in_the_medians() -> None:
    lines = table(results(run("a", 1, 2.0), run("a", 2, 9.0, "failed"))).splitlines()
    assert lines[2].startswith("| A | 2.0 | 4.0 |")
    assert lines[2].endswith("| **failed** (1 of 2 runs): why |")


def test_one_that_never_finished_has_no_figures() -> None:
    lines = table(results(run("a", 1, 9.0, "over time"))).splitlines()
    assert lines[2] == "| A | - | - | - | - | - | - | **over time**: why |"


def test_a_part_of_the_trips_is_named_and_rated_by_its_own_number() -> None:
    lines = table(results(run("a", 1, 2.0, trips=100))).splitlines()
    assert lines[2] == "| A | 2.0 | 4.0 | 2 | 50 | 40000.0 | - | exact, of 100 trips |"


def test_one_that_cannot_be_installed_is_named_below_the_table() -> None:
    kept = results(run("a", 1, 2.0))
    kept.labels["b"] = "B"
    kept.left_out["b"] = "no Java here"
    assert table(kept).endswith("Left out:\n\n- B: no Java here")
    assert "| B |" not in table(kept)


def test_the_file_has_everything_and_says_which_runs_are_missing(tmp_path: Path) -> None:
    kept = results(run("a", 1, 2.0), run("b", 1, 2.0, "failed"))
    kept.save(tmp_path / "results.json")
    again = load(tmp_path / "results.json")
    assert again == kept
    assert again.has("a", 1)
    assert not again.has("a", 2)
    assert not again.has("b", 1)  # failed: it is tried again
    again.add(run("b", 1, 3.0))
    assert again.has("b", 1)
    assert len(again.of("b")) == 1


def test_the_picture_is_drawn_without_those_that_have_no_exact_run(tmp_path: Path) -> None:
    draw(results(run("a", 1, 2.0), run("b", 1, 2.0, "wrong")), tmp_path / "peers.svg")
    assert (tmp_path / "peers.svg").read_text().startswith("<?xml")
