"""The client against a server behind a proxy that loses replies. `tests/e2e/sdks.rs` starts both, and checks what arrived:

    cargo test -p bursar --test e2e -- sdks::python
"""

import json
import os
import sys
import unittest
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bursar_client import (  # noqa: E402
    Client,
    ConflictError,
    NotSettledError,
    ProblemError,
    Problems,
    UnavailableError,
    Webhook,
    WebhookError,
)

VECTORS = Path(__file__).resolve().parent.parent.parent / "webhook-vectors.json"
URL = os.environ.get("BURSAR_URL", "")
TOKEN = os.environ.get("BURSAR_TOKEN", "")


def client(retry_for=30.0, token=TOKEN):
    return Client(URL, token, timeout=2.0, retry_for=retry_for)


def transfer(key, amount=10, **fields):
    body = {"node_id": "00061967", "total_amount": amount, "payer_store_no": "amy99a", "payer_type": "1"}
    body.update(payee_store_no="amy99b", payee_type="2", arrive_time="T0")
    return {"account": "main", "kind": "transfer", "platform_no": key, "body": body, **fields}


def bill(key):
    goods = {"goods_id": "apple-01", "goods_name": "ipad", "quantity": 1, "price": 200000, "real_price": 199999}
    body = {"node_id": "100001", "order_amount": 199, "order_id": key, "order_time": "20240301131800"}
    body.update(store_id="20008221", trade_type="1", goods_detail=[goods], extra={"remark": "备注"})
    return {"account": "main", "kind": "bill_upload", "platform_no": key, "body": body}


def split(key):
    receivers = [{"receiverId": 800029, "divisionProfit": "0.0001"}]
    body = {"payOrderId": key, "useSysAutoDivisionReceivers": 0, "receivers": receivers}
    return {"account": "shop", "kind": "split", "platform_no": key, "body": body}


def withdrawal(key):
    body = {"merchant_id": 1000000001116, "sso_node_id": "00061967", "account_sub_type": "0", "total_amount": 110}
    body.update(card_type="0", remark=key)
    return {"account": "main", "kind": "withdrawal", "platform_no": key, "body": body}


class WebhookTest(unittest.TestCase):
    def test_every_vector_has_its_result(self):
        for vector in json.loads(VECTORS.read_text(encoding="utf-8"))["vectors"]:
            names = ("id", "timestamp", "signature")
            headers = {f"Webhook-{name}": vector[name] for name in names if vector[name] is not None}
            try:
                Webhook(vector["secrets"]).verify(headers, vector["body"].encode(), vector["now"])
                result = "verified"
            except WebhookError as error:
                result = error.code
            self.assertEqual(result, vector["expected"], vector["name"])

    def test_a_wrong_secret_is_refused(self):
        for secret in json.loads(VECTORS.read_text(encoding="utf-8"))["invalid_secrets"]:
            self.assertRaises(ValueError, Webhook, secret)


