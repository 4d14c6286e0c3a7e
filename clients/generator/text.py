"""Lines of generated files."""

import textwrap

# The first line of each generated file, behind the language's sign of a comment.
NOTICE = "Generated from the server's /openapi.json by clients/generate.py. Do not edit."

WIDTH = 120


def wrapped(text, indent, sign):
    """A comment's lines, each behind `sign`; none for an empty text."""
    return [f"{indent}{sign}{line}" for line in textwrap.wrap(text, WIDTH - len(indent) - len(sign))] if text else []


def block(text, indent=""):
    """A comment of the form that Java, TypeScript and PHP read."""
    if not text:
        return []
    text = text.replace("*/", "*\\/")
    if len(text) + len(indent) + 7 <= WIDTH:
        return [f"{indent}/** {text} */"]
    return [f"{indent}/**", *wrapped(text, indent, " * "), f"{indent} */"]


def doc_of(field):
    """A field's description, with the values that it may have."""
    values = field.type.values
    choice = f"One of {', '.join(f'`{value}`' for value in values)}." if 1 < len(values) <= 8 else ""
    ending = "" if not field.doc or field.doc.endswith((".", "`")) else "."
    return f"{field.doc}{ending} {choice}".strip()


def pascal(name):
    """`trade_no` and `payOrderId` are `TradeNo` and `PayOrderId`; `not-found` is `NotFound`."""
    return "".join(part[:1].upper() + part[1:] for part in name.replace("-", "_").replace(".", "_").split("_"))


def lower_camel(name):
    whole = pascal(name)
    return whole[:1].lower() + whole[1:]


def constant(name):
    """`not-found` and `job.succeeded` are `NOT_FOUND` and `JOB_SUCCEEDED`."""
    return name.replace("-", "_").replace(".", "_").upper()


def joined(lines):
    return "\n".join(lines) + "\n"
