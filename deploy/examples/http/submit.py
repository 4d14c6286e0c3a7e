#!/usr/bin/env python3
"""Submits one transfer, repeats safely, and follows it to its end. Standard library only.

    BURSAR_URL=http://127.0.0.1:8080 BURSAR_TOKEN=bursar_… python3 submit.py ORDER-1

Exit code: 0 paid; 1 refused, failed, or needs review; 2 wrong use; 3 Bursar is out of reach.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

URL = os.environ.get("BURSAR_URL", "http://127.0.0.1:8080")
TOKEN = os.environ.get("BURSAR_TOKEN", "")
# Timeout of one request; longer than the wait below.
TIMEOUT_SECONDS = float(os.environ.get("BURSAR_TIMEOUT", "45"))
# The time for which one request is repeated; after it, a person must look.
REPEAT_SECONDS = float(os.environ.get("BURSAR_REPEAT_FOR", "120"))
UNFINISHED = {"queued", "in_doubt", "pending"}  # what is in doubt is never "not paid"


class OutOfReach(Exception):
    """Whether Bursar has the job is unknown: submit the identical job again."""


def call(method, path, body=None):
    """The response's status and JSON. The identical request is repeated after a lost connection, a lost response, 429 and 5xx."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    until, pause = time.monotonic() + REPEAT_SECONDS, 0.2
    while True:
        request = urllib.request.Request(URL + path, data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 429 and error.code < 500:
                return error.code, json.loads(error.read() or b"{}")
            why = f"HTTP {error.code}"
        except (OSError, http.client.HTTPException, ValueError) as error:  # URLError and timeouts are OSErrors
            why = str(error)
        if time.monotonic() + pause > until:
            raise OutOfReach(why)
        time.sleep(pause)
        pause = min(pause * 2, 5)


def main():
    if len(sys.argv) != 2 or not TOKEN:
        print("usage: BURSAR_URL=… BURSAR_TOKEN=… submit.py PLATFORM_NO", file=sys.stderr)
        return 2
    # Choose the key once and keep it: it identifies this payment in every repetition.
    platform_no = sys.argv[1]
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
    try:
        status, answer = call("POST", "/v1/jobs", job)
        if status not in (200, 201):
            print(f"refused ({status}): {answer.get('detail')}", file=sys.stderr)
            return 1
        print(f"{platform_no} is {answer['state']}")
        path = f"/v1/jobs/main/transfer/{urllib.parse.quote(platform_no, safe='')}?wait=30s"
        state = answer["state"]
        while state in UNFINISHED:
            status, answer = call("GET", path)
            if status != 200:
                print(f"{platform_no} cannot be read ({status}): {answer.get('detail')}", file=sys.stderr)
                return 3
            state = answer["state"]
    except OutOfReach as error:
        print(f"{URL} is out of reach ({error}); run this again", file=sys.stderr)
        return 3
    print(f"{platform_no} {state}")
    return 0 if state == "succeeded" else 1


if __name__ == "__main__":
    sys.exit(main())
