"""Webhooks: the address that a finished batch is told to, and the request that tells it."""

import asyncio
import contextlib
import http.client
import threading
from urllib.parse import SplitResult, urlsplit

from earmark.web import problems
from earmark.web.problem import ProblemError
from earmark.web.settings import ServerSettings

WEBHOOK_SECONDS = 10.0


async def tell(address: SplitResult, body: bytes) -> str:
    """Send a webhook; return why it cannot be sent, or nothing. Cancelling this does not wait for the host."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[str] = loop.create_future()

    def end(reason: str) -> None:
        if not told.done():
            told.set_result(reason)

    def post() -> None:
        reason = ""
        try:
            _post(address, body)
        except (OSError, ValueError, http.client.HTTPException) as error:  # some letters no request can hold
            reason = str(error) or type(error).__name__
        with contextlib.suppress(RuntimeError):  # the server has ended, and its loop is closed
            loop.call_soon_threadsafe(end, reason)

    # The thread is a daemon, so that a host that does not answer cannot keep the server from ending.
    threading.Thread(target=post, name="earmark-webhook", daemon=True).start()
    return await told


def _post(address: SplitResult, body: bytes) -> None:
    """Send a webhook. Redirections are not followed, as they may lead to a host that is not allowed."""
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=WEBHOOK_SECONDS)
    try:
        target = f"{address.path or '/'}{'?' if address.query else ''}{address.query}"
        connection.request("POST", target, body, {"Content-Type": "application/json"})
        status = connection.getresponse().status
        if status >= 300:
            raise http.client.HTTPException(f"{address.hostname} answered with status {status}")
    finally:
        connection.close()


def allowed_webhook(webhook: str, settings: ServerSettings) -> SplitResult | None:
    """Return the address of a webhook; raise ProblemError (422) unless the settings allow its host or host:port."""
    if not webhook:
        return None
    try:
        address = urlsplit(webhook)
        port = address.port or {"http": 80, "https": 443}.get(address.scheme)
    except ValueError:
        address, port = urlsplit(""), None
    allowed = {host.lower() for host in settings.webhook_hosts}
    host = address.hostname or ""
    if address.scheme not in ("http", "https") or not allowed & {
        host,
        f"{f'[{host}]' if ':' in host else host}:{port}",
    }:
        what = "Found an address whose host this server may not tell, expected one that --webhook-host allows"
        raise ProblemError(problems.wrong_parameters([{"where": "query.webhook", "what": what}]))
    return address
