"""Text and JSON logs, and how a process ends: exit code, one line, traceback of a defect."""

import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from rushhour.core.errors import DataError, EventError, KafkaFailure
from rushhour.runtime import process
from rushhour.runtime.logs import message_of, set_up_logging
from rushhour.runtime.process import run_process

FORMAT = "RUSHHOUR_LOG_FORMAT"


@pytest.fixture(autouse=True)
def _restore(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Restore what a process sets for good: its logging and its handler of SIGTERM."""
    monkeypatch.setattr(process._Ending, "_exit", lambda _: None)  # it would end this process
    monkeypatch.setattr(process, "_ending", process._Ending())
    root, handler = logging.getLogger(), signal.getsignal(signal.SIGTERM)
    level, handlers = root.level, root.handlers[:]
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    signal.signal(signal.SIGTERM, handler)
    logging.captureWarnings(False)


def end(work: Callable[[], object]) -> int:
    """Run a process and return its exit code."""
    with pytest.raises(SystemExit) as ended:
        run_process("consumer", lambda: (work(), None)[1])
    return int(str(ended.value.code))


def fail(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


def test_text_is_the_name_and_the_message(capfd: pytest.CaptureFixture[str]) -> None:
    set_up_logging("consumer")
    logging.getLogger("any").info("%d hours", 7)
    assert capfd.readouterr() == ("", "consumer: 7 hours\n")


@pytest.mark.parametrize("message", ["7 hours", "two\nlines", 'say "hi"', "Zürich"])
def test_json_is_one_object_per_line(
    message: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(FORMAT, "json")
    set_up_logging("consumer")
    logging.getLogger("any").warning("%s", message)
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    fields = json.loads(line)
    moment = datetime.fromisoformat(fields.pop("time"))
    assert abs(moment - datetime.now(UTC)) < timedelta(minutes=1)
    assert fields == {"level": "warning", "process": "consumer", "message": message}
    assert message_of(line, "consumer") == message


@pytest.mark.parametrize("log_format", ["text", "json", "neither"])
def test_an_error_of_the_user_is_one_line_and_its_exit_code(
    log_format: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(FORMAT, log_format)
    assert end(fail(DataError("no trips"))) == DataError.exit_code
    (line,) = capfd.readouterr().err.splitlines()
    assert message_of(line, "consumer") == "no trips"
    assert (line == "consumer: no trips") == (log_format != "json")


def test_an_error_that_a_library_wraps_is_found() -> None:
    wrapped = RuntimeError("in a thread")
    wrapped.__cause__ = KafkaFailure("no broker")
    assert end(fail(wrapped)) == KafkaFailure.exit_code


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_defect_has_its_traceback(
    log_format: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(FORMAT, log_format)
    assert end(fail(ZeroDivisionError("planted"))) == 1
    lines = capfd.readouterr().err.splitlines()
    if log_format == "json":
        (line,) = lines
        fields = json.loads(line)
        assert (fields["level"], fields["message"]) == (
            "error",
            "unexpected ZeroDivisionError: planted",
        )
        assert fields["traceback"].endswith("ZeroDivisionError: planted")
    else:
        assert lines[0] == "consumer: unexpected ZeroDivisionError: planted"
        assert lines[1].startswith("Traceback")
        assert lines[-1] == "ZeroDivisionError: planted"


def test_sigterm_and_ctrl_c_end_a_process_without_a_message(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert end(lambda: os.kill(os.getpid(), signal.SIGTERM)) == 130
    assert end(fail(KeyboardInterrupt())) == 130
    replaced = RuntimeError("signal received")  # as Bytewax does
    replaced.__cause__ = KeyboardInterrupt()
    assert end(fail(replaced)) == 130
    assert capfd.readouterr() == ("", "")


def test_a_process_that_has_done_its_work_ends_with_0() -> None:
    assert end(lambda: None) == 0


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("consumer: gone", "gone"),
        ("producer: gone", "producer: gone"),
        ("gone\n", "gone"),
        ('{"message": "gone"}', "gone"),
        ('{"other": "gone"}', '{"other": "gone"}'),
        ("{gone", "{gone"),
        ("{1: 2}", "{1: 2}"),
        ("", ""),
    ],
)
def test_the_message_of_a_line_is_found_in_any_format(line: str, message: str) -> None:
    assert message_of(line, "consumer") == message_of(line, "consumer-1") == message


def test_an_error_that_is_raised_again_because_of_itself_is_reported(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Bytewax wraps the error of a step; the step's own error is raised instead of that."""

    def work() -> None:
        failure = EventError("topic 'trips' partition 3: a gap")
        try:
            try:
                raise failure
            except EventError as error:
                raise RuntimeError("a step failed") from error
        except RuntimeError:
            raise failure from None

    assert end(work) == EventError.exit_code
    assert capfd.readouterr().err == "consumer: topic 'trips' partition 3: a gap\n"
