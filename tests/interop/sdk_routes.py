#!/usr/bin/env python3
"""Checks recorded requests against the routes that the official Databricks SDK knows.

The SDK's services are generated from the vendor's OpenAPI description. Every `self._api.do(verb, path, query=…, body=…)` in
them, with the dataclasses that make up the bodies, says which verb, path, query key and body key exist. A request that
uses anything else is one that we made up: this program names it and fails.

    sdk_routes.py LOG…          check logs of recording_proxy.py, together
    sdk_routes.py --list PATH   print the routes below a path with their keys
    sdk_routes.py --self-test   check that planted mistakes are found and honest requests pass

What the SDK does not know and we use all the same stands in sdk_exceptions.py, each with its reason; an exception that no
request used fails as well, so that the list stays short and true.
"""

import argparse
import ast
import dataclasses
import enum
import fnmatch
import functools
import importlib
import inspect
import json
import pkgutil
import sys
import textwrap
import typing
import urllib.parse

import databricks.sdk.mixins
import databricks.sdk.service

from sdk_exceptions import EXCEPTIONS

ONE, REST = "*", "**"  # a path segment that is an id; one or more segments that are a path
SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}


# --- what a body may hold -------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Shape:
    """What a JSON value may be: `kind` is object, map, list, any or the name of a scalar; `of` what it is made of."""

    kind: str
    of: object = None


ANY = Shape("any")


def shape_of(hint):
    """The shape that a Python annotation stands for on the wire."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Union:
        return shape_of(next(one for one in arguments if one is not type(None)))
    if origin in (list, tuple):
        return Shape("list", shape_of(arguments[0]))
    if origin is dict:
        return Shape("map", shape_of(arguments[1]))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint) and hasattr(hint, "as_dict"):
        return Shape("object", hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return Shape("string", hint)  # a value that is newer than the SDK is no mistake of ours
    return Shape(SCALARS[hint]) if hint in SCALARS else ANY


@functools.cache
def keys_of(cls):
    """JSON key → shape, and the keys that must be there, of a dataclass: read from the code that writes it."""
    hints = typing.get_type_hints(cls)
    function = ast.parse(textwrap.dedent(inspect.getsource(cls.as_dict))).body[0]
    names = dict(written_keys(function, "body"))
    required = {
        field.name for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    attributes = {key: self_attribute(value) for key, value in names.items()}
    shapes = {key: shape_of(hints[name]) if name in hints else ANY for key, name in attributes.items()}
    return shapes, {key for key, name in attributes.items() if name in required}


def written_keys(function, variable):
    """Every `variable["key"] = value` of a function, and every key of `variable = {…}`, with the value's code."""
    for node in ast.walk(function):
        if not isinstance(node, ast.Assign):
            continue
        target = node.targets[0]
        if isinstance(target, ast.Subscript) and getattr(target.value, "id", None) == variable:
            if isinstance(target.slice, ast.Constant):
                yield target.slice.value, node.value
        if getattr(target, "id", None) == variable and isinstance(node.value, ast.Dict):
            for key, value in zip(node.value.keys, node.value.values):
                if isinstance(key, ast.Constant):
                    yield key.value, value


def self_attribute(code):
    """The `x` of the first `self.x` in some code."""
    attributes = (n for n in ast.walk(code) if isinstance(n, ast.Attribute) and getattr(n.value, "id", None) == "self")
    return next((n.attr for n in attributes), None)


# --- the routes -----------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class Route:
    """One call of the SDK."""

    verb: str
    path: tuple
    name: str
    query: dict
    body: Shape
    form: set
    required: set

    def matches(self, verb, segments):
        """Whether a request of this verb and these path segments is this call."""
        return verb == self.verb and covers(self.path, segments)

    def weight(self):
        """How exact the path is: more literal segments weigh more."""
        return sum(one not in (ONE, REST) for one in self.path)


def covers(pattern, segments):
    """Whether path segments fit a pattern."""
    if pattern and pattern[-1] == REST:
        fixed = len(pattern) - 1
        return len(segments) >= len(pattern) and all(p in (ONE, s) for p, s in zip(pattern[:fixed], segments))
    return len(pattern) == len(segments) and all(p in (ONE, s) for p, s in zip(pattern, segments))


def routes():
    """Every call of the SDK's services and of what is built on them by hand."""
    for package in (databricks.sdk.service, databricks.sdk.mixins):
        for module in pkgutil.iter_modules(package.__path__):
            if module.name.startswith("_") or module.name in ("open_ai_client", "sandbox"):
                continue
            yield from module_routes(importlib.import_module(f"{package.__name__}.{module.name}"))


