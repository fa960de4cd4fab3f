"""Whatever goes wrong in a request, answered as a problem."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from earmark.web import problems
from earmark.web.problem import MEDIA_TYPE, Problem, ProblemError
from earmark.web.security import ALWAYS

CLIENT_LEFT = 499
"""As proxies log it; nobody gets it."""


def answer_failures(app: FastAPI) -> None:
    """Have all errors of an application answered as problems."""

    @app.exception_handler(ProblemError)
    async def known(request: Request, error: ProblemError) -> Response:
        del request
        return _answer(error.problem, error.headers)

    @app.exception_handler(HTTPException)
    async def usual(request: Request, error: HTTPException) -> Response:
        del request
        return _answer(_of_status(error.status_code), error.headers or {})

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        del request
        return _answer(_of_parameters(error), {})

    @app.exception_handler(ClientDisconnect)
    async def left(request: Request, error: ClientDisconnect) -> Response:
        del request, error
        return Response(status_code=CLIENT_LEFT)

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        del request, error  # the server logs it with its traceback
        return _answer(problems.unforeseen(), ALWAYS)


def _answer(problem: Problem, headers: Mapping[str, str]) -> Response:
    return JSONResponse(problem.to_dict(), problem.status, dict(headers), MEDIA_TYPE)


def _of_status(status: int) -> Problem:
    if status == HTTPStatus.NOT_FOUND:
        return problems.no_such_address()
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        return problems.wrong_method()
    return problems.other_status(status, HTTPStatus(status).phrase)


def _of_parameters(error: RequestValidationError) -> Problem:
    wrong = [
        {"where": ".".join(str(part) for part in each["loc"]), "what": str(each["msg"])} for each in error.errors()
    ]
    return problems.wrong_parameters(wrong)