@unittest.skipUnless(URL, "BURSAR_URL names no server")
class ClientTest(unittest.TestCase):
    def test_a_webhook_of_the_server_is_verified(self):
        message = json.loads(Path(os.environ["BURSAR_WEBHOOK"]).read_text(encoding="utf-8"))
        event = Webhook(message["secrets"]).verify(message["headers"], message["body"].encode())
        self.assertEqual(event.payload["type"], "job.succeeded")
        self.assertEqual(event.payload["data"]["platform_no"], "HOOK-1")

    def test_a_job_of_each_kind_is_accepted_and_followed(self):
        jobs = [transfer("KIND-TRANSFER"), bill("KIND-BILL"), split("KIND-SPLIT"), withdrawal("KIND-WITHDRAWAL")]
        for job in jobs:
            self.assertEqual(client().submit(job)["outcome"], "new")
        for job in jobs[:3]:  # a withdrawal cannot be queried: an operator ends it
            ended = client().wait(job["account"], job["kind"], job["platform_no"], within=30)
            self.assertEqual(ended["state"], "succeeded", ended)

    def test_a_lost_reply_is_repeated_until_the_job_is_known(self):
        for key, outcome in [("LOST-1", "existing"), ("CUT-1", "existing"), ("HANG-1", "existing")]:
            self.assertEqual(client().submit(transfer(key))["outcome"], outcome, key)
        self.assertEqual(client().get("main", "transfer", "LOST-1")["platform_no"], "LOST-1")

    def test_what_cannot_be_taken_now_is_repeated(self):
        for key in ["DOWN-1", "RATE-1", "PAGE-1"]:
            self.assertEqual(client().submit(transfer(key))["outcome"], "new", key)

    def test_repeating_ends_at_the_deadline(self):
        with self.assertRaises(UnavailableError) as raised:
            client(retry_for=1.0).submit(transfer("GONE-1"))
        self.assertEqual((raised.exception.problem.status, raised.exception.problem.type), (502, "about:blank"))
        with self.assertRaises(UnavailableError) as raised:
            Client("http://127.0.0.1:1", TOKEN, retry_for=0.5).submit(transfer("GONE-1"))
        self.assertIsNone(raised.exception.problem)

    def test_the_same_job_is_accepted_again(self):
        outcomes = [client().submit(transfer("TWICE-1"))["outcome"] for _ in range(2)]
        self.assertEqual(outcomes, ["new", "existing"])

    def test_a_conflict_names_the_first_job(self):
        client().submit(transfer("FIRST-1"))
        with self.assertRaises(ConflictError) as raised:
            client().submit(transfer("FIRST-1", amount=11))
        error = raised.exception
        self.assertEqual((error.first, error.status, error.type), ("FIRST-1", 409, Problems.KEY_CONFLICT))
        self.assertEqual(error.fields, ["total_amount"])
        self.assertIn("FIRST-1", error.detail)

    def test_an_invalid_job_names_each_field(self):
        with self.assertRaises(ProblemError) as raised:
            client().submit(transfer("INVALID 1", amount=-1))
        error = raised.exception
        self.assertEqual((error.status, error.type), (422, Problems.INVALID))
        self.assertEqual({wrong["field"] for wrong in error.errors}, {"platform_no", "body.total_amount"})

    def test_other_refusals_are_problems(self):
        with self.assertRaises(ProblemError) as raised:
            client(token="wrong").submit(transfer("TOKEN-1"))
        self.assertEqual((raised.exception.status, raised.exception.type), (401, Problems.UNAUTHENTICATED))
        with self.assertRaises(ProblemError) as raised:
            client().get("main", "transfer", "MISSING-1")
        self.assertEqual((raised.exception.status, raised.exception.type), (404, Problems.NOT_FOUND))

    def test_a_batch_has_an_outcome_for_each_job(self):
        client().submit(transfer("BATCH-1"))
        jobs = [transfer("BATCH-1"), transfer("BATCH-1", amount=11), transfer("BATCH 3"), transfer("BATCH-2")]
        outcomes = client().batch(jobs)
        self.assertEqual([one["outcome"] for one in outcomes["jobs"]], ["existing", "conflict", "invalid", "new"])
        self.assertEqual([one["status"] for one in outcomes["jobs"]], [200, 409, 422, 201])
        self.assertEqual(outcomes["jobs"][1]["first"], "BATCH-1")
        self.assertEqual(outcomes["jobs"][2]["errors"][0]["field"], "platform_no")

    def test_a_wait_ends_with_the_job_as_it_is(self):
        tomorrow = (datetime.now(timezone.utc) + timedelta(days=1)).isoformat()
        client().submit(transfer("LATER-1", run_at=tomorrow))
        with self.assertRaises(NotSettledError) as raised:
            client().wait("main", "transfer", "LATER-1", within=1.2)
        self.assertEqual(raised.exception.job["state"], "queued")

    def test_a_key_may_have_any_characters(self):
        key = "ODD-/?#%41+&=:@"
        client().submit(transfer(key))
        self.assertEqual(client().get("main", "transfer", key)["platform_no"], key)


if __name__ == "__main__":
    unittest.main()
