# SPDX-License-Identifier: Apache-2.0
"""Reads the OpenAPI document (etc/openapi.json): its example requests, and checks of answers against its schemas."""

import copy
import datetime
import json
from pathlib import Path

import jsonschema

FILE = Path(__file__).resolve().parents[2] / "etc" / "openapi.json"
DOCUMENT = json.loads(FILE.read_text())

_formats = jsonschema.FormatChecker(formats=())


@_formats.checks("date-time", raises=ValueError)
def _is_date(text):
    return not isinstance(text, str) or datetime.datetime.fromisoformat(text).tzinfo is not None


def followed(part):
    """Follows `$ref`: returns the part of the document to which `part` refers, or `part` itself."""
    while "$ref" in part:
        target = DOCUMENT
        for step in part["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        part = target
    return part


def _closed(part):
    """Returns the schema with objects that allow no undocumented field. This is stricter than the promise to clients:
    an answer may get further fields."""
    if isinstance(part, list):
        return [_closed(each) for each in part]
    if not isinstance(part, dict):
        return part
    part = {name: _closed(each) for name, each in part.items()}
    if part.get("type") == "object" and part.get("properties"):
        part.setdefault("additionalProperties", False)
    return part


CLOSED = {"schemas": _closed(copy.deepcopy(DOCUMENT["components"]["schemas"]))}


def must_fit(value, schema):
    root = {"allOf": [schema], "components": CLOSED}
    jsonschema.Draft202012Validator(root, format_checker=_formats).validate(value)


class FullAnswers:
    """Makes answers that have every documented field, each scalar with a value of its own."""

    def __init__(self):
        self.count = 0

    def of(self, schema, name="answer"):
        schema = followed(schema)
        if "const" in schema or "enum" in schema:
            return schema.get("const", schema.get("enum", [None])[0])
        if "anyOf" in schema:
            return self.of(schema["anyOf"][0], name)
        kind = schema["type"]
        if kind == "object":
            return {field: self.of(each, field) for field, each in schema.get("properties", {}).items()}
        if kind == "array":
            return [self.of(schema["items"], name)]
        if kind == "boolean":
            return True
        self.count += 1
        if kind == "integer":
            return 1000 + self.count
        if schema.get("format") == "date-time":
            return f"2040-01-02T03:{self.count:02}:00Z"
        if "0-9a-f" in schema.get("pattern", ""):
            return f"{self.count:032x}"
        return f"{name}_{self.count}"


class Operation:
    """One method of one path."""

    def __init__(self, method, path, operation, path_parameters):
        self.method = method.upper()
        self.path = path
        parameters = [followed(each) for each in [*path_parameters, *operation.get("parameters", [])]]
        self.parameters = {each["name"]: each["example"] for each in parameters if each["in"] == "path"}
        self.query = {each["name"]: each["example"] for each in parameters if each["in"] == "query"}
        self.responses = {int(status): followed(each) for status, each in operation["responses"].items()}
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        self.body_schema = body.get("schema")
        self.bodies = {name: example["value"] for name, example in body.get("examples", {}).items()}

    def __str__(self):
        return f"{self.method} {self.path}"

    @property
    def body(self):
        return next(iter(self.bodies.values()), None)

    def target(self, more_query="", **parameters):
        """Returns path and query with the example parameters, some of them replaced by `parameters`."""
        text = self.path.format(**{**self.parameters, **parameters})
        query = "&".join([f"{name}={value}" for name, value in self.query.items()] + [more_query] * bool(more_query))
        return text + ("?" + query if query else "")

    def must_document(self, answer):
        """Checks that the document describes an answer: status, header fields and body."""
        response = self.responses[answer.status]
        for name, header in response.get("headers", {}).items():
            header = followed(header)
            if header.get("required"):
                assert name.lower() in answer.headers, (str(self), answer.status, name)
            if name.lower() in answer.headers:
                value = answer.headers[name.lower()]
                must_fit(int(value) if header["schema"]["type"] == "integer" else value, header["schema"])
        for name in ("etag", "retry-after", "allow"):
            if name in answer.headers:
                assert name in [each.lower() for each in response.get("headers", {})], (str(self), answer.status, name)
        if "content" not in response:
            assert answer.text == ""
            return
        media, content = next(iter(response["content"].items()))
        assert answer.headers["content-type"].split(";")[0] == media
        must_fit(answer.json if "json" in media else answer.text, content["schema"])


OPERATIONS = [Operation(method, path, operation, methods.get("parameters", []))
              for path, methods in DOCUMENT["paths"].items()
              for method, operation in methods.items() if method != "parameters"]
