"""One reader of Redis for all open pages: it waits for closed hours and looks at the clock.

While no page is open it reads nothing.
"""

import logging
import threading
import time

import redis

from rushhour.core.errors import RedisFailure
from rushhour.simulator.web.live.mailbox import Frame, Mailbox
from rushhour.simulator.web.live.pace import Pace
from rushhour.simulator.web.live.state import StateReader
from rushhour.simulator.web.reading.figures import encode
from rushhour.simulator.web.source import RunSource

_RETRY_S = 0.5  # between two attempts to reach a Redis that is away
MAX_PAGES = 100

_log = logging.getLogger(__name__)


class TooManyPages(Exception):
    """As many pages are open as the feed serves."""


class Feed:
    """Sends what happens in a run to the mailboxes of the open pages.

    Parameters
    ----------
    source
        Where the run is.
    """

    def __init__(self, source: RunSource) -> None:
        self._source = source
        self._changed = threading.Condition()
        self._mailboxes: set[Mailbox] = set()
        self._latest = Frame()  # all that a new page needs
        self._is_current = False
        self._ended = False
        self._thread: threading.Thread | None = None

    def subscribe(self, mailbox: Mailbox) -> None:
        """Send what happens to a mailbox from now on, and first how things stand.

        Raises
        ------
        TooManyPages
            If `MAX_PAGES` are open.
        """
        with self._changed:
            if len(self._mailboxes) >= MAX_PAGES:
                raise TooManyPages
            self._mailboxes.add(mailbox)
            if self._is_current:
                mailbox.put(self._latest)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="feed", daemon=True)
                self._thread.start()
            self._changed.notify()

    def unsubscribe(self, mailbox: Mailbox) -> None:
        """Send nothing more to a mailbox."""
        with self._changed:
            self._mailboxes.discard(mailbox)

    def close(self) -> None:
        """End the streams of all pages, and the reader."""
        with self._changed:
            self._ended = True
            for mailbox in self._mailboxes:
                mailbox.close()
            self._changed.notify()

    def _work(self) -> None:
        while self._await_page():
            try:
                self._follow()
            except (RedisFailure, redis.RedisError) as error:
                self._say_absent(error)
                time.sleep(_RETRY_S)
            except Exception as error:  # the pages must outlive whatever Redis holds
                _log.exception("the feed failed, and begins again")
                self._say_absent(error)
                time.sleep(_RETRY_S)

    def _follow(self) -> None:
        """Read the run, frame by frame, while pages are open."""
        client = self._source.client()
        try:
            reader, pace = StateReader(client), Pace(time.monotonic())
            self._send(reader.read(), reader.latest)
            while self._has_pages():
                if reader.wait(pace.clock_in_s(time.monotonic())):
                    time.sleep(pace.hour_in_s(time.monotonic()))
                pace.spend(time.monotonic())
                self._send(reader.read(), reader.latest)
        except (redis.RedisError, RedisFailure):
            self._source.lost(client)
            raise
        finally:
            self._is_current = False

    def _send(self, frame: Frame, latest: Frame) -> None:
        """Send a frame to all pages, and keep what the next new page needs."""
        with self._changed:
            self._latest, self._is_current = latest, True
            for mailbox in self._mailboxes:
                mailbox.put(frame)

    def _say_absent(self, error: Exception) -> None:
        with self._changed:
            self._is_current = False
            absent = Frame(absent=encode({"reason": str(error)}))
            for mailbox in self._mailboxes:
                mailbox.put(absent)

    def _await_page(self) -> bool:
        """Wait for an open page; return False once the feed is closed."""
        with self._changed:
            while not (self._mailboxes or self._ended):
                self._changed.wait()
            return not self._ended

    def _has_pages(self) -> bool:
        with self._changed:
            return bool(self._mailboxes) and not self._ended
