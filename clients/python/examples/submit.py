#!/usr/bin/env python3
"""Submits one transfer and follows it to its end, whatever is lost on the way.

    BURSAR_URL=http://127.0.0.1:8080 BURSAR_TOKEN=bursar_… python3 examples/submit.py ORDER-1

Exit code: 0 paid; 1 refused, failed, or needs review; 2 wrong use; 3 Bursar is out of reach.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # an installed package needs no path

from bursar_client import Client, NotSettledError, ProblemError, UnavailableError  # noqa: E402
from bursar_client.types import TransferJob  # noqa: E402

URL = os.environ.get("BURSAR_URL", "http://127.0.0.1:8080")
TOKEN = os.environ.get("BURSAR_TOKEN", "")
# The seconds for which one request is repeated; after it, a person must look.
RETRY_FOR = float(os.environ.get("BURSAR_REPEAT_FOR", "120"))


def main() -> int:
    if len(sys.argv) != 2 or not TOKEN:
        print("usage: BURSAR_URL=… BURSAR_TOKEN=… submit.py PLATFORM_NO", file=sys.stderr)
        return 2
    # Choose the key once and keep it: it identifies this payment in every repetition.
    platform_no = sys.argv[1]
    job: TransferJob = {
        "account": "main",
        "kind": "transfer",
        "platform_no": platform_no,
        "body": {
            "node_id": "00061967",
            "total_amount": 10,  # fen
            "payer_store_no": "amy99a",
            "payer_type": "1",
            "payee_store_no": "amy99b",
            "payee_type": "2",
            "arrive_time": "T0",
        },
    }
    client = Client(URL, TOKEN, timeout=float(os.environ.get("BURSAR_TIMEOUT", "15")), retry_for=RETRY_FOR)
    try:
        print(f"{platform_no} is {client.submit(job)['state']}")
        state = client.wait("main", "transfer", platform_no)["state"]
    except ProblemError as error:
        print(f"refused ({error.status}): {error.detail}", file=sys.stderr)
        return 1
    except (UnavailableError, NotSettledError) as error:  # run this again: it is the same payment
        print(error, file=sys.stderr)
        return 3
    print(f"{platform_no} {state}")
    return 0 if state == "succeeded" else 1


if __name__ == "__main__":
    sys.exit(main())
