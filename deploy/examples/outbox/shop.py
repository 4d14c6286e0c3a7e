#!/usr/bin/env python3
"""An app that decides on a payment and stores it in the same transaction: either both happen, or neither.

    python3 shop.py DATABASE ORDER-1 [ORDER-2 …]

DATABASE is a SQLite file, postgresql://user@host/database or mysql://user@host/database.
"""

import json
import pathlib
import sys

import databases

ORDERS = "CREATE TABLE IF NOT EXISTS orders (number VARCHAR(64) PRIMARY KEY, state VARCHAR(32) NOT NULL)"


def pay(database, order):
    """Within the caller's transaction: the order is paid, and the payment is in the outbox."""
    platform_no = f"PAY-{order}"  # from the order's number: a second attempt names the same payment
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
    database.execute("INSERT INTO orders (number, state) VALUES (%s, 'being paid')", (order,))
    database.execute(
        "INSERT INTO bursar_outbox (account, kind, platform_no, job) VALUES (%s, %s, %s, %s)",
        (job["account"], job["kind"], platform_no, json.dumps(job)),
    )


def main():
    if len(sys.argv) < 3:
        print("usage: shop.py DATABASE ORDER…", file=sys.stderr)
        return 2
    database = databases.opened(sys.argv[1])
    database.script(pathlib.Path(__file__).with_name(database.schema).read_text() + ORDERS)
    database.commit()
    try:
        for order in sys.argv[2:]:
            pay(database, order)
        database.commit()  # one transaction: an order that exists already rolls all of them back
    except database.errors as error:
        database.rollback()
        print(f"nothing was ordered: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
