"""Turn keys into commands to the simulated clock, and learn what became of them."""

import time
from dataclasses import dataclass

import redis

from rushhour.core.clock import ClockStatus, Command
from rushhour.core.entry_ids import entry_order
from rushhour.core.speed import MAX, Speed
from rushhour.simulator.terminal.remote.key_map import (
    FASTER,
    QUIT,
    SLOWER,
    command_of,
    is_paused,
    key_of,
)
from rushhour.storage.commands import append_command

_PATIENCE_S = 1.0  # results come within 0.2 s


@dataclass(frozen=True, slots=True)
class _Sent:
    command: Command
    at: float


class Remote:
    """Sends the commands of keys, and never waits for them.

    Keys count from what the commands before them lead to, also while those are under way.

    Attributes
    ----------
    quits
        The user wants to leave.
    """

    def __init__(self, client: redis.Redis) -> None:
        self.quits = False
        self._client = client
        self._clock: ClockStatus | None = None
        self._run_id = ""
        self._sent: dict[str, _Sent] = {}
        self._answer = ""

    @property
    def is_waiting(self) -> bool:
        """Whether the result of a command has not come."""
        return bool(self._sent)

    @property
    def message(self) -> str:
        """Why the last command was refused, or what has no answer yet; empty if all is well."""
        late = [
            str(sent.command)
            for sent in self._sent.values()
            if time.monotonic() - sent.at > _PATIENCE_S
        ]
        if late:
            return f"no answer yet to: {', '.join(late)}"
        if self._answer or self._clock is None or not self._clock.command_error:
            return self._answer
        return f"refused: {self._clock.command_error}"  # a command of anybody

    def press(self, character: str) -> None:
        """Do what a key says."""
        key = key_of(character)
        if key == QUIT:
            self.quits = True
            return
        speed = self._speed()
        command = command_of(key, paused=self._paused(), speed=speed)
        if command is None:
            if key in {FASTER, SLOWER}:
                self._answer = f"{speed} is the {'highest' if key == FASTER else 'lowest'} speed"
            return
        if self._clock is not None and self._clock.has_ended:
            self._answer = f"the replay has {self._clock.state}: there is no clock left to command"
            return
        self._answer = ""
        self._sent[append_command(self._client, command)] = _Sent(command, time.monotonic())

    def update(self, run_id: str, clock: ClockStatus | None) -> None:
        """Note the state of the clock, and the results that it holds."""
        if run_id != self._run_id:  # a run that starts over does not know them
            self._run_id, self._sent, self._answer = run_id, {}, ""
        self._clock = clock
        if clock is None:
            return
        for sent_id in list(self._sent):
            if entry_order(clock.command) >= entry_order(sent_id):
                del self._sent[sent_id]
                result = clock.result_of(sent_id)
                if result is not None and result.error:
                    self._answer = f"refused: {result.error}"

    def _paused(self) -> bool:
        paused = is_paused(self._clock)
        for sent in self._sent.values():
            if sent.command.name != "speed":
                paused = sent.command.name == "pause"
        return paused

    def _speed(self) -> Speed:
        asked = [sent.command.value for sent in self._sent.values() if sent.command.name == "speed"]
        if asked:
            return Speed.parse(asked[-1])
        return MAX if self._clock is None else Speed.parse(self._clock.speed)
