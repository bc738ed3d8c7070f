"""The API's OpenAPI document, made from the table of calls and the models that check and write them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from core.messages import ErrorAnswer
from core.people import COOKIE, People
from core.reports import BriefHealthReport, HealthReport, Report

API, HEALTH = "/api", "/health"
REFERENCE = "#/components/schemas/{model}"
PARSED, WRITTEN = "validation", "serialization"
# What any call may answer instead; the words stand in each answer's message.
ALWAYS: Mapping[int, type[Report]] = dict.fromkeys((400, 401, 403, 500, 503), ErrorAnswer)
WITH_BODY: Mapping[int, type[Report]] = dict.fromkeys((413, 415), ErrorAnswer)
WORDS = {
    200: "Done.",
    202: "Begun.",
    400: "The request cannot be read.",
    401: "Nobody known.",
    403: "Not from there, or not by a viewer.",
    409: "Not in this state.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The request says something that does not exist.",
    500: "A fault of the server.",
    503: "No database, or too busy.",
}


Call = TypeVar("Call")


@dataclass(frozen=True, slots=True)
class Operation(Generic[Call]):
    """One call of the API: how it is reached, what it takes and answers, and who does it."""

    method: str
    path: str
    summary: str
    answer: Callable[[Call], Report]
    model: type[Report]
    status: int = 200
    errors: Mapping[int, type[Report]] = field(default_factory=dict)
    body: type[BaseModel] | None = None
    parameters: Sequence[Mapping[str, object]] = ()
    seconds: float = 25.0
    """How long the caller waits at most."""


def is_api(path: str) -> bool:
    """Whether a path is the API's: `/api` or anything under it, however many slashes it begins with."""
    return f"/{path.lstrip('/')}/".startswith(f"{API}/")


def document(operations: Sequence[Operation[Any]], people: People, version: str) -> dict[str, Any]:
    """The document as https://spec.openapis.org/oas/v3.1.0 has it."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(f"{API}{operation.path}", {})[operation.method.lower()] = _operation(operation)
    paths[HEALTH] = {"get": _health()}
    schemes = _schemes(people)
    return {
        "openapi": "3.1.0",
        "info": {"title": "JointChiro Data Dashboard", "version": version},
        "paths": paths,
        "components": {"schemas": _schemas(operations), "securitySchemes": schemes},
        "security": [{name: []} for name in schemes],
    }


def _operation(operation: Operation[Any]) -> dict[str, Any]:
    with_body = WITH_BODY if operation.method == "POST" else {}
    answers = {**ALWAYS, **with_body, **operation.errors, operation.status: operation.model}
    made: dict[str, Any] = {
        "operationId": operation.path.strip("/").replace("/", "-"),
        "summary": operation.summary,
        "responses": {str(status): _response(status, [model]) for status, model in sorted(answers.items())},
    }
    if operation.parameters:
        made["parameters"] = list(operation.parameters)
    if operation.body is not None:
        made["requestBody"] = {"required": False, "content": _content([operation.body])}
    return made


def _health() -> dict[str, Any]:
    models: list[type[BaseModel]] = [HealthReport, BriefHealthReport]
    return {
        "operationId": "health",
        "summary": "Whether everything is as it should be; to strangers in brief",
        "security": [],
        "responses": {
            "200": _response(200, models),
            "403": _response(403, [ErrorAnswer]),
            "503": _response(503, models),
        },
    }


def _response(status: int, models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    return {"description": WORDS[status], "content": _content(models)}


def _content(models: Sequence[type[BaseModel]]) -> dict[str, Any]:
    schemas = [{"$ref": REFERENCE.format(model=model.__name__)} for model in models]
    return {"application/json": {"schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas}}}


def _schemas(operations: Sequence[Operation[Any]]) -> dict[str, Any]:
    written = {model for operation in operations for model in (operation.model, *operation.errors.values())}
    written |= {ErrorAnswer, HealthReport, BriefHealthReport}
    wanted: list[tuple[type[BaseModel], Any]] = [(model, WRITTEN) for model in written]
    wanted += [(operation.body, PARSED) for operation in operations if operation.body is not None]
    wanted.sort(key=lambda pair: pair[0].__name__)
    _, definitions = models_json_schema(wanted, by_alias=True, ref_template=REFERENCE)
    schemas: dict[str, Any] = definitions["$defs"]
    return schemas


def _schemes(people: People) -> dict[str, Any]:
    """How callers of this very server identify themselves; nothing where it is not guarded."""
    if people.has_token:
        return {"token": {"type": "http", "scheme": "bearer"}}
    if people.signs_in:
        return {"session": {"type": "apiKey", "in": "cookie", "name": COOKIE}}
    return {}