def module_routes(module):
    for _, cls in inspect.getmembers(module, inspect.isclass):
        if cls.__module__ == module.__name__ and not dataclasses.is_dataclass(cls) and not issubclass(cls, enum.Enum):
            for name, function in vars(cls).items():
                if inspect.isfunction(function):
                    yield from function_routes(f"{cls.__name__}.{name}", function)


def function_routes(name, function):
    """The calls that one method makes; nearly always one."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and getattr(n.func, "attr", None) == "do"]
    for call in calls:
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        verb = call.args[0] if call.args else named.get("method")
        path = call.args[1] if len(call.args) > 1 else named.get("path")
        template = path_template(path, tree)
        if isinstance(verb, ast.Constant) and template:
            yield route_of(name, verb.value, template, function, tree, named)


def path_template(code, tree):
    """The segments of a path given as a text or an f-string (perhaps by way of a variable)."""
    if isinstance(code, ast.Name):
        values = (n.value for n in ast.walk(tree) if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == code.id)
        code = next(values, None)
    if isinstance(code, ast.Constant):
        return tuple(code.value.strip("/").split("/"))
    if not isinstance(code, ast.JoinedStr):
        return None
    text = "".join(part.value if isinstance(part, ast.Constant) else placeholder(part) for part in code.values)
    return tuple(text.strip("/").split("/"))


def placeholder(part):
    """What stands for a formatted value: a path, if the SDK escapes it as one; else an id."""
    code = ast.unparse(part.value)
    return f"/{REST}" if "multi_segment" in code or code == "remote_path" else ONE


def route_of(name, verb, path, function, tree, named):
    hints = safe_hints(function)
    query = {key: value_shape(value, hints) for key, value in variable_keys(tree, named.get("query"))}
    form = {key for key, _ in variable_keys(tree, named.get("data"))}
    form |= {key.value for key in getattr(named.get("files"), "keys", ())}
    needed = {
        parameter.name for parameter in inspect.signature(function).parameters.values()
        if parameter.default is inspect.Parameter.empty
    }
    body = body_shape(tree, named.get("body"), hints)
    written = list(variable_keys(tree, named.get("query"))) + list(variable_keys(tree, named.get("body")))
    required = {key for key, value in written if isinstance(base(value), ast.Name) and base(value).id in needed}
    return Route(verb, path, name, query, body, form, required)


def safe_hints(function):
    try:
        return typing.get_type_hints(function)
    except NameError:  # mixins name a few types that exist for checkers only
        return {}


def variable_keys(tree, code):
    """The keys of what is handed over as query, body or form: a variable that is filled key by key, or a literal."""
    if isinstance(code, ast.Name):
        yield from written_keys(tree, code.id)
    if isinstance(code, ast.Dict):
        yield from ((key.value, value) for key, value in zip(code.keys, code.values) if isinstance(key, ast.Constant))


def body_shape(tree, code, hints):
    """What the body of a call may hold; nothing where there is no body."""
    if code is None:
        return None
    whole = whole_body(tree, code)
    if whole is not None:
        shape = value_shape(whole, hints)
        return shape if shape.kind == "object" else ANY
    return Shape("object", {key: value_shape(value, hints) for key, value in variable_keys(tree, code)})


def whole_body(tree, code):
    """The argument that is the whole body, in `body = argument.as_dict()`."""
    if not isinstance(code, ast.Name):
        return None if isinstance(code, ast.Dict) else code
    assigned = (n.value for n in ast.walk(tree) if isinstance(n, ast.Assign) and getattr(n.targets[0], "id", "") == code.id)
    return next((value for value in assigned if not isinstance(value, ast.Dict)), None)


def value_shape(code, hints):
    """The shape of a value written by the SDK: that of the argument which it comes from."""
    if isinstance(code, ast.ListComp):
        code = code.generators[0].iter
    argument = base(code)
    hint = hints.get(argument.id) if isinstance(argument, ast.Name) else None
    return shape_of(hint) if hint is not None else ANY


def base(code):
    """The variable at the bottom of `x.as_dict()`, `x.value`, `[v.as_dict() for v in x]`."""
    while True:
        if isinstance(code, ast.Call) and isinstance(code.func, ast.Attribute):
            code = code.func.value
        elif isinstance(code, ast.Attribute):
            code = code.value
        elif isinstance(code, ast.ListComp):
            code = code.generators[0].iter
        else:
            return code


# --- the check ------------------------------------------------------------------------------------------------------


class Checker:
    """Holds all routes; says what is wrong with a request; remembers which exceptions it needed."""

    def __init__(self, exceptions=EXCEPTIONS):
        self.routes = {}
        for route in routes():
            self.routes.setdefault(route.path[:3], []).append(route)
        self.exceptions = exceptions
        self.used = set()

    def faults(self, request):
        """What the SDK does not know about this request, less what an exception allows: `place: what` texts."""
        segments = [urllib.parse.unquote(one) for one in request["path"].split("?")[0].strip("/").split("/")]
        found = self.unexcused(self.raw_faults(request, segments), request)
        return found

    def raw_faults(self, request, segments):
        known = [route for bucket in self.buckets(segments) for route in bucket if route.matches(request["method"], segments)]
        if not known:
            return [("route", "no such call")]
        known.sort(key=Route.weight, reverse=True)
        results = [list(route_faults(route, request)) for route in known]
        return [] if [] in results else results[0]

    def buckets(self, segments):
        """Routes whose first segments could fit."""
        return [bucket for start, bucket in self.routes.items() if all(p in (ONE, REST, s) for p, s in zip(start, segments))]

    def unexcused(self, faults, request):
        kept = []
        for place, what in faults:
            excuse = next((i for i, one in enumerate(self.exceptions) if excuses(one, request, place)), None)
            if excuse is None:
                kept.append(f"{place}: {what}")
            else:
                self.used.add(excuse)
        return kept

    def unused(self):
        """Exceptions that no request needed."""
        return [one for i, one in enumerate(self.exceptions) if i not in self.used]


def excuses(exception, request, place):
    same_path = fnmatch.fnmatchcase(urllib.parse.unquote(request["path"]), exception["path"])
    return request["method"] == exception["method"] and same_path and fnmatch.fnmatchcase(place, exception["place"])


def route_faults(route, request):
    """What one route does not know about a request that has its verb and path."""
    query = {key.split(".")[0]: key for key, _ in request["query"]}
    yield from ((f"query {key}", f"{route.name} has no such key") for key in query.values() if not has_query(route, key))
    if request.get("form") is not None:
        yield from ((f"form {key}", f"{route.name} has no such field") for key in request["form"] if key not in route.form)
        return
    body = request.get("json")
    if body is not None:
        if route.body is None:
            yield "body", f"{route.name} sends none"
        else:
            yield from value_faults(route.body, body, "body")
    present = set(query) | set(body if isinstance(body, dict) else ())
    yield from ((f"missing {key}", f"{route.name} always sends it") for key in sorted(route.required - present))


def has_query(route, key):
    """Whether a route takes a query key; `filter_by.is_pinned` is a member of `filter_by`."""
    first, _, member = key.partition(".")
    shape = route.query.get(first)
    return shape is not None and (not member or shape.kind == "object" and member in keys_of(shape.of)[0])


def value_faults(shape, value, place):
    """Where a JSON value is not of the shape."""
    if shape.kind == "any" or value is None:
        return
    if shape.kind == "object":
        yield from object_faults(shape.of, value, place)
    elif shape.kind == "map":
        if not isinstance(value, dict):
            yield place, "should be an object"
            return
        for key, one in value.items():
            yield from value_faults(shape.of, one, f"{place}/{key}")
    elif shape.kind == "list":
        if not isinstance(value, list):
            yield place, "should be a list"
            return
        for one in value:
            yield from value_faults(shape.of, one, f"{place}/*")
    elif not fits_scalar(shape.kind, value):
        yield place, f"should be of type {shape.kind}"


def object_faults(of, value, place):
    if not isinstance(value, dict):
        yield place, "should be an object"
        return
    keys, required = (of, set()) if isinstance(of, dict) else keys_of(of)
    owner = "" if isinstance(of, dict) else f" of {of.__name__}"
    for key, one in value.items():
        if key in keys:
            yield from value_faults(keys[key], one, f"{place}/{key}")
        else:
            yield f"{place}/{key}", f"no such key{owner}"
    yield from ((f"{place}/{key}", f"a required key{owner} is missing") for key in sorted(required - set(value)))


def fits_scalar(kind, value):
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "string":
        return isinstance(value, str)
    return isinstance(value, (int, float) if kind == "number" else int) and not isinstance(value, bool)


# --- the program ----------------------------------------------------------------------------------------------------


def check(logs):
    """Checks logs together; returns the number of requests and the lines to print."""
    checker, seen, lines = Checker(), 0, {}
    for log in logs:
        with open(log, encoding="utf-8") as file:
            for text in file:
                request = json.loads(text)
                seen += 1
                for fault in checker.faults(request):
                    line = f"{request['method']} {generic(request['path'])}: {fault}"
                    lines[line] = lines.get(line, 0) + 1
    faults = [f"{line} ({count}×)" for line, count in sorted(lines.items())]
    return seen, faults, [f"exception without use: {one['method']} {one['path']}: {one['place']}" for one in checker.unused()]


def generic(path):
    """A path with long ids shortened, so that one mistake is one line."""
    return "/".join("…" if any(c.isdigit() for c in part) and len(part) > 5 else part for part in path.split("/"))


def print_routes(prefix):
    for route in routes():
        path = "/" + "/".join(route.path)
        if path.startswith(prefix):
            shape = route.body.of if route.body else {}
            keys = sorted(shape if isinstance(shape, dict) else keys_of(shape)[0]) if shape else []
            print(f"{route.verb} {path} [{route.name}]")
            print(f"  query {sorted(route.query)}\n  body {keys}\n  form {sorted(route.form)}")


def planted():
    """Requests with the place that must be reported, or nothing for those that must pass."""
    cluster = {"spark_version": "15.4.x-scala2.12", "autoscale": {"min_workers": 1, "max_workers": 2}}
    task = {"task_key": "a", "for_each_task": {"inputs": "[1]", "task": {"task_key": "b", "run_job_task": {"job_id": 1 << 60}}}}
    post, patch = functools.partial(sample, "POST"), functools.partial(sample, "PATCH")
    create, job = "/api/2.1/clusters/create", "/api/2.2/jobs/create"
    return [
        (post(create, cluster), None),
        (post(create, cluster | {"autoscale": {"min_workers": 1, "max": 2}}), "body/autoscale/max"),
        (post(create, cluster | {"state": "RUNNING"}), "body/state"),
        (post(create, {"cluster_name": "x"}), "missing spark_version"),
        (post(create, cluster | {"num_workers": "1"}), "body/num_workers"),
        (sample("PUT", create, cluster), "route"),
        (post("/api/2.0/jobs/create", {}), "route"),
        (sample("GET", "/api/2.1/clusters/list", query=[["filter_by.is_pinned", "true"], ["page_size", "100"]]), None),
        (sample("GET", "/api/2.1/clusters/list", query=[["filter_by.pinned", "true"]]), "query filter_by.pinned"),
        (sample("GET", "/api/2.2/jobs/list", query=[["limit", "1"], ["size", "1"]]), "query size"),
        (post(job, {"name": "j", "tasks": [task]}), None),
        (post(job, {"tasks": [task | {"notebook_task": {"path": "/a"}}]}), "body/tasks/*/notebook_task/path"),
        (post(job, {"tasks": [{"task_key": "a", "for_each_task": {"inputs": "", "task": {"task_key": "b", "job": 1}}}]}),
         "body/tasks/*/for_each_task/task/job"),
        (patch("/api/2.0/preview/scim/v2/Groups/12", {"Operations": [{"op": "add", "path": "members", "value": []}]}), None),
        (patch("/api/2.0/preview/scim/v2/Groups/12", {"Operations": [{"operation": "add"}]}), "body/Operations/*/operation"),
        (sample("PUT", "/api/2.0/fs/files/Volumes/a/b/c/d%20e.jar", query=[["overwrite", "true"]]), None),
        (post("/api/2.0/workspace/import", form=["path", "format", "content"]), None),
        (post("/api/2.0/workspace/import", form=["path", "kind", "content"]), "form kind"),
        (sample("PUT", "/api/2.0/permissions/jobs/7", {"access_control_list": [{"level": "CAN_VIEW"}]}),
         "body/access_control_list/*/level"),
    ]


def sample(verb, path, body=None, query=(), form=None):
    return {"method": verb, "path": path, "query": query, "json": body, "form": form}


def self_test():
    checker, failed = Checker(exceptions=[]), 0
    for request, place in planted():
        places = [fault.split(":")[0] for fault in checker.faults(request)]
        if (place not in places) if place else places:
            failed += 1
            print(f"{request['method']} {request['path']}: expected {place or 'no fault'}, reported {places}")
    count = sum(len(bucket) for bucket in checker.routes.values())
    print(f"{len(planted())} planted requests, {failed} judged wrongly; {count} routes known")
    if failed or count < 1000:
        sys.exit(1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("logs", nargs="*")
    parser.add_argument("--list", metavar="PATH")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    if options.list:
        return print_routes(options.list)
    seen, faults, unused = check(options.logs)
    print("\n".join(faults + unused + [f"{seen} requests, {len(faults)} kinds of fault, {len(unused)} unused exceptions"]))
    if faults or unused or not seen:
        sys.exit(1)


if __name__ == "__main__":
    main()
