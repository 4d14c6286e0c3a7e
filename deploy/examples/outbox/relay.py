#!/usr/bin/env python3
"""Submits what stands in the outbox, in order, and marks it by its outcome. Needs the database's driver and nothing else.

    BURSAR_URL=http://127.0.0.1:8080 BURSAR_TOKEN=bursar_… python3 relay.py DATABASE [--once]

DATABASE (or RELAY_DATABASE in the environment, where no other user reads a password) is a SQLite file,
postgresql://user@host/database or mysql://user@host/database.

It may be killed at any moment, started again, and run twice at once: a row that was submitted and not yet marked is
submitted again, and answered `existing`. SIGTERM ends it after the batch that is out.

Exit code: 0 told to end, or with --once nothing is left that no other relay has in hand; 1 with --once something was
refused; 2 wrong use; 3 Bursar's answer is not what it should be (a wrong token, say), or the database cannot be opened.
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
# Rows in one request, Bursar takes 1,000 at most; fewer are tried when they are too long together.
BATCH = int(os.environ.get("RELAY_BATCH", "500"))
# Between looks at an empty outbox, and the longest between tries of a Bursar, or a database, that is away.
IDLE_SECONDS, LONGEST_SECONDS = 0.5, 5.0
# Of a reason that a person reads: every database's column takes so much.
DETAIL_CHARACTERS = 2000

# Only what nobody has marked meanwhile: of two relays the first one's word stands.
MARK = "UPDATE bursar_outbox SET outcome = %s, detail = %s, sent_at = {now} WHERE id = %s AND outcome IS NULL"


class Away(Exception):
    """Nobody knows whether the batch was taken: submit it again."""


class Refused(Exception):
    """The request as a whole: too long, or not what the server calls JSON. One of its rows is to blame."""


class Wrong(Exception):
    """Not mended by trying again."""


def submit(jobs):
    """The outcomes of these jobs, in order. Their texts go out as they stand in their rows."""
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
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:  # an answer cut short is none
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
    """Id, outcome and detail for each row. One row's mistake holds no other row back."""
    try:
        outcomes = submit([job for _, _, job in rows])
    except Refused as error:
        if len(rows) == 1:
            return [(rows[0][0], "invalid", str(error))]
        middle = len(rows) // 2
        return outcomes_of(rows[:middle]) + outcomes_of(rows[middle:])
    told = []
    for (number, platform_no, _), outcome in zip(rows, outcomes):
        word = outcome["outcome"]
        detail = None
        if word == "conflict":
            first = outcome["first"]
            detail = "submitted before with other content" if first == platform_no else f"{first} was there first"
        elif word == "invalid":
            detail = "; ".join(f"{error['field']} {error['rule']}" for error in outcome["errors"])
        told.append((number, word, detail))
    return told


def relay_batch(database):
    """One batch, in one transaction; how many rows it had, and how many of them were refused."""
    rows = database.execute(database.unsent, (BATCH,))
    # What is no JSON object would spoil the request that it stands in.
    broken = [(number, "invalid", "must be one JSON object") for number, _, job in rows if not is_json(job)]
    sound = [row for row in rows if is_json(row[2])]
    try:
        told = broken + (outcomes_of(sound) if sound else [])
    except Away:
        database.rollback()  # another relay may take the rows
        raise
    for number, word, detail in told:
        shortened = detail[:DETAIL_CHARACTERS] if detail else None
        database.execute(MARK.format(now=database.now), (word, shortened, number))
    database.commit()  # also of nothing: a transaction that only looked must not stay open
    refused = [one for one in told if one[1] in ("conflict", "invalid")]
    for number, word, detail in refused:
        print(f"row {number}: {word}: {detail}", file=sys.stderr, flush=True)
    return len(rows), len(refused)


class Relay:
    """Batch after batch, through a Bursar and a database that come and go."""

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
        """One batch; None when it came to nothing."""
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
            pass  # it was closed by the other side
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
    except Exception as error:  # whatever the driver says, or that there is none
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
