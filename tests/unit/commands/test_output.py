"""Results go to stdout, notes to stderr; nothing is folded in a pipe; a closed pipe is quiet."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.text import Text

from rushhour.core.errors import ClosedPipeError, UsageError
from rushhour.simulator.commands.output import Output
from rushhour.simulator.documents.schema import Check

DOCUMENT = Check(name="a", status="ok", detail="b")


def test_results_and_notes_have_a_stream_each(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.show("a result")
    output.note("a note")
    output.warn("a warning")
    assert capsys.readouterr() == ("a result\n", "a note\na warning\n")


def test_quiet_leaves_results_only(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(quiet=True)
    output.show("a result")
    output.note("a note")
    output.warn("a warning")
    assert capsys.readouterr() == ("a result\n", "")


def test_a_document_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).documents([DOCUMENT, DOCUMENT])
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"name": "a", "status": "ok", "detail": "b"}
    ] * 2


def test_piped_text_is_neither_wrapped_nor_padded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    long = "word " * 100
    Output().show(Text(long), "short [brackets] :smile:")
    assert capsys.readouterr().out == f"{long.rstrip()}\nshort [brackets] :smile:\n"


@contextmanager
def stdout_without_a_reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w", buffering=1) as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        try:
            yield
        finally:
            monkeypatch.undo()
            os.dup2(os.open(os.devnull, os.O_WRONLY), writer)


def test_a_closed_pipe_is_an_error_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with stdout_without_a_reader(monkeypatch):
        with pytest.raises(ClosedPipeError):
            Output().show("a result")
        with pytest.raises(ClosedPipeError):
            Output(as_json=True).document(DOCUMENT)


def test_a_full_disk_is_an_error_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(UsageError, match="cannot write to stdout: No space left on device"):
            Output(as_json=True).document(DOCUMENT)
        monkeypatch.undo()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())


@pytest.mark.parametrize("command", ["config", "config --json", "--help", "up --help"])
def test_a_command_ends_quietly_when_its_reader_has_left(command: str) -> None:
    script = f"{sys.executable} -m rushhour.simulator {command} | true; echo ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    assert ended.stdout.strip() in {"0", "141"}  # 0 if it was done before the reader left
