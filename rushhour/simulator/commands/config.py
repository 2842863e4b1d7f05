"""`rushhour config`: each setting, its value, and where the value came from."""

from collections.abc import Mapping
from typing import Any

from rushhour.core.settings import Settings
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents import schema
from rushhour.simulator.terminal.figures import UNKNOWN
from rushhour.simulator.terminal.fitted import Column, FittedTable


def show_config(settings: Settings, flags: Mapping[str, Any], output: Output) -> None:
    """Print the settings; passwords are masked."""
    origins = list(settings.origins(dict(flags)))
    if output.as_json:
        output.documents(
            schema.Setting(
                name=origin.name,
                value=origin.value or None,
                source=origin.origin,
                environment_variable=origin.env,
                flag=Settings.flag_name(origin.name),
            )
            for origin in origins
        )
        return
    table = FittedTable(
        Column("setting", is_text=True),
        Column("value", is_text=True, shrink_to=8),
        Column("from", is_text=True),
        Column("flag", is_text=True, drop=1),
        Column("environment variable", is_text=True, drop=2),
    )
    for origin in origins:
        flag = Settings.flag_name(origin.name) or UNKNOWN
        table.add(origin.name, origin.value or UNKNOWN, origin.origin, flag, origin.env)
    output.show(table)
