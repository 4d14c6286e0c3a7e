"""BullMQ's official Python package as a peer of the side-by-side benchmark, by the driver's contract: W1 only.

Options as in the program for Node's BullMQ: three attempts, completed jobs are removed.
"""

import asyncio
import json
import os
import sys
import time
from argparse import ArgumentParser

from bullmq import Queue, Worker

QUEUE = "bench"
CONNECTION = os.environ.get("REDIS_URL", "redis://127.0.0.1:7105/0")
JOB_OPTIONS = {
    "attempts": 3,
    "backoff": {"type": "exponential", "delay": 1000},
    "removeOnComplete": True,
    "removeOnFail": 1000,
}


def job(number):
    """As much content as the other peers' jobs have, about 300 bytes as JSON."""
    order, discount = 1000 + number * 37 % 90000, number * 7 % 500
    return {
        "key": f"P20260314-{number:09}",
        "node": number % 64,
        "store": f"ST-{number % 5000:06}",
        "terminal": f"T-{number % 9999:04}",
        "channel": "wxpay",
        "order_minor": order,
        "discount_minor": discount,
        "amount_minor": order - discount,
        "currency": "CNY",
        "merchant": "M880012345678",
        "callback_url": f"https://pos.example.com/n/{number % 5000:06}",
        "attached": "queue 4, shift B",
        "submitted_us": time.time_ns() // 1000,
    }


async def ready():
    print("READY", flush=True)
    await asyncio.to_thread(sys.stdin.readline)


async def done(report):
    """Reports, and ends when the driver closes our input, so that it can still look at this process."""
    print("DONE", json.dumps(report), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


async def enqueue(arguments):
    queue, count = Queue(QUEUE, {"connection": CONNECTION}), arguments.n
    await ready()
    began = time.perf_counter()
    if arguments.mode == "bulk":
        for start in range(0, count, arguments.batch):
            numbers = range(start, min(start + arguments.batch, count))
            await queue.addBulk([{"name": "pay", "data": job(number), "opts": dict(JOB_OPTIONS)} for number in numbers])
    else:
        at_once = arguments.inflight if arguments.mode == "par" else 1

        async def submit(first):
            for number in range(first, count, at_once):
                await queue.add("pay", job(number), dict(JOB_OPTIONS))

        await asyncio.gather(*(submit(first) for first in range(at_once)))
    await done({"jobs": count, "secs": time.perf_counter() - began})


async def produce(arguments):
    queue = Queue(QUEUE, {"connection": CONNECTION})
    await ready()
    began, tasks = time.perf_counter(), []
    for number in range(arguments.n):
        await asyncio.sleep(max(0, began + number / arguments.rate - time.perf_counter()))
        tasks.append(asyncio.create_task(queue.add("pay", job(number), dict(JOB_OPTIONS))))
    await asyncio.gather(*tasks)
    await done({"jobs": arguments.n, "secs": time.perf_counter() - began})


async def work(arguments):
    count, handled, moments, latencies_ms = arguments.n, 0, {}, []
    finished = asyncio.Event()

    async def handle(job, _token):
        nonlocal handled
        moments.setdefault(0, time.perf_counter())
        if arguments.lat:
            latencies_ms.append((time.time_ns() // 1000 - job.data["submitted_us"]) / 1000)
        handled += 1
        moments[handled] = time.perf_counter()
        if handled == count:
            finished.set()

    await ready()
    worker = Worker(QUEUE, handle, {"connection": CONNECTION, "concurrency": arguments.conc})
    await finished.wait()
    report = {
        "jobs": handled,
        "errs": 0,
        "secs": moments[count] - moments[0],
        "mid_secs": moments[count // 10 * 9] - moments[count // 10],
    }
    if arguments.lat:
        ordered = sorted(latencies_ms[len(latencies_ms) // 10 :])  # the first tenth warms up
        for name, share in (("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99), ("max_ms", 1)):
            report[name] = ordered[min(int(len(ordered) * share), len(ordered) - 1)]
    await done(report)
    del worker


def main():
    parser = ArgumentParser()
    parser.add_argument("role", choices=["enqueue", "produce", "work"])
    parser.add_argument("--mode", choices=["seq", "par", "bulk"], default="seq")
    parser.add_argument("--w", choices=["W1"], default="W1")
    for name, default in (("n", 1000), ("inflight", 64), ("batch", 500), ("rate", 200), ("conc", 100), ("lat", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    arguments = parser.parse_args()
    asyncio.run({"enqueue": enqueue, "produce": produce, "work": work}[arguments.role](arguments))


main()
