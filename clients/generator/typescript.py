"""The types of the Node client, and the constants that a running program needs."""

from generator.model import problem_name
from generator.text import NOTICE, block, constant, doc_of, joined

TYPES = "node/src/types.d.ts"
CONSTANTS = "node/src/constants.js"
CONSTANT_TYPES = "node/src/constants.d.ts"


def named(type, is_request):
    form = type.form
    if form == "choice":
        return "string" if len(type.values) > 8 else " | ".join(f"'{value}'" for value in type.values)
    if form == "list":
        return f"Array<{named(type.item, is_request)}>"
    if form in ("enum", "object"):
        return type.name
    numbers = {"integer": "number | string", "decimal": "number | string"} if is_request else {}
    plain = {"text": "string", "integer": "number", "decimal": "number", "flag": "boolean", "any": "unknown"}
    return numbers.get(form, plain.get(form, "Record<string, unknown>"))


def object_lines(made):
    lines = [*block(made.doc), f"export interface {made.name} {{"]
    for field in made.fields:
        type = named(field.type, made.is_request) + (" | null" if field.nullable else "")
        lines += [*block(doc_of(field), "  "), f"  {field.name}{'' if field.required else '?'}: {type};"]
    return lines + ["}", ""]


def files(model):
    types = [f"// {NOTICE}", ""]
    for name, values in model.enums.items():
        types += [*block(model.enum_docs[name]), f"export type {name} ="]
        types += [f"  | '{value}'" for value in values]
        types[-1] += ";"
        types.append("")
    for made in model.objects.values():
        types += object_lines(made)
    jobs = [name for name in model.objects if name.endswith("Job") and model.objects[name].is_request]
    types += [*block("A new job. Its `kind` says which fields its `body` has."), f"export type NewJob = {' | '.join(jobs)};"]

    settled = "The states in which a job stays until a person acts: it has ended, or needs review."
    problems = model.enums["ProblemType"].items()
    code = [f"// {NOTICE}", "", *block("Every kind of job."), "export const KINDS = Object.freeze(["]
    code += [f"  '{kind}'," for kind in model.enums["Kind"]] + ["]);", "", *block("Every state of a job.")]
    code += ["export const STATES = Object.freeze(["] + [f"  '{state}'," for state in model.enums["State"]] + ["]);", ""]
    code += [*block(settled), "export const SETTLED = Object.freeze(["] + [f"  '{state}'," for state in model.settled]
    code += ["]);", "", *block("The types of problems."), "export const PROBLEMS = Object.freeze({"]
    for uri, doc in problems:
        code += [*block(doc, "  "), f"  {constant(problem_name(uri))}: '{uri}',"]
    code += ["});"]

    declared = [f"// {NOTICE}", "", "import type { Kind, State } from './types.js';", ""]
    declared += ["export const KINDS: readonly Kind[];", "export const STATES: readonly State[];"]
    declared += ["export const SETTLED: readonly State[];", "export const PROBLEMS: {"]
    declared += [f"  readonly {constant(problem_name(uri))}: '{uri}';" for uri, _ in problems] + ["};"]
    return {TYPES: joined(types), CONSTANTS: joined(code), CONSTANT_TYPES: joined(declared)}
