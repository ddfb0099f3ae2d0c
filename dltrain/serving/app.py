"""The server's four addresses: /predict, /health, /metrics, and a page to try it on."""

import asyncio
import base64
import hashlib
import json
import re
import threading
from collections.abc import Collection
from html import escape
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from dltrain import __version__
from dltrain.data import unnamed
from dltrain.errors import DltrainError, OptionError
from dltrain.inference import options
from dltrain.inference.prediction import Predictor, predictions
from dltrain.runs.folder import finite
from dltrain.serving.counts import Counts
from dltrain.serving.gate import Gate, Refused
from dltrain.untrusted import Unreadable, parsing

MOST_WAITING = 32
"""Requests that wait for the network; the next are asked to come again."""
LIKELIEST = 5
"""Classes that the page shows."""


class Answer(JSONResponse):
    """An answer in JSON, of ASCII alone: a client's text may hold half of a surrogate pair, which UTF-8 cannot."""

    def render(self, content: Any) -> bytes:
        """Returns the bytes of the answer."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def create(
    predictor: Predictor, name: str, hosts: Collection[str] | None, most_bytes: int, most_instances: int
) -> Gate:
    """Returns the ASGI application of the server.

    Args:
        predictor: the network.
        name: the run's.
        hosts: names that it may be asked by; none for any.
        most_bytes: of a request.
        most_instances: examples in a request.
    """
    counts, page = Counts(), _page(predictor, name)
    app = FastAPI(title=f"dltrain {name}", version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    desk = _Desk(predictor, counts, most_instances)

    @app.get("/", response_class=HTMLResponse)
    async def show() -> str:
        return page

    @app.get("/health")
    async def health() -> dict[str, Any]:
        shapes = {key: list(feature.max_shape) for key, feature in predictor.spec.inputs.items()}
        shape = unnamed(shapes)
        return {"status": "ok", "run": name, "checkpoint": predictor.checkpoint, "shape": shape}

    @app.get("/metrics")
    async def metrics() -> PlainTextResponse:
        return PlainTextResponse(counts.text(), media_type="text/plain; version=0.0.4")

    @app.post("/predict")
    async def predict(request: Request) -> Answer:
        found = await desk.answer(request)
        failed = sum("error" in row for row in found)
        counts.examples(len(found), failed)
        return Answer({"predictions": finite(found)}, 422 if failed == len(found) else 200)

    @app.exception_handler(Refused)
    async def refuse(_: Request, refusal: Refused) -> Answer:
        headers = {"Retry-After": "1"} if refusal.status == 503 else None
        return Answer({"error": str(refusal)}, refusal.status, headers)

    @app.exception_handler(HTTPException)
    async def say(_: Request, error: HTTPException) -> Answer:
        return Answer({"error": str(error.detail)}, error.status_code)

    @app.exception_handler(Exception)
    async def fail(_: Request, error: Exception) -> Answer:
        # The traceback goes to the server's own terminal alone.
        return Answer({"error": "the server failed; its terminal shows the error"}, 500)

    return Gate(app, hosts, most_bytes, _policy(page), counts)


class _Desk:
    """Answers one request at a time, so that decoded images and activations are in memory once."""

    def __init__(self, predictor: Predictor, counts: Counts, most_instances: int) -> None:
        self._predictor, self._most = predictor, most_instances
        self._busy, self._waiting = threading.Lock(), 0

    async def answer(self, request: Request) -> list[dict[str, Any]]:
        """Returns an answer for each example of a request.

        Raises:
            Refused: if the request is none that can be answered.
        """
        if self._waiting >= MOST_WAITING:
            raise Refused(503, f"{MOST_WAITING} requests are waiting; try again")
        self._waiting += 1
        try:
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            asked: dict[str, Any] = dict(request.query_params)
            files: list[tuple[str, bytes]] = []
            values = None
            if kind == "application/json":
                asked |= _json(await request.body())
                values = asked.pop("instances", None)
                if not isinstance(values, list) or not values:
                    raise Refused(400, 'the body must be {"instances": [...]} with at least one example')
            elif kind == "multipart/form-data":
                files = await _files(request, self._most)
                if not files:
                    raise Refused(400, "the form holds no file")
            elif kind.startswith("image/") or kind == "application/octet-stream":
                files.append(("body", await request.body()))
            else:
                raise Refused(
                    415,
                    "Content-Type must be application/json, multipart/form-data or that of an image, which is the body",
                )
            if len(values or files) > self._most:
                raise Refused(413, f"a request may have at most {self._most} examples, got {len(values or files)}")
            wanted = _choices(self._predictor.task, asked)
            return await asyncio.shield(run_in_threadpool(self._work, values, files, wanted))
        finally:
            self._waiting -= 1

    def _work(
        self, values: list[Any] | None, files: list[tuple[str, bytes]], wanted: dict[str, Any]
    ) -> list[dict[str, Any]]:
        with self._busy:
            reader = self._predictor.reader
            try:
                with parsing():
                    given = [reader.read_values(values)] if values else [reader.read_file(*file) for file in files]
            except Unreadable as error:
                raise Refused(422, f"the examples cannot be read: {error}") from None
            if sum(len(each.names) for each in given) > self._most:
                raise Refused(413, f"a request may have at most {self._most} examples")
            try:
                pieces = [piece for each in given for piece in predictions(self._predictor, [each], wanted)]
            except OptionError as error:
                raise Refused(400, str(error.problem)) from None
            except DltrainError as error:
                raise Refused(503, str(error)) from None
            return [row for rows, _ in pieces for row in rows]


async def _files(request: Request, most: int) -> list[tuple[str, bytes]]:
    """Returns the files of a form, by name."""
    try:
        with parsing():
            async with request.form(max_files=most, max_fields=10) as form:
                found = [each for _, each in form.multi_items() if not isinstance(each, str)]
                return [(each.filename or "file", await each.read()) for each in found]
    except Unreadable as error:
        raise Refused(400, f"the form cannot be read: {error}") from None


def _json(body: bytes) -> dict[str, Any]:
    try:
        with parsing():
            found = json.loads(body)
    except Unreadable as error:
        raise Refused(400, f"the body must be JSON: {error}") from None
    if not isinstance(found, dict):
        raise Refused(400, 'the body must be an object, {"instances": [...]}')
    return found


def _choices(task: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Returns the options that a request asks for, as what they are."""
    known = options.names(task)
    strange = set(asked) - set(known)
    if strange:
        there = " and ".join([", ".join(["instances", *known[:-1]]), known[-1]])
        raise Refused(400, f"unknown keys: {', '.join(sorted(strange))[:100]}; the keys are {there}")
    try:
        with parsing():
            return options.parsed(task, asked)
    except ValueError as error:
        raise Refused(400, str(error)) from None


def warm(predictor: Predictor) -> None:
    """Compiles the network, so that the first request need not wait for it."""
    predictor.warm()


def _page(predictor: Predictor, name: str) -> str:
    about = {"schema": predictor.spec.inputs.request_schema(), "options": _page_options(predictor)}
    # "<" would end the element in a name such as </script>.
    plain = json.dumps(about).replace("<", "\\u003c")
    page = Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    return page.replace("{{name}}", escape(name)).replace("{{about}}", plain)


def _page_options(predictor: Predictor) -> dict[str, Any]:
    """Returns the options that the page asks with: the likeliest few, where the task has such."""
    if "top_k" not in predictor.task.options:
        return {}
    return {"top_k": LIKELIEST}


def _policy(page: str) -> str:
    """Returns what the page may do: run its own script and style, show images of the user's, and ask this server."""

    def hashes(element: str) -> str:
        found = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
        sums = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in found]
        return " ".join(f"'sha256-{each}'" for each in sums)

    return (
        f"default-src 'none'; script-src {hashes('script')}; style-src {hashes('style')}; img-src blob:; "
        "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )
