"""What must hold of an answer of the API."""

from __future__ import annotations

from typing import Any

from httpx import Response


def problem(response: Response, status: int) -> dict[str, Any]:
    """The body of a problem, after what must hold of every one."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    content: dict[str, Any] = response.json()
    assert content["status"] == status
    assert set(content) == {"type", "title", "status", "detail", "instance"}
    return content
