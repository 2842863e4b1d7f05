"""The settings of rushhour: from a flag, else the environment (`RUSHHOUR_*`), else the default.

Each setting is declared once, here: its type, bounds, default, description, unit, and flag if it
has one. The command line, `rushhour config` and the reference are built from
`Settings.declarations`.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, get_args, get_origin

from annotated_types import Ge, Le
from platformdirs import user_cache_path, user_state_path
from pydantic import Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from rushhour.core.errors import UsageError
from rushhour.core.gate import parse_gates
from rushhour.core.history import LOOP_KEEP, parse_keep
from rushhour.core.horizons import format_horizons, parse_horizons
from rushhour.core.hours import (
    HOUR_MS,
    format_months,
    hour_label,
    months_span,
    parse_from,
    parse_months,
    parse_seconds,
    parse_until,
)
from rushhour.core.kafka_cluster import KafkaCluster
from rushhour.core.rebase import check_rebase
from rushhour.core.redis_address import RedisAddress, check_key_prefix
from rushhour.core.redis_url import MASK, check_redis_url, mask_password
from rushhour.core.run import whole_weeks
from rushhour.core.speed import Speed
from rushhour.core.surges import check_begin, format_surges, parse_surges

PREFIX = "RUSHHOUR_"
_NESTED = "__"
MAX_PROCESSES = 64
WEB_PORT = 8650  # of the pages, unless another is asked for

Dataset = Literal["yellow", "green"]
LogFormat = Literal["text", "json"]
Source = Literal["flag", "environment", "default"]
T = TypeVar("T")
Port = Annotated[int, Field(ge=1, le=65_535)]
Processes = Annotated[int, Field(ge=1, le=MAX_PROCESSES)]


# Properties of librdkafka whose values are not shown.
_SECRET = re.compile("password|secret|token|key|credential|passphrase|pem|oauthbearer.config")
_TOPIC_PREFIX = re.compile(r"[A-Za-z0-9._-]{0,50}")


class Unit(NamedTuple):
    """Marks a setting whose value has a unit."""

    name: str


class EnvironmentOnly(NamedTuple):
    """Marks a setting that has no flag."""


class Secret(NamedTuple):
    """Marks a setting whose value is not shown."""


ENVIRONMENT_ONLY = EnvironmentOnly()
SECRET = Secret()


class Declaration(NamedTuple):
    """What is declared of one setting. `flag` is None if it can only be set by `env`."""

    name: str
    env: str
    flag: str | None
    description: str
    unit: str | None
    default: str


class Origin(NamedTuple):
    """One setting, its value without passwords, and the source of the value."""

    name: str
    env: str
    value: str
    origin: Source


class Settings(BaseSettings):
    """Typed settings. Use `load` to build them: it reports an invalid value in one line."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=_NESTED,
        env_ignore_empty=True,
        populate_by_name=True,
        frozen=True,
    )

    dataset: Dataset = Field("yellow", description="taxi dataset to replay: yellow or green")
    month: str = Field(
        "2024-10",
        description="month to replay, such as 2024-10; several in a row as 2024-08..2024-10",
    )
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
    horizons: str = Field(
        "1",
        description="hours ahead to forecast, 1 to 168, such as 1,2,3,6,12,24",
    )
    loop: bool = Field(
        False,
        description="play the last whole weeks (four at most) again after the end, on and on, "
        "each time on later dates",
    )
    keep: str | None = Field(
        None,
        description="closed hours that Redis keeps, such as 35d, at least 14d; else all, "
        f"and {LOOP_KEEP} in a loop",
    )
    rebase: str | None = Field(
        None,
        description="shift all times by whole weeks, so that the run begins in the week of this "
        "date, or in this week: now",
    )
    warm_start: Path | None = Field(
        None,
        description="saved model (`rushhour model save`) that the run begins with; its next hour "
        "and the first one of the run must be the same hour of the week",
    )
    speed: str = Field(
        "6h/s", description="max, a factor such as 3600, or simulated time per second such as 6h/s"
    )
    start_at: str | None = Field(
        None,
        description="fast-forward to this hour, such as '2024-10-02 23:00', before the replay runs "
        "at its speed",
    )
    paused: bool = Field(
        False, description="let the simulated clock wait for its first command, after --start-at"
    )
    can_start_over: Annotated[bool, ENVIRONMENT_ONLY] = Field(
        False,
        description="whether whoever started the producer starts the run over if a seek leads back",
    )
    data: Path | None = Field(None, description="trip file of one month to read (TLC Parquet)")
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
    kafka_conf: Annotated[dict[str, str], ENVIRONMENT_ONLY] = Field(
        default_factory=dict,
        description="properties of librdkafka, each in a variable of its own, such as "
        "RUSHHOUR_KAFKA_CONF__SECURITY_PROTOCOL for `security.protocol`",
    )
    topic_prefix: str = Field(
        "",
        description="start of the names of the topics, such as ada. for ada.trips, "
        "for several runs on one Kafka",
    )
    redis: str | None = Field(None, description="Redis URL, instead of the embedded Redis")
    key_prefix: str = Field(
        "",
        description="name before the keys of the run, such as ada for ada:zone:132, "
        "for several runs on one Redis",
    )
    redis_port: Port | None = Field(
        None,
        description="port of the embedded Redis, or the next free one; "
        "else 6379, or a socket if the system has no Redis",
    )
    partitions: Annotated[int, Field(ge=1, le=256)] = Field(
        4, description="partitions of the topics that rushhour creates on your own Kafka"
    )
    ahead_hours: Annotated[int, Field(ge=1, le=168), Unit("simulated hours")] = Field(
        6, description="simulated hours the replay may run ahead of Redis"
    )
    gate: str = Field(
        "",
        description="who has to acknowledge each closed hour before the clock passes it, "
        "such as features,inference",
    )
    on_hour: str = Field(
        "",
        description="command that `rushhour up` runs after each closed hour, such as "
        "'python inference.py --hour {hour}'; the clock passes the hour when it exits with 0",
    )
    on_hour_timeout: str = Field(
        "60s", description="time that the command of --on-hour has, such as 60s, 5m or 1h"
    )
    workers: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="Bytewax worker threads of each dataflow process"
    )
    dataflows: Processes = Field(1, description="dataflow processes that share the run")
    consumers: Processes = Field(1, description="consumer processes that share the run")
    process: Annotated[int, Field(ge=0, le=MAX_PROCESSES - 1), ENVIRONMENT_ONLY] = Field(
        0, description="number of this dataflow or consumer process, from 0"
    )
    addresses: Annotated[str, ENVIRONMENT_ONLY] = Field(
        "", description="host:port of each dataflow process, in order, with commas"
    )
    recovery_dir: Annotated[Path | None, ENVIRONMENT_ONLY] = Field(
        None,
        description="directory of the dataflow's recovery stores; without one it does not recover",
    )
    metrics_host: str = Field("127.0.0.1", description="address of /metrics and /healthz")
    metrics_port: Annotated[int | None, Field(ge=1, le=65_535)] = Field(
        None, description="first port of /metrics and /healthz, one per process; else none"
    )
    web: bool = Field(True, description="serve the pages of the run, for a browser")
    web_host: str = Field(
        "127.0.0.1",
        description="address of the pages; on any but loopback, commands need the token",
    )
    web_port: Port | None = Field(
        None, description=f"port of the pages; else {WEB_PORT}, or the next free one"
    )
    web_names: Annotated[str, ENVIRONMENT_ONLY] = Field(
        "",
        description="host names under which other machines reach the pages, with commas; "
        "addresses need none",
    )
    web_token: Annotated[str, ENVIRONMENT_ONLY, SECRET] = Field(
        "",
        repr=False,
        description="token that commands from the pages must carry; else none on loopback",
    )
    profile_dir: Annotated[Path | None, ENVIRONMENT_ONLY] = Field(
        None,
        description="directory where a process leaves what it used and waited for; else none",
    )
    stay_alive: Annotated[bool, ENVIRONMENT_ONLY] = Field(
        False, description="whether a process stays alive after its work is done"
    )
    log_format: LogFormat = Field(
        "text", description="format of the logs: text, or json for one object per line"
    )

    @classmethod
    def load(cls, **flags: Any) -> "Settings":
        """Read the settings; flags that are None count as not given.

        Raises
        ------
        UsageError
            If a value is invalid. Names the setting, the value and what is expected.
        """
        try:
            settings = cls(**{name: value for name, value in flags.items() if value is not None})
        except ValidationError as error:
            raise UsageError(cls._explain(error.errors()[0])) from None
        except SettingsError:  # the cause may hold a secret
            raise UsageError(
                f"kafka_conf is invalid: set each property in a variable of its own, such as "
                f"{cls.env_name('kafka_conf')}{_NESTED}SECURITY_PROTOCOL"
            ) from None
        _, end = settings.window
        check_begin(parse_surges(settings.surge), end)
        if settings.loop and not whole_weeks(*settings.window):
            raise UsageError(
                "loop needs at least one whole week to play again: check --from and --until"
            )
        if settings.key_prefix and settings.redis is None:
            raise UsageError(
                f"key_prefix '{settings.key_prefix}' needs a Redis of your own: "
                f"set {cls.flag_name('redis')} or {cls.env_name('redis')} as well"
            )
        return settings

    @classmethod
    def declaration(cls, name: str) -> Declaration:
        """Return what is declared of the setting of that name.

        >>> Settings.declaration("ahead_hours").flag
        '--ahead-hours'
        """
        field = cls.model_fields[name]
        unit = _note(field, Unit)
        default = field.get_default(call_default_factory=True, validated_data={})
        return Declaration(
            name,
            cls.env_name(name),
            cls.flag_name(name),
            field.description or "",
            unit.name if unit else None,
            _without_home(default) if isinstance(default, Path) else _text(default),
        )

    @classmethod
    def declarations(cls) -> tuple[Declaration, ...]:
        """Return what is declared of all settings, in order."""
        return tuple(map(cls.declaration, cls.model_fields))

    @classmethod
    def env_name(cls, name: str) -> str:
        """Return the environment variable of a setting."""
        alias = cls.model_fields[name].validation_alias
        return alias if isinstance(alias, str) else PREFIX + name.upper()

    @classmethod
    def flag_name(cls, name: str) -> str | None:
        """Return the flag of a setting, named like its variable; None if it has only a variable.

        >>> Settings.flag_name("from_hour"), Settings.flag_name("process")
        ('--from', None)
        """
        if _note(cls.model_fields[name], EnvironmentOnly) is not None:
            return None
        return "--" + cls.env_name(name).removeprefix(PREFIX).lower().replace("_", "-")

    @property
    def gates(self) -> tuple[str, ...]:
        """The names of those who have to acknowledge each hour."""
        return parse_gates(self.gate)

    @property
    def web_host_names(self) -> tuple[str, ...]:
        """The host names under which other machines reach the pages."""
        return tuple(filter(None, (name.strip().lower() for name in self.web_names.split(","))))

    @property
    def months(self) -> tuple[str, ...]:
        """The months to replay, in order."""
        return parse_months(self.month)

    @property
    def window(self) -> tuple[int, int]:
        """The replayed time: first instant and end (exclusive), in epoch milliseconds."""
        start, end = months_span(self.months)
        first = parse_from(self.from_hour) if self.from_hour else start
        last = parse_until(self.until_hour) if self.until_hour else end - HOUR_MS
        if not start <= first <= last < end:
            raise UsageError(
                f"from {hour_label(first)} until {hour_label(last)} is not a span of hours "
                f"within {self.month}: check --from, --until and --month"
            )
        return first, last + HOUR_MS

    @property
    def keep_hours(self) -> int | None:
        """How many closed hours Redis keeps; None for all."""
        keep = self.keep or (LOOP_KEEP if self.loop else None)
        return None if keep is None else parse_keep(keep)

    @property
    def start_at_ts(self) -> int | None:
        """The hour of the file that the replay is fast-forwarded to (epoch ms); None for none."""
        return parse_from(self.start_at) if self.start_at else None

    def check_start(self, first_ts: int, end_ts: int) -> None:
        """Check that the replay is fast-forwarded to an hour within the run.

        Raises
        ------
        UsageError
            If it is not within [`first_ts`, `end_ts`), epoch ms, the hours of the file.
        """
        start = self.start_at_ts
        if start is not None and not first_ts <= start < end_ts:
            raise UsageError(
                f"start-at {hour_label(start)} is not an hour of the run, which goes from "
                f"{hour_label(first_ts)} until {hour_label(end_ts - HOUR_MS)}"
            )

    def cluster(self, bootstrap: str) -> KafkaCluster:
        """Return the Kafka cluster with these bootstrap servers."""
        return KafkaCluster(bootstrap, self.kafka_conf, self.topic_prefix)

    @property
    def redis_address(self) -> RedisAddress | None:
        """The given Redis; None if there is none, for the embedded one."""
        return None if self.redis is None else RedisAddress(self.redis, self.key_prefix)

    def servers(self, process: str) -> tuple[KafkaCluster, RedisAddress]:
        """Return the Kafka cluster and the Redis that a process of a run uses.

        Raises
        ------
        UsageError
            If one is missing: only `rushhour up` starts servers itself.
        """
        redis_address = self.redis_address
        if self.kafka is None or redis_address is None:
            raise UsageError(
                f"the {process} needs {self.env_name('kafka')} and {self.env_name('redis')}"
            )
        return self.cluster(self.kafka), redis_address

    def origins(self, flags: dict[str, Any]) -> Iterator[Origin]:
        """Yield each setting and the source of its value, given the flags passed to `load`."""
        for name in type(self).model_fields:
            env = self.env_name(name)
            source: Source = "environment" if _is_set(env) else "default"
            if flags.get(name) is not None:
                source = "flag"
            yield Origin(name, env, self._shown(name), source)

    def _shown(self, name: str) -> str:
        """Return the value of a setting as it may be shown."""
        text = mask_password(_text(getattr(self, name)))
        secret = _note(type(self).model_fields[name], Secret) is not None
        return MASK if secret and text else text

    def as_environment(self) -> dict[str, str]:
        """Return the environment that makes another process load these same settings."""
        single = {
            self.env_name(name): _text(getattr(self, name))
            for name in type(self).model_fields
            if name != "kafka_conf"
        }
        return single | {
            self.env_name("kafka_conf") + _NESTED + name.upper().replace(".", "_"): value
            for name, value in self.kafka_conf.items()
        }

    def servers_as_environment(self) -> dict[str, str]:
        """Return the part of `as_environment` that lets another program find the run."""
        names = ("kafka", "topic_prefix", "redis", "key_prefix")
        wanted = {self.env_name(name) for name in names}
        conf = self.env_name("kafka_conf") + _NESTED
        every = self.as_environment().items()
        return {name: value for name, value in every if name in wanted or name.startswith(conf)}

    @field_validator("speed")
    @classmethod
    def _normalize_speed(cls, text: str) -> str:
        return str(Speed.parse(text))

    @field_validator("start_at")
    @classmethod
    def _check_start_at(cls, text: str | None) -> str | None:
        if text is not None:
            parse_from(text)
        return text

    @field_validator("keep")
    @classmethod
    def _check_keep(cls, text: str | None) -> str | None:
        if text is None:
            return None
        parse_keep(text)
        return text.strip().lower()

    @field_validator("rebase")
    @classmethod
    def _check_rebase(cls, text: str | None) -> str | None:
        return None if text is None else check_rebase(text)

    @field_validator("gate")
    @classmethod
    def _normalize_gate(cls, text: str) -> str:
        return ",".join(parse_gates(text))

    @field_validator("on_hour")
    @classmethod
    def _normalize_on_hour(cls, text: str) -> str:
        return text.strip()

    @field_validator("on_hour_timeout")
    @classmethod
    def _check_on_hour_timeout(cls, text: str) -> str:
        try:
            parse_seconds(text)
        except UsageError as error:
            raise UsageError(f"{cls.flag_name('on_hour_timeout')} {error}") from None
        return text.strip()

    @field_validator("surge")
    @classmethod
    def _normalize_surge(cls, text: str) -> str:
        return format_surges(parse_surges(text))

    @field_validator("horizons")
    @classmethod
    def _normalize_horizons(cls, text: str) -> str:
        return format_horizons(parse_horizons(text))

    @field_validator("kafka_conf")
    @classmethod
    def _name_properties(cls, conf: dict[str, str]) -> dict[str, str]:
        return {name.lower().replace("_", "."): value for name, value in conf.items()}

    @field_validator("month")
    @classmethod
    def _normalize_month(cls, text: str) -> str:
        return format_months(parse_months(text))

    @field_validator("redis")
    @classmethod
    def _check_redis(cls, url: str | None) -> str | None:
        return None if url is None else check_redis_url(url)

    @field_validator("topic_prefix")
    @classmethod
    def _check_topic_prefix(cls, name: str) -> str:
        if not _TOPIC_PREFIX.fullmatch(name):
            raise UsageError(
                f"topic_prefix {name!r} is invalid: use up to 50 letters, digits, '.', '_' or '-'"
            )
        return name

    @field_validator("key_prefix")
    @classmethod
    def _check_key_prefix(cls, name: str) -> str:
        return check_key_prefix(name)

    @classmethod
    def _explain(cls, error: ErrorDetails) -> str:
        """Return a validation error of pydantic as one line for the user."""
        location = str(error["loc"][0])
        names = {cls.env_name(name): name for name in cls.model_fields}
        name = names.get(location, location)
        if name not in cls.model_fields:
            return f"unknown setting '{name}'"
        declared = cls.declaration(name)
        where = f"{declared.flag} or {declared.env}" if declared.flag else declared.env
        if name == "kafka_conf":  # its value may be a secret
            return f"{name} is invalid: use text for each property in {where}{_NESTED}*"
        expected = _expected(cls.model_fields[name]) or error["msg"]
        return f"{name} '{mask_password(str(error['input']))}' is invalid: {expected} for {where}"


def _expected(field: FieldInfo) -> str:
    """Return what a field accepts; empty if any text will do."""
    if get_origin(field.annotation) is Literal:
        return f"use {' or '.join(get_args(field.annotation))}"
    if field.annotation is bool:
        return "use true or false"
    low, high = _note(field, Ge), _note(field, Le)
    return f"use a whole number from {low.ge} to {high.le}" if low and high else ""


def _note(field: FieldInfo, kind: type[T]) -> T | None:
    return next((note for note in field.metadata if isinstance(note, kind)), None)


def _is_set(env: str) -> bool:
    """Return whether a setting is in the environment, in one variable or in several."""
    return any(
        value and (name == env or name.startswith(env + _NESTED))
        for name, value in os.environ.items()
    )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(
            f"{name}={MASK if _SECRET.search(name) else mask_password(text)}"
            for name, text in value.items()
        )
    return "" if value is None else str(value)


def _without_home(path: Path) -> str:
    """Return a path with the home directory as ~: a default is documented for any user."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
