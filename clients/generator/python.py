"""The types of the Python client: dictionaries with typed keys, so that an unknown field of a newer server is kept."""

from generator.model import problem_name
from generator.text import NOTICE, constant, doc_of, joined, wrapped

FOLDER = "python/bursar_client"


def named(type, is_request):
    form = type.form
    if form == "choice":
        return "str" if len(type.values) > 8 else f"Literal[{', '.join(map(repr_of, type.values))}]"
    if form == "list":
        return f"List[{named(type.item, is_request)}]"
    if form in ("enum", "object"):
        return type.name
    numbers = {"integer": "Union[int, str]", "decimal": "Union[float, str]"} if is_request else {}
    plain = {"text": "str", "integer": "int", "decimal": "float", "flag": "bool", "map": "Dict[str, Any]", "any": "Any"}
    return numbers.get(form, plain[form])


def repr_of(value):
    return '"' + value.replace('"', '\\"') + '"'


def literal(name, doc, values):
    lines = [*wrapped(doc, "", "# "), f"{name} = Literal["]
    return lines + [f"    {repr_of(value)}," for value in values] + ["]", ""]


def fields(found, is_request):
    lines = []
    for field in found:
        type = named(field.type, is_request)
        lines += wrapped(doc_of(field), "    ", "# ")
        lines.append(f"    {field.name}: {f'Optional[{type}]' if field.nullable else type}")
    return lines or ["    pass"]


def object_lines(made):
    required = [field for field in made.fields if field.required]
    optional = [field for field in made.fields if not field.required]
    doc = [f'    """{made.doc}"""', ""] if made.doc else []
    if not optional:
        return [f"class {made.name}(TypedDict):", *doc, *fields(required, made.is_request), "", ""]
    base, lines = "TypedDict", []
    if required:
        base = f"_{made.name}Required"
        lines = [f"class {base}(TypedDict):", *fields(required, made.is_request), "", ""]
    return [*lines, f"class {made.name}({base}, total=False):", *doc, *fields(optional, made.is_request), "", ""]


def words_of(model):
    lines = [f"# {NOTICE}", '"""The words of the interface: states, kinds, types of problems."""', "", "from typing import Literal", ""]
    for name, values in model.enums.items():
        lines += literal(name, model.enum_docs[name], values)
    states = ", ".join(map(repr_of, model.settled))
    lines += ["# The states in which a job stays until a person acts: it has ended, or needs review."]
    lines += [f"SETTLED = frozenset([{states}])", "", "# Every kind of job, every state.", "KINDS = ("]
    lines += [f"    {repr_of(kind)}," for kind in model.enums["Kind"]] + [")", "STATES = ("]
    lines += [f"    {repr_of(state)}," for state in model.enums["State"]] + [")", "", "", "class Problems:"]
    lines += ['    """The types of problems."""', ""]
    for uri, doc in model.enums["ProblemType"].items():
        lines += [*wrapped(doc, "    ", "# "), f"    {constant(problem_name(uri))} = {repr_of(uri)}"]
    return lines


def types_of(model):
    lines = [f"# {NOTICE}", '"""The types of jobs, replies and webhooks, and the words in them."""', "", "from __future__ import annotations", ""]
    lines += ["from typing import Any, Dict, List, Literal, Optional, TypedDict, Union", "", "from .words import *  # noqa: F401,F403", "", ""]
    for made in model.objects.values():
        lines += object_lines(made)
    jobs = [name for name in model.objects if name.endswith("Job") and model.objects[name].is_request]
    return lines + ["# A new job. Its `kind` says which fields its `body` has.", f"NewJob = Union[{', '.join(jobs)}]"]


def files(model):
    return {f"{FOLDER}/words.py": joined(words_of(model)), f"{FOLDER}/types.py": joined(types_of(model))}
