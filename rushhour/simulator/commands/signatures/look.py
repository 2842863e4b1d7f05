"""Declares the commands that read a run; they change nothing."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rushhour.core.errors import UsageError
from rushhour.core.horizons import NEXT_HOUR
from rushhour.core.settings import Settings
from rushhour.simulator.commands.checks import check_writable, check_zone
from rushhour.simulator.commands.output import Output
from rushhour.simulator.commands.signatures.parameters import STORED_RUN, with_settings


@with_settings(*STORED_RUN)
def status(settings: Settings, output: Output) -> None:
    """Show the state of the run: its clock, its counts and its errors."""
    from rushhour.simulator.commands.inspect import show_status

    show_status(settings, output)


@with_settings(*STORED_RUN)
def models(
    settings: Settings,
    output: Output,
    horizon: Annotated[
        int | None, typer.Option("--horizon", help="only forecasts so many hours ahead")
    ] = None,
) -> None:
    """Show the errors of each model, the best of the last week first."""
    from rushhour.simulator.commands.inspect import show_models

    show_models(settings, output, horizon)


@with_settings(*STORED_RUN)
def zone(
    settings: Settings,
    output: Output,
    zone_id: Annotated[int, typer.Argument(metavar="ZONE", help="location id, 1 to 265")],
) -> None:
    """Show one zone: its rides, its next prediction, its errors."""
    from rushhour.simulator.commands.inspect import show_zone

    check_zone(zone_id)
    show_zone(settings, output, zone_id)


@with_settings(*STORED_RUN, own_flags=("from_hour", "until_hour"))
def compare(
    settings: Settings,
    output: Output,
    flags: dict[str, str | None],
    csv: Annotated[Path | None, typer.Option("--csv", help="write the table to this file")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="a model of the run or of a user, else the served")
    ] = None,
    horizon: Annotated[
        int, typer.Option("--horizon", help="hours ahead that were forecast")
    ] = NEXT_HOUR,
) -> None:
    """Compare predictions with actual rides, by hour and zone."""
    from rushhour.simulator.commands.inspect import compare as show_comparison

    if csv is not None:
        check_writable(csv, "--csv")
    show_comparison(
        settings, output, (flags["from_hour"], flags["until_hour"]), csv, model, horizon
    )


@with_settings(*STORED_RUN)
def alerts(
    settings: Settings,
    output: Output,
    zone_id: Annotated[
        int | None, typer.Option("--zone", help="only the alerts of this location id")
    ] = None,
    last: Annotated[int, typer.Option("--last", help="how many alerts to show")] = 20,
) -> None:
    """Show where rides have drifted away from the predictions."""
    from rushhour.simulator.commands.inspect import show_alerts

    if zone_id is not None:
        check_zone(zone_id)
    if last < 1:
        raise UsageError(f"--last {last}: show at least 1 alert")
    show_alerts(settings, output, zone_id, last)


@with_settings(*STORED_RUN)
def export(
    settings: Settings,
    output: Output,
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="a directory that is new, or empty")
    ],
) -> None:
    """Write the rides, predictions, comparison and alerts of a run as Parquet files."""
    from rushhour.simulator.commands.export import export as write
    from rushhour.simulator.export.directory import check_directory

    check_directory(directory)
    write(settings, output, directory)


@with_settings(*STORED_RUN)
def report(
    settings: Settings,
    output: Output,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="write the report with charts and a map to this file"),
    ] = None,
) -> None:
    """Report on a run: how it was done, and how good its forecasts are."""
    from rushhour.simulator.commands.report import report as show

    if html is not None:
        check_writable(html, "--html")
    show(settings, output, html)


@with_settings(*STORED_RUN)
def manifest(
    settings: Settings,
    output: Output,
    first: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="a manifest, else that of the run")
    ] = None,
    second: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="another one, to compare it with")
    ] = None,
) -> None:
    """Show what a run was, what its clock was told and where it ended; or compare two."""
    from rushhour.simulator.commands.manifest import compare_manifests, show_manifest

    if first is not None and second is not None:
        compare_manifests(output, first, second)
    else:
        show_manifest(settings, output, first)


@with_settings(*STORED_RUN, "kafka", "topic_prefix")
def dead_letters(
    settings: Settings,
    output: Output,
    limit: Annotated[int, typer.Option("--limit", help="how many records to show")] = 20,
) -> None:
    """Show the records that the processes have rejected and passed over."""
    from rushhour.simulator.commands.dead_letters import show_dead_letters

    if limit < 1:
        raise UsageError(f"--limit {limit}: show at least 1 record")
    show_dead_letters(settings, output, limit)


@with_settings(
    *STORED_RUN, "kafka", "topic_prefix", "ahead_hours", own_flags=("data", "warm_start")
)
def verify(
    settings: Settings,
    output: Output,
    flags: dict[str, Path | None],
    live: Annotated[
        bool, typer.Option("--live", help="watch a run under way, until it ends or Ctrl-C")
    ] = False,
    seconds: Annotated[
        float | None, typer.Option("--for", help="with --live: watch for so many seconds")
    ] = None,
) -> None:
    """Check every key of the run against its trip file and an offline replay.

    With --live, check what must hold at every moment of a run under way.
    """
    if seconds is not None and (not live or seconds <= 0):
        raise UsageError(f"--for {seconds:g}: pass a positive number of seconds, with --live")
    if live:
        from rushhour.simulator.commands.verify_live import verify_live

        verify_live(settings, output, seconds)
        return
    from rushhour.simulator.commands.verify import verify as check

    check(settings, output, flags["data"], flags["warm_start"])


@with_settings(*STORED_RUN, own_flags=("until_hour", "data", "warm_start"))
def model(
    settings: Settings,
    output: Output,
    flags: dict[str, Any],
    action: Annotated[
        str, typer.Argument(metavar="save|show", help="save: of the run; show: what a file holds")
    ],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="such as october.npz")],
) -> None:
    """Save what the models of a run have learned, for --warm-start; or show what a file holds."""
    from rushhour.simulator.commands.model import save_model, show_model

    if action not in {"save", "show"}:
        raise UsageError(f"model {action}: use `rushhour model save FILE` or `model show FILE`")
    if action == "show":
        show_model(output, file)
        return
    check_writable(file, "FILE")
    until, data, warm_start = (flags[name] for name in ("until_hour", "data", "warm_start"))
    save_model(settings, output, file, until=until, data=data, warm_start=warm_start)


@with_settings(*STORED_RUN)
def doctor(
    settings: Settings,
    output: Output,
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDICTIONS", help="a Parquet or CSV file")
    ],
    actuals: Annotated[
        Path | None,
        typer.Option("--actuals", help="a file of actual rides, else those of the run"),
    ] = None,
    fix: Annotated[
        Path | None,
        typer.Option(
            "--fix", help="write the predictions to this file, with what is certain mended"
        ),
    ] = None,
) -> None:
    """Find out why predictions do not join with actual rides."""
    from rushhour.simulator.commands.doctor import doctor as examine

    if fix is not None:
        check_writable(fix, "--fix")
        if fix.suffix.lower() != ".parquet":
            raise UsageError(
                f"{fix}: not a Parquet file name: choose a --fix that ends in .parquet"
            )
        if any(
            file is not None and fix.resolve() == file.resolve() for file in (predictions, actuals)
        ):
            raise UsageError(f"{fix}: would be overwritten: choose another --fix")
    examine(settings, output, predictions, actuals, fix)


@with_settings(*STORED_RUN, "redis_port")
def redis(
    settings: Settings,
    output: Output,
    command: Annotated[
        list[str] | None,
        typer.Argument(help="a command to send, such as HGETALL city", metavar="[COMMAND]..."),
    ] = None,
) -> None:
    """Send a command to the Redis of a run, or serve a saved run until Ctrl-C."""
    from rushhour.simulator.commands.serve import send, serve

    if command:
        send(settings, output, command)
    else:
        serve(settings, output)


@with_settings(*STORED_RUN, "kafka", "topic_prefix", "web_host", "web_port")
def web(settings: Settings, output: Output) -> None:
    """Serve the pages of a run until Ctrl-C; `rushhour up` does so by itself."""
    from rushhour.simulator.commands.web import web as serve_pages

    serve_pages(settings, output)
