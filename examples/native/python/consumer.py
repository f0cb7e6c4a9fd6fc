"""Reads a Sallyport route's queue with pika. The contract is docs/native-consumers.md.

AMQP_URL     the broker, with the application's own user
QUEUE        the route's queue, such as sallyport.orders
RETRY_WAITS  the route's retry queues, such as 1,4,16,64; empty for a route that keeps an order
ATTEMPTS     how often an event is tried before it becomes a dead letter (8)
"""
import json
import os
import signal
import sys
import time
from datetime import datetime, timezone

import pika
from pika.exceptions import AMQPError

URL = os.environ.get("AMQP_URL", "amqp://localhost")
QUEUE = os.environ.get("QUEUE", "sallyport.orders")
EXCHANGE = QUEUE.split(".")[0]
WAITS = [int(w) for w in os.environ.get("RETRY_WAITS", "1,4,16,64").split(",") if w]
ATTEMPTS = int(os.environ.get("ATTEMPTS", "8"))


class Refused(Exception):
    """The event can never be taken."""


def handle(event):
    """Takes an event: this is the application's. This one prints it; so that the rest
    can be seen, {"fail": 2} fails twice and {"refuse": true} is never taken."""
    if event["data"].get("refuse"):
        raise Refused("refused by the application")
    if event["data"].get("fail", 0) >= event["attempt"]:
        raise RuntimeError("the application is not ready for it")
    print(json.dumps(event), flush=True)


# What was taken before. An event may come twice; keep its id in the application's
# database, in the transaction that does the work, to know that across restarts.
taken = set()
stopping = False


def move(channel, properties, body, to, **more):
    """Publishes a message again, to a retry queue or the dead letters. It returns when
    the broker has it, and raises if there is no such queue. Only then may the message
    be acknowledged."""
    headers = {n: v for n, v in properties.headers.items() if n.startswith(("cloudEvents:", "x-sallyport-"))}
    headers.update({"x-sallyport-" + n: v for n, v in more.items()})
    properties.headers, properties.delivery_mode = headers, 2
    channel.basic_publish(EXCHANGE, to, body, properties, mandatory=True)


def bury(channel, properties, body, event, err):
    now = datetime.now(timezone.utc)
    history = properties.headers.get("x-sallyport-history", [])
    line = f"{now.isoformat()} attempt {event['attempt']}: {err}"
    move(channel, properties, body, QUEUE + ".dead", attempts=event["attempt"], reason=str(err),
         died=int(now.timestamp() * 1000), history=history + [line])


def take(connection, channel, method, properties, body):
    event = {
        "id": properties.message_id, "type": properties.type, "key": properties.headers.get("cloudEvents:partitionkey"),
        "attempt": properties.headers.get("x-sallyport-attempts", 0) + 1, "data": json.loads(body),
    }
    while True:
        try:
            if event["id"] not in taken:
                handle(event)
            taken.add(event["id"])
            break
        except Exception as err:  # whatever the application raises
            if isinstance(err, Refused) or event["attempt"] >= ATTEMPTS:
                bury(channel, properties, body, event, err)
                break
            if WAITS:
                wait = WAITS[min(event["attempt"], len(WAITS)) - 1]
                move(channel, properties, body, f"{QUEUE}.retry.{wait}", attempts=event["attempt"])
                break
            # The route keeps an order: nothing may overtake the event, so it waits here.
            connection.sleep(min(2 ** event["attempt"], 60))
            event["attempt"] += 1
    channel.basic_ack(method.delivery_tag)


def session():
    """Consumes until the connection is lost, or until it is told to stop."""
    connection = pika.BlockingConnection(pika.URLParameters(URL))
    try:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_qos(prefetch_count=10 if WAITS else 1)
        for method, properties, body in channel.consume(QUEUE, inactivity_timeout=0.5):
            if method is not None:
                take(connection, channel, method, properties, body)
            if stopping:
                break
    finally:
        if connection.is_open:
            connection.close()  # what is not acknowledged goes back to the queue


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
fails = 0
while not stopping:
    began = time.monotonic()
    try:
        session()
    except (AMQPError, OSError) as err:
        print(repr(err), file=sys.stderr)
    fails = 0 if time.monotonic() - began > 10 else fails + 1
    until = time.monotonic() + min(0.2 * 2 ** fails, 10)
    while not stopping and time.monotonic() < until:
        time.sleep(0.1)
