"""A function app for the host's tests: it does what a message says and writes down what it saw."""

import asyncio
import json
import logging
import os
import sys
import time
from pathlib import Path

import azure.functions as func

app = func.FunctionApp()

STORAGE = "AzureWebJobsStorage"


def note(**facts: object) -> None:
    with Path(os.environ["SEEN"]).open("a") as seen:
        pids = {"pid": os.getppid(), "worker": os.getpid()}
        seen.write(json.dumps(facts | pids) + "\n")


note(label="import", directory=str(Path.cwd()), path=sys.path)


@app.queue_trigger(arg_name="message", queue_name="%Q%-work", connection=STORAGE)
@app.queue_output(arg_name="onward", queue_name="%Q%-onward", connection=STORAGE)
async def work(message: func.QueueMessage, onward: func.Out[bytes]) -> None:
    order = json.loads(message.get_body())
    note(label=order["label"], count=message.dequeue_count, id=message.id, step="start")
    logging.getLogger("sample").info("working on %s", order["label"])
    if message.dequeue_count <= order.get("failures", 0):
        raise RuntimeError(f"failing {order['label']} as requested")
    if order.get("block"):
        time.sleep(order["block"])  # noqa: ASYNC251 - a block of the loop is what is tested
    try:
        await asyncio.sleep(order.get("nap", 0))
    finally:
        note(label=order["label"], count=message.dequeue_count, step="end")
    if "onward" in order:
        onward.set(json.dumps(order["onward"]).encode())


@app.queue_trigger(arg_name="message", queue_name="%Q%-onward", connection=STORAGE)
async def relay(message: func.QueueMessage) -> None:
    note(label="relay", body=message.get_body().decode())


@app.queue_trigger(arg_name="message", queue_name="%Q%-texts", connection=STORAGE)
@app.queue_output(arg_name="$return", queue_name="%Q%-written", connection=STORAGE)
def texts(message: func.QueueMessage) -> str:
    return message.get_body().decode().removeprefix("send:")


@app.queue_trigger(arg_name="message", queue_name="%Q%-work-poison", connection=STORAGE)
def poisoned(message: func.QueueMessage) -> None:
    note(label="poisoned", count=message.dequeue_count, body=message.get_body().decode())
    if "again" in message.get_body().decode():
        raise RuntimeError("the poison function fails as requested")


@app.timer_trigger(arg_name="timer", schedule="%TICK%")
async def tick(timer: func.TimerRequest) -> None:
    note(label="tick", past_due=timer.past_due)


@app.route("echo/{name}/{number:int?}", methods=["GET", "POST"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    seen = {
        "route": dict(req.route_params),
        "query": dict(req.params),
        "headers": dict(req.headers),
        "body": req.get_body().decode(),
    }
    reply = func.HttpResponse(json.dumps(seen), status_code=202, mimetype="application/json")
    reply.headers.add("Set-Cookie", "taste=sweet; Path=/echo; HttpOnly")
    return reply


@app.route("open", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def everybody(req: func.HttpRequest) -> func.HttpResponse:
    if "fail" in req.params:
        raise RuntimeError("failing as requested")
    return func.HttpResponse(b"\x00\xff", mimetype="image/png")


@app.route("guarded", methods=["GET"], auth_level=func.AuthLevel.ADMIN)
def guarded(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.method)
