"""Every setting of rushhour: flag first, then environment (`RUSHHOUR_*`), then default."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from platformdirs import user_cache_path, user_state_path
from pydantic import Field, JsonValue, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, hour_label, parse_from, parse_month, parse_until
from rushhour.core.speed import Speed
from rushhour.core.surges import check_begin, format_surges, parse_surges

PREFIX = "RUSHHOUR_"
Dataset = Literal["yellow", "green"]
MAX_PROCESSES = 64
Processes = Annotated[int, Field(ge=1, le=MAX_PROCESSES)]
ENVIRONMENT_ONLY: dict[str, JsonValue] = {"flag": False}  # a setting without a flag


class Origin(NamedTuple):
    """One setting, its value, and where the value came from."""

    name: str
    env: str
    value: str
    origin: Literal["flag", "environment", "default"]


class Settings(BaseSettings):
    """Typed settings. Build them with `load`, which tells a user what is wrong in one line."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, populate_by_name=True, frozen=True
    )

    dataset: Dataset = Field("yellow", description="taxi dataset to replay: yellow or green")
    month: str = Field("2024-10", description="month to replay, such as 2024-10")
    from_hour: str | None = Field(
        None,
        validation_alias=PREFIX + "FROM",
        description="first hour, such as 2024-10-02 or '2024-10-02 23:00'; else the month's first",
    )
    until_hour: str | None = Field(
        None,
        validation_alias=PREFIX + "UNTIL",
        description="last hour, included; a date means all of that day; else the month's last",
    )
    surge: str = Field(
        "",
        description="what if: multiply the trips of a zone from an hour on, "
        "such as 132:2.0@2024-10-20; several with commas",
    )
    speed: str = Field(
        "6h/s", description="max, a factor such as 3600, or simulated time per second such as 6h/s"
    )
    data: Path | None = Field(None, description="trip file to read (TLC Parquet)")
    data_dir: Path | None = Field(None, description="directory to look for TLC trip files in")
    cache_dir: Path = Field(
        default_factory=lambda: user_cache_path("rushhour"),
        description="directory for downloaded trip files",
    )
    state_dir: Path = Field(
        default_factory=lambda: user_state_path("rushhour"),
        description="directory for logs and the saved Redis of an embedded run",
    )
    kafka: str | None = Field(None, description="Kafka bootstrap servers, instead of the embedded")
    redis: str | None = Field(None, description="Redis URL, instead of the embedded Redis")
    redis_port: Annotated[int, Field(ge=1, le=65535)] = Field(
        6379, description="port of the embedded Redis; the next free one if it is taken"
    )
    partitions: Annotated[int, Field(ge=1, le=256)] = Field(
        4, description="partitions of the topics that rushhour creates on your own Kafka"
    )
    ahead_hours: Annotated[int, Field(ge=1, le=168)] = Field(
        6, description="simulated hours the replay may run ahead of Redis"
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="Bytewax worker threads of each dataflow process"
    )
    dataflows: Processes = Field(1, description="dataflow processes that share the run")
    consumers: Processes = Field(1, description="consumer processes that share the run")
    process: Annotated[int, Field(ge=0, lt=MAX_PROCESSES)] = Field(
        0,
        description="number of this dataflow or consumer process, from 0",
        json_schema_extra=ENVIRONMENT_ONLY,
    )
    addresses: str = Field(
        "",
        description="host:port of each dataflow process, in order, with commas",
        json_schema_extra=ENVIRONMENT_ONLY,
    )
    recovery_dir: Path | None = Field(
        None,
        description="directory of the dataflow's recovery stores; without one it does not recover",
        json_schema_extra=ENVIRONMENT_ONLY,
    )
    metrics_host: str = Field("127.0.0.1", description="address of /metrics and /healthz")
    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        None, description="first port of /metrics and /healthz, one per process; else none"
    )
    linger: bool = Field(
        False,
        description="whether a process stays alive after its work is done",
        json_schema_extra=ENVIRONMENT_ONLY,
    )

    @classmethod
    def load(cls, **flags: Any) -> "Settings":
        """Read the settings; flags that are None count as not given.

        Raises
        ------
        UsageError
            If a value cannot be used. Says which and what is expected.
        """
        try:
            settings = cls(**{name: value for name, value in flags.items() if value is not None})
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0]).removeprefix(PREFIX).lower()
            raise UsageError(f"{name} '{first.get('input')}': {first['msg']}") from None
        _, end = settings.window
        check_begin(parse_surges(settings.surge), end)
        return settings

    @field_validator("speed")
    @classmethod
    def _speed_parses(cls, text: str) -> str:
        return str(Speed.parse(text))

    @field_validator("surge")
    @classmethod
    def _surge_parses(cls, text: str) -> str:
        return format_surges(parse_surges(text))

    @field_validator("month")
    @classmethod
    def _month_parses(cls, text: str) -> str:
        parse_month(text)
        return text

    @property
    def window(self) -> tuple[int, int]:
        """The replayed time: first instant and end (exclusive), in epoch milliseconds."""
        start, end = parse_month(self.month)
        first = parse_from(self.from_hour) if self.from_hour else start
        last = parse_until(self.until_hour) if self.until_hour else end - HOUR_MS
        if not start <= first <= last < end:
            raise UsageError(
                f"from {hour_label(first)} until {hour_label(last)} is not a span of hours "
                f"within {self.month}: check --from, --until and --month"
            )
        return first, last + HOUR_MS

    def servers(self, part: str) -> tuple[str, str]:
        """Return Kafka's bootstrap servers and the Redis URL that a part of the line works with.

        Raises
        ------
        UsageError
            If they are not given: only `rushhour up` brings servers of its own.
        """
        if self.kafka is None or self.redis is None:
            raise UsageError(
                f"the {part} needs {self.env_name('kafka')} and {self.env_name('redis')}"
            )
        return self.kafka, self.redis

    def origins(self, flags: dict[str, Any]) -> Iterator[Origin]:
        """Yield each setting with where its value came from, given the flags of `load`."""
        for name in type(self).model_fields:
            env = self.env_name(name)
            given = flags.get(name) is not None
            yield Origin(
                name,
                env,
                _text(getattr(self, name)),
                "flag" if given else "environment" if os.environ.get(env) else "default",
            )

    def as_environment(self) -> dict[str, str]:
        """Return the environment that makes another process load these same settings."""
        return {self.env_name(name): _text(getattr(self, name)) for name in type(self).model_fields}

    @classmethod
    def env_name(cls, field: str) -> str:
        """Return the environment variable of a setting."""
        alias = cls.model_fields[field].validation_alias
        return alias if isinstance(alias, str) else PREFIX + field.upper()

    @classmethod
    def flag_name(cls, field: str) -> str | None:
        """Return the flag of a setting, named like its variable; None if it has only a variable.

        >>> Settings.flag_name("from_hour"), Settings.flag_name("process")
        ('--from', None)
        """
        if cls.model_fields[field].json_schema_extra is ENVIRONMENT_ONLY:
            return None
        return "--" + cls.env_name(field).removeprefix(PREFIX).lower().replace("_", "-")


def _text(value: object) -> str:
    return "" if value is None else str(value)
