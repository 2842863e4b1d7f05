"""Every setting of rushhour: flag first, then environment (`RUSHHOUR_*`), then default."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from platformdirs import user_cache_path, user_state_path
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from rushhour.core.errors import UsageError
from rushhour.core.hours import HOUR_MS, hour_label, parse_from, parse_month, parse_until
from rushhour.core.speed import Speed
from rushhour.core.surges import check_begin, format_surges, parse_surges

PREFIX = "RUSHHOUR_"
Dataset = Literal["yellow", "green"]
MAX_PROCESSES = 64
Processes = Annotated[int, Field(ge=1, le=MAX_PROCESSES)]


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

    dataset: Dataset = Field("yellow", description="which TLC file: yellow or green")
    month: str = Field("2024-10", description="month to replay")
    from_hour: str | None = Field(
        None,
        validation_alias=PREFIX + "FROM",
        description="first hour to replay",
    )
    until_hour: str | None = Field(
        None,
        validation_alias=PREFIX + "UNTIL",
        description="last hour to replay (a date means all of that day)",
    )
    surge: str = Field(
        "", description="what if: zone:factor@hour multiplies the trips of a zone from then on"
    )
    speed: str = Field("6h/s", description="max, a factor, or simulated time a second")
    data: Path | None = Field(None, description="trip file to replay")
    data_dir: Path | None = Field(None, description="directory to look for trip files in")
    cache_dir: Path = Field(
        default_factory=lambda: user_cache_path("rushhour"),
        description="where downloads are kept",
    )
    state_dir: Path = Field(
        default_factory=lambda: user_state_path("rushhour"),
        description="where the embedded run keeps its Redis dump and logs",
    )
    kafka: str | None = Field(None, description="bootstrap servers; embedded if not given")
    redis: str | None = Field(None, description="Redis URL; embedded if not given")
    redis_port: Annotated[int, Field(ge=1, le=65535)] = Field(
        6379, description="port of the embedded Redis; the next free one if it is taken"
    )
    partitions: Annotated[int, Field(ge=1, le=256)] = Field(
        4, description="partitions of topics that rushhour creates on a real Kafka"
    )
    ahead_hours: Annotated[int, Field(ge=1, le=168)] = Field(
        6, description="simulated hours that the replay may run ahead of Redis"
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="Bytewax worker threads of each dataflow process"
    )
    dataflows: Processes = Field(1, description="dataflow processes that share a run")
    consumers: Processes = Field(1, description="consumers that share a run")
    process: Annotated[int, Field(ge=0, lt=MAX_PROCESSES)] = Field(
        0, description="which dataflow process or which consumer this one is, from 0"
    )
    addresses: str = Field(
        "", description="host:port of each dataflow process, in order, with commas between"
    )
    recovery_dir: Path | None = Field(
        None, description="where the dataflow keeps what it needs to go on after a crash"
    )
    metrics_host: str = Field("127.0.0.1", description="address of /metrics and /healthz")
    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        None, description="port of /metrics and /healthz; none if not given"
    )
    linger: bool = Field(
        False, description="whether a part whose work is done stays until it is told to stop"
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


def _text(value: object) -> str:
    return "" if value is None else str(value)
