#!/usr/bin/env python3
"""An app that decides on a payment and writes it down in the same transaction: either both happened, or neither.

    python3 shop.py shop.db ORDER-1 [ORDER-2 …]
"""

import json
import pathlib
import sqlite3
import sys

SCHEMA = pathlib.Path(__file__).with_name("outbox.sqlite.sql").read_text()


def pay(connection, order):
    """Within the caller's transaction: the order is paid, and the payment is in the outbox."""
    platform_no = f"PAY-{order}"  # from the order's own number: whoever pays it again names the same payment
    job = {
        "account": "main",
        "kind": "transfer",
        "platform_no": platform_no,
        "body": {
            "node_id": "00061967",
            "total_amount": 10,
            "payer_store_no": "amy99a",
            "payer_type": "1",
            "payee_store_no": "amy99b",
            "payee_type": "2",
            "arrive_time": "T0",
        },
    }
    connection.execute("INSERT INTO orders (number, state) VALUES (?, 'being paid')", (order,))
    connection.execute(
        "INSERT INTO bursar_outbox (account, kind, platform_no, job) VALUES (?, ?, ?, ?)",
        (job["account"], job["kind"], platform_no, json.dumps(job)),
    )


def main():
    if len(sys.argv) < 3:
        print("usage: shop.py DATABASE ORDER…", file=sys.stderr)
        return 2
    connection = sqlite3.connect(sys.argv[1], timeout=30)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(SCHEMA + "CREATE TABLE IF NOT EXISTS orders (number TEXT PRIMARY KEY, state TEXT NOT NULL);")
    with connection:  # one transaction: an order that exists already takes all of them back
        for order in sys.argv[2:]:
            pay(connection, order)
    return 0


if __name__ == "__main__":
    sys.exit(main())
