"""Traces that were kept: found by what they tell, and told one by one."""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.admin.running import journal_of
from gateway.app import Gateway
from gateway.inbound.request import Refused
from gateway.journal.file import Unusable
from gateway.journal.record import Record, unpack
from gateway.journal.search import BadSearch, Search, read_search
from gateway.journal.state import JournalState
from gateway.journal.telling import tell_record, tell_summary
from gateway.problem import of_status

_TRACE = re.compile(r"[0-9a-f]{32}")
_SPAN = re.compile(r"[0-9a-f]{16}")


def routes(gateway: Gateway) -> Sequence[Route]:
    """What there is of traces on the admin side."""

    async def search(request: Request) -> Response:
        """Finds traces, the newest first: by endpoint, status, step, min_ms and q; before and limit lead through them."""
        asked = _asked(request)
        try:
            found = await journal_of(gateway).ask(lambda file: file.search(asked))
        except (sqlite3.Error, Unusable) as error:
            raise _in_trouble() from error
        older = found[-1].seq if len(found) == asked.limit else None
        return JSONResponse({"traces": [tell_summary(one) for one in found], "before": older})

    async def show(request: Request) -> Response:
        """Tells a trace: its spans, what waited for what, the critical path, and why each step ran when it ran."""
        return JSONResponse(tell_record(await _record(journal_of(gateway), request)))

    async def export(request: Request) -> Response:
        """Gives a trace as OTLP JSON, for other viewers."""
        record = await _record(journal_of(gateway), request)
        return JSONResponse(gateway.tracing.as_otlp(record.trace))

    path = "/api/traces/{id}"
    return [Route("/api/traces", search), Route(path, show), Route(f"{path}/otlp", export)]


def _asked(request: Request) -> Search:
    given = request.query_params
    try:
        if len(given.multi_items()) > len(given):
            raise BadSearch("a parameter is there twice")
        return read_search(dict(given))
    except BadSearch as error:
        raise Refused(of_status(400, "Bad Request", str(error))) from error


async def _record(journal: JournalState, request: Request) -> Record:
    trace, span = request.path_params["id"].lower(), request.query_params.get("span")
    if not _TRACE.fullmatch(trace) or (span is not None and not _SPAN.fullmatch(span)):
        raise Refused(of_status(400, "Bad Request", "a trace has an id of 32 hexadecimal digits, a span one of 16"))
    try:
        data = await journal.ask(lambda file: file.find(trace, span))
        if data is None:
            raise Refused(of_status(404, "Not Found", "there is no such trace here, or no longer"))
        return unpack(data)
    except (sqlite3.Error, Unusable, zlib.error, ValueError, LookupError, TypeError) as error:
        raise _in_trouble() from error


def _in_trouble() -> Refused:
    return Refused(of_status(503, "Service Unavailable", "the journal cannot be read"))
