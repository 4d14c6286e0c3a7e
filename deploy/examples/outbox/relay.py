#!/usr/bin/env python3
"""Submits the rows of the outbox, in order, and marks each with its outcome. Needs only the database's driver.

    BURSAR_URL=http://127.0.0.1:8080 BURSAR_TOKEN=bursar_… python3 relay.py DATABASE [--once]

DATABASE (or RELAY_DATABASE in the environment, which hides a password from other users) is a SQLite file,
postgresql://user@host/database or mysql://user@host/database.

It may be killed at any moment, restarted, and run twice at once: a row that was submitted and not yet marked is submitted
again, and the outcome is `existing`. SIGTERM ends it after the batch in flight.

Exit code: 0 after SIGTERM, or with --once when no row is left that another relay has not locked; 1 with --once if a row was
refused; 2 wrong use; 3 if Bursar refuses the request (a wrong token, for example), or the database cannot be opened.
"""

import http.client
import json
import os
import signal
import sys
import threading
import urllib.error
import urllib.request

import databases

URL = os.environ.get("BURSAR_URL", "http://127.0.0.1:8080")
TOKEN = os.environ.get("BURSAR_TOKEN", "")
TIMEOUT_SECONDS = float(os.environ.get("BURSAR_TIMEOUT", "30"))
# Rows in one request; Bursar accepts at most 1,000. If their texts are too long together, the batch is divided.
BATCH = int(os.environ.get("RELAY_BATCH", "500"))
# The wait at an empty outbox, and the longest wait while Bursar or the database is away.
IDLE_SECONDS, LONGEST_SECONDS = 0.5, 5.0
# The length of a stored reason; the column of every database has room for it.
DETAIL_CHARACTERS = 2000

# A marked row is not changed: of two relays the first one's outcome counts.
MARK = "UPDATE bursar_outbox SET outcome = %s, detail = %s, sent_at = {now} WHERE id = %s AND outcome IS NULL"


class Away(Exception):
    """Whether Bursar has the batch is unknown: submit it again."""


class Refused(Exception):
    """The whole request is refused: too long, or not JSON for the server. One of its rows is the cause."""


class Wrong(Exception):
    """Another attempt does not help."""


def submit(jobs):
    """The outcomes of these jobs, in order. Each job is sent as its row has it."""
    body = ('{"jobs":[' + ",".join(jobs) + "]}").encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(URL + "/v1/jobs", data=body, headers=headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            outcomes = json.load(answer)["jobs"]
    except urllib.error.HTTPError as error:
        detail = error.read()[:300].decode(errors="replace")
        if error.code in (400, 413, 422):
            raise Refused(f"HTTP {error.code}: {detail}") from error
        if error.code in (408, 429) or error.code >= 500:
            raise Away(f"HTTP {error.code}: {detail}") from error
        raise Wrong(f"HTTP {error.code}: {detail}") from error
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:  # an incomplete response is none
        raise Away(str(error)) from error
    if len(outcomes) != len(jobs):
        raise Wrong(f"{len(outcomes)} outcomes for {len(jobs)} jobs")
    return outcomes


def is_json(text):
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def outcomes_of(rows):
    """Id, outcome and detail for each row. A faulty row delays no other row."""
    try:
        outcomes = submit([job for _, _, job in rows])
    except Refused as error:
        if len(rows) == 1:
            return [(rows[0][0], "invalid", str(error))]
        middle = len(rows) // 2
        return outcomes_of(rows[:middle]) + outcomes_of(rows[middle:])
    marks = []
    for (number, platform_no, _), outcome in zip(rows, outcomes):
        word = outcome["outcome"]
        detail = None
        if word == "conflict":
            first = outcome["first"]
            detail = "submitted before with other content" if first == platform_no else f"{first} was there first"
        elif word == "invalid":
            detail = "; ".join(f"{error['field']} {error['rule']}" for error in outcome["errors"])
        marks.append((number, word, detail))
    return marks


def relay_batch(database):
    """One batch, in one transaction: the number of its rows, and of the refused ones."""
    rows = database.execute(database.unsent, (BATCH,))
    # A row that is no JSON object would spoil the whole request.
    broken = [(number, "invalid", "must be one JSON object") for number, _, job in rows if not is_json(job)]
    sound = [row for row in rows if is_json(row[2])]
    try:
        marks = broken + (outcomes_of(sound) if sound else [])
    except Away:
        database.rollback()  # another relay may take the rows
        raise
    for number, word, detail in marks:
        shortened = detail[:DETAIL_CHARACTERS] if detail else None
        database.execute(MARK.format(now=database.now), (word, shortened, number))
    database.commit()  # also without a change: a transaction that only read must not stay open
    refused = [one for one in marks if one[1] in ("conflict", "invalid")]
    for number, word, detail in refused:
        print(f"row {number}: {word}: {detail}", file=sys.stderr, flush=True)
    return len(rows), len(refused)


class Relay:
    """Batch after batch, while Bursar and the database come and go."""

    def __init__(self, address):
        self.address = address
        self.database = databases.opened(address)
        self.ended = threading.Event()
        self.pause = IDLE_SECONDS

    def later(self, what, error):
        print(f"{what} is away ({str(error).strip()}); trying again", file=sys.stderr, flush=True)
        self.ended.wait(self.pause)
        self.pause = min(self.pause * 2, LONGEST_SECONDS)

    def step(self):
        """One batch; None if it could not be submitted."""
        try:
            done = relay_batch(self.database)
            self.pause = IDLE_SECONDS
            return done
        except Away as error:
            self.later(URL, error)
        except self.database.away as error:
            self.later("the database", error)
            self.reopen()
        return None

    def reopen(self):
        try:
            self.database.close()
        except self.database.errors:
            pass  # the other side has closed it
        try:
            self.database = databases.opened(self.address)
        except self.database.away as error:
            self.later("the database", error)

    def run(self, once):
        refused_ever = 0
        while not self.ended.is_set():
            done = self.step()
            if done is None:
                continue
            rows, refused = done
            refused_ever += refused
            if rows < BATCH and once:
                return 1 if refused_ever else 0
            if rows < BATCH:
                self.ended.wait(IDLE_SECONDS)
        return 0


def main():
    once = "--once" in sys.argv[1:]
    named = [argument for argument in sys.argv[1:] if argument != "--once"] or [os.environ.get("RELAY_DATABASE", "")]
    if len(named) != 1 or not named[0] or not TOKEN:
        print("usage: BURSAR_URL=… BURSAR_TOKEN=… relay.py DATABASE [--once]", file=sys.stderr)
        return 2
    try:
        relay = Relay(named[0])
    except Exception as error:  # any error of the driver, or a missing driver
        print(f"the database cannot be opened: {error}", file=sys.stderr)
        return 3
    signal.signal(signal.SIGTERM, lambda *_: relay.ended.set())
    try:
        return relay.run(once)
    except Wrong as error:
        print(f"{URL}: {error}", file=sys.stderr)
    except relay.database.errors as error:  # no such table, no right to it
        print(f"the database refuses: {error}", file=sys.stderr)
    return 3


if __name__ == "__main__":
    sys.exit(main())
