"""The pages and the description of the API; no model is asked."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from fastapi.testclient import TestClient

from glioray.serving import schemas
from glioray.serving.api import create_api
from glioray.serving.examples import EXAMPLES
from glioray.serving.guard import Guard, Rules
from glioray.serving.web_page import policy

ANSWERS = {
    "/readyz": schemas.Readiness,
    "/v1/models": schemas.Models,
    "/v1/classify": schemas.ClassifyAnswer,
    "/v1/segment": schemas.SegmentAnswer,
}


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(create_api([], 1000))


@pytest.fixture(scope="module")
def description(client):
    return client.get("/openapi.json").json()


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_needs_nothing_from_elsewhere(client, path):
    page = client.get(path).text

    loaded = re.findall(r"""(?:src|href|fetch|url)\s*[=(]\s*["'`]([^"'`]+)""", page)
    assert loaded
    assert [address for address in loaded if not address.startswith(("/", "#", "data:"))] == []
    assert "@import" not in page


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_runs_its_own_scripts_and_styles_and_no_others(client, path):
    response = client.get(path)

    allowed = response.headers["content-security-policy"]
    blocks = re.findall(r"<(script|style)[^>]*>(.*?)</\1>", response.text, re.DOTALL)
    for tag, text in blocks:
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert re.search(rf"{tag}-src [^;]*'sha256-{re.escape(digest)}'", allowed)
    assert blocks
    assert "unsafe" not in allowed
    assert allowed.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in allowed


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_has_nothing_inline_that_its_policy_would_block(client, path):
    assert re.findall(r"<[^>]+\s(?:style|on[a-z]+)=", client.get(path).text) == []


def test_the_guard_leaves_a_page_its_own_policy():
    guarded = TestClient(Guard(create_api([], 1000), Rules()), base_url="http://localhost", client=("127.0.0.1", 5))

    headers = guarded.get("/").headers

    assert "script-src 'sha256-" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_another_script_has_another_policy():
    assert policy("<script>one()</script>") != policy("<script>two()</script>")
    assert "script-src" not in policy("<style>a {}</style>")


def test_the_docs_show_every_call_with_its_parameters_problems_and_a_line_to_copy(client, description):
    page = client.get("/docs", headers={"host": "scans.example.org:8000"}).text

    for path, methods in description["paths"].items():
        for method, call in methods.items():
            assert f'<span class="verb">{method.upper()}</span> {path}' in page
            assert f"http://scans.example.org:8000{path}&#39;" in page
            assert all(f"<code>{one['name']}</code>" in page for one in call.get("parameters", ()))
    assert "<code>mask.counts</code>" in page
    assert "<code>labels[NAME].area_share</code>" in page
    assert "<code>models[].scores[].low</code>" in page
    assert "Accept: image/png" in page
    assert "&#34;values&#34;: [ 0, 2, 1, 2, 0 ]" in page
    assert "<code>picture=true</code>: the slice in grey" in page


def test_what_a_client_says_of_its_host_is_escaped_in_the_docs(client):
    assert "<script>alert" not in client.get("/docs", headers={"host": "a'<script>alert(1)</script>"}).text


@pytest.mark.parametrize(("path", "answer"), ANSWERS.items())
def test_an_example_is_an_answer_that_the_schema_takes(description, path, answer):
    (call,) = description["paths"][path].values()

    shown = call["responses"]["200"]["content"]["application/json"]["example"]

    assert shown == EXAMPLES[path]
    answer.model_validate(shown)


def test_the_mask_of_the_example_adds_up_to_its_areas():
    mask, labels = EXAMPLES["/v1/segment"]["mask"], EXAMPLES["/v1/segment"]["labels"]

    counted = dict.fromkeys(mask["values"], 0)
    for value, count in zip(mask["values"], mask["counts"], strict=True):
        counted[value] += count

    assert sum(counted.values()) == mask["shape"][0] * mask["shape"][1]
    assert {area["value"]: area["pixels"] for area in labels.values()} == {k: v for k, v in counted.items() if k}


def test_every_call_under_v1_says_that_it_takes_a_key_and_how_it_refuses(description):
    for path, methods in description["paths"].items():
        for call in methods.values():
            assert ("security" in call) == path.startswith("/v1/")
            if "security" in call:
                assert {"401", "408"} <= set(call["responses"])
    assert set(description["components"]["securitySchemes"]) == {"bearer", "header"}


def test_every_problem_has_the_schema_of_a_problem(description):
    contents = [
        answer["content"]["application/problem+json"]["schema"]
        for methods in description["paths"].values()
        for call in methods.values()
        for answer in call["responses"].values()
        if "application/problem+json" in answer.get("content", {})
    ]
    assert len(contents) > 10
    assert all(schema == {"$ref": "#/components/schemas/Problem"} for schema in contents)


def test_every_problem_is_described_as_the_problem_that_it_is(client, description):
    for path, methods in description["paths"].items():
        for call in methods.values():
            refused = {
                status: set(answer["content"]) for status, answer in call["responses"].items() if status[0] == "4"
            }
            assert set(map(str, refused.values())) <= {"{'application/problem+json'}"}, path
    wrong = client.get("/v1/jobs/x/result?slice=-1")
    assert (wrong.status_code, wrong.headers["content-type"]) == (422, "application/problem+json")


@pytest.mark.parametrize(("path", "methods"), [("/healthz", "GET"), ("/v1/jobs/x", "DELETE, GET")])
def test_a_call_with_another_method_is_told_which_there_are(client, path, methods):
    response = client.post(path)

    assert (response.status_code, response.headers["allow"]) == (405, methods)
