"""How two manifests differ, and which of the differences can change what is in Redis at the end."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from msgspec import Meta

from rushhour.core.hours import clock_label
from rushhour.core.manifest import PYTHON
from rushhour.core.timeline import TimelineEntry
from rushhour.simulator.documents.manifest import Manifest
from rushhour.simulator.documents.objects import Document, RunEnd

Changes = Literal["result", "submissions", "nothing"]

_NONE = "-"
_ALWAYS_DIFFERS = "run_id"


class ManifestDifference(Document, frozen=True, kw_only=True):
    """`rushhour manifest A B --json`: one line for each difference."""

    name: Annotated[str, Meta(description="what differs, such as `sha256`")]
    first: Annotated[str, Meta(description="its value in A; `-` for none")]
    second: Annotated[str, Meta(description="its value in B")]
    changes: Annotated[
        str,
        Meta(
            description="`result`: keys of Redis may differ; `submissions`: those of submissions "
            "may; `nothing`: none outside of `sim:*` does"
        ),
    ]


def differences(first: Manifest, second: Manifest) -> Iterator[ManifestDifference]:
    """Yield how two manifests differ; ids of runs, and times of this world, always do."""
    of_result = first.run_info.differences(second.run_info)
    for name in dict.fromkeys((*first.run, *second.run)):
        changes: Changes = "result" if name in of_result else "nothing"
        if name != _ALWAYS_DIFFERS:
            yield from _pair(name, first.run.get(name), second.run.get(name), changes)
    yield from version_differences(first.versions, second.versions)
    yield from _pair("skipped records", first.skipped, second.skipped, "result")
    yield from _pair("end", _end(first.end), _end(second.end), "result")
    for kind in ("taken", "rejected"):
        a, b = (_counts(getattr(each.submissions, kind)) for each in (first, second))
        yield from _pair(f"submissions {kind}", a, b, "submissions")
    for name in dict.fromkeys((*first.options, *second.options)):
        yield from _pair(name, first.options.get(name), second.options.get(name), "nothing")
    yield from _commands(first.timeline, second.timeline)


def version_differences(
    first: Mapping[str, str], second: Mapping[str, str]
) -> Iterator[ManifestDifference]:
    """Yield how the versions of two runs differ. One that is not known counts as different."""
    for name in dict.fromkeys((*first, *second)):
        a, b = first.get(name), second.get(name)
        is_same = name == PYTHON and a is not None and b is not None and _minor(a) == _minor(b)
        yield from _pair(name, a, b, "nothing" if is_same else "result")


def _pair(
    name: str, first: object, second: object, changes: Changes
) -> Iterator[ManifestDifference]:
    if first != second:
        yield ManifestDifference(
            name=name, first=_text(first), second=_text(second), changes=changes
        )


def _text(value: object) -> str:
    return _NONE if value in {None, ""} else str(value)


def _minor(version: str) -> str:
    """Return the version of Python without that of its bug fixes: those change no arithmetic."""
    return ".".join(version.split(".")[:2])


def _end(end: RunEnd) -> str:
    """Return what Redis holds at the end, in words."""
    part = "" if end.is_whole else ", a part of the next"
    return f"{end.hours_closed} hours closed{part}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))


def _commands(
    first: tuple[TimelineEntry, ...], second: tuple[TimelineEntry, ...]
) -> Iterator[ManifestDifference]:
    """Yield the first command that differs."""
    for index in range(max(len(first), len(second))):
        a, b = (_command(each[index : index + 1]) for each in (first, second))
        if a != b:
            yield from _pair(f"command {index + 1}", a, b, "nothing")
            return


def _command(entry: tuple[TimelineEntry, ...]) -> str:
    """Return a command in words; empty for none."""
    if not entry:
        return ""
    (each,) = entry
    text = f"{each.command} {each.value}".strip() or "?"
    refused = " (refused)" if each.error else ""
    return f"{text} at {clock_label(each.now_ts)}{refused}"
