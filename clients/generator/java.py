"""The types of the Java client: a class for each, over the members of a JSON object."""

from generator.model import problem_name
from generator.text import NOTICE, block, constant, doc_of, joined, lower_camel

FOLDER = "java/src/main/java/io/bursar/client/types"

# Names of members that Java has for itself.
KEYWORDS = {"new", "class", "default", "public", "private", "package", "return", "void", "int", "long"}


def named(type):
    form = type.form
    if form == "list":
        return f"List<{named(type.item)}>"
    if form == "object":
        return type.name
    # A share is text: a binary fraction is not exact.
    plain = {"integer": "Long", "flag": "Boolean", "map": "Map<String, Object>", "any": "Object"}
    return plain.get(form, "String")


def member(field):
    name = lower_camel(field.name)
    return name + "_" if name in KEYWORDS else name


def getter(field):
    type, name = named(field.type), f'"{field.name}"'
    form = field.type.form
    if form == "object":
        return f"object({name}, {type}::new)"
    if form == "list":
        inner = field.type.item
        return f"objects({name}, {named(inner)}::new)" if inner.form == "object" else f"list({name})"
    readers = {"integer": "number", "flag": "flag", "map": "map", "any": "any"}
    return f"{readers.get(form, 'text')}({name})"


def class_of(made, model):
    kind = next((kind for kind, body in model.bodies.items() if body[: -len("Body")] + "Job" == made.name), None)
    doc = made.doc or "A part of a body."
    base = "JsonRequest" if made.is_request else "JsonReply"
    imports = ["java.util.List"] if any(field.type.form == "list" for field in made.fields) else []
    needs_map = not made.is_request or any(field.type.form == "map" for field in made.fields)
    imports += ["java.util.Map"] if needs_map else []
    lines = [f"// {NOTICE}", "package io.bursar.client.types;", "", f"import io.bursar.client.{base};"]
    lines += [f"import {name};" for name in imports]
    lines += ["", *block(doc), f"public final class {made.name} extends {base} {{"]
    if kind:
        lines += [*block("A job. Choose `platformNo` before the first attempt, and keep it.", "    ")]
        lines += [f"    public {made.name}(String account, String platformNo, {model.bodies[kind]} body) {{"]
        lines += [f'        put("account", account);', f'        put("kind", "{kind}");']
        lines += ['        put("platform_no", platformNo);', '        put("body", body);', "    }", ""]
        fields = [field for field in made.fields if not field.required]
    elif made.is_request:
        fields = made.fields
    else:
        lines += [f"    public {made.name}(Map<String, Object> json) {{", "        super(json);", "    }", ""]
        fields = made.fields
    for field in fields:
        need = "" if not made.is_request or field.required else "Optional."
        lines += block(" ".join(part for part in [doc_of(field), need] if part), "    ")
        if made.is_request:
            lines += [f"    public {made.name} {member(field)}({named(field.type)} value) {{"]
            lines += [f'        put("{field.name}", value);', "        return this;", "    }", ""]
        else:
            lines += [f"    public {named(field.type)} {member(field)}() {{", f"        return {getter(field)};", "    }", ""]
    return joined([*lines[:-1], "}"])


def constants(name, doc, values):
    lines = [f"// {NOTICE}", "package io.bursar.client.types;", ""]
    lines += ["import java.util.Set;", ""] if name == "State" else []
    lines += [*block(doc), f"public final class {name} {{"]
    for short, (value, text) in values.items():
        lines += [*block(text, "    "), f'    public static final String {constant(short)} = "{value}";']
    return lines


def files(model):
    found = {f"{FOLDER}/{made.name}.java": class_of(made, model) for made in model.objects.values()}
    for name, values in model.enums.items():
        short = {problem_name(value) if name == "ProblemType" else value: (value, doc) for value, doc in values.items()}
        lines = constants(name, model.enum_docs[name] or "The types of webhooks.", short)
        if name == "State":
            states = ", ".join(constant(state) for state in model.settled)
            lines += ["", *block("The states in which a job stays until a person acts: it has ended, or needs review.", "    ")]
            lines += [f"    public static final Set<String> SETTLED = Set.of({states});"]
        lines += ["", f"    private {name}() {{}}", "}"]
        found[f"{FOLDER}/{name}.java"] = joined(lines)
    return found
