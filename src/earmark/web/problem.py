"""A problem: why a request failed, as application/problem+json (RFC 9457), and the error that carries one."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Problem:
    """Describes why a request failed.

    kind: the short name of the problem. It never changes, and programs may rely on it. status: the HTTP status. more:
    further members of the response body, such as the position of a mistake.
    """

    kind: str
    status: int
    title: str
    detail: str
    what_to_do: str
    more: Mapping[str, object] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return the body of the response."""
        return {
            "type": f"urn:earmark:problem:{self.kind}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "what_to_do": self.what_to_do,
            **self.more,
        }


class ProblemError(Exception):
    """Ends a request with a problem. The response has Retry-After if the problem says when to try again."""

    def __init__(self, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        seconds = problem.more.get("retry_after_seconds")
        self.headers = {**({} if seconds is None else {"Retry-After": str(seconds)}), **(headers or {})}
