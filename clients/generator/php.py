"""The types of the PHP client: a class for each, with the names of the wire."""

from generator.model import problem_name
from generator.text import NOTICE, block, constant, doc_of, joined

FOLDER = "php/src/Types"


def nullable(type):
    """The type with null: `mixed` has it."""
    return type if type == "mixed" else f"?{type}"


def named(type, is_request):
    plain = {"integer": "int", "decimal": "float", "flag": "bool", "map": "array", "list": "array", "any": "mixed"}
    if is_request:
        # A share is text: a binary fraction is not exact.
        plain |= {"decimal": "string"}
    return type.name if type.form == "object" else plain.get(type.form, "string")


def annotated(field):
    item = field.type.item
    listed = f" list<{item.name or named(item, True)}>" if item else ""
    return (f"@var{listed} {doc_of(field)}" if item else doc_of(field)).strip()


def read(field):
    place = f"$json['{field.name}'] ?? null"
    if field.type.form == "object":
        may = f"isset($json['{field.name}']) ? {field.type.name}::fromArray($json['{field.name}']) : null"
        return may if is_optional(field) else f"{field.type.name}::fromArray($json['{field.name}'])"
    if field.type.form == "list" and field.type.item.form == "object":
        return f"array_map({field.type.item.name}::fromArray(...), $json['{field.name}'] ?? [])"
    if field.type.form == "list":
        return f"$json['{field.name}'] ?? []"
    return place if is_optional(field) else f"$json['{field.name}']"


def is_optional(field):
    return (field.nullable or not field.required) and field.type.form != "list"


def request(made, kind):
    fields = [field for field in made.fields if not (kind and field.name == "kind")]
    lines = ["    public function __construct("]
    for field in fields:
        type = named(field.type, True)
        declared = f"public readonly {type} ${field.name}" if field.required else f"public readonly {nullable(type)} ${field.name} = null"
        lines += [*block(annotated(field), "        "), f"        {declared},"]
    lines += ["    ) {", "    }", "", "    public function jsonSerialize(): array", "    {"]
    lines += ["        $fields = array_filter(get_object_vars($this), fn ($value) => $value !== null);"]
    # An empty array is a list in JSON.
    lines += [f"        isset($fields['{field.name}']) && $fields['{field.name}'] = (object) $fields['{field.name}'];" for field in fields if field.type.form == "map"]
    lines += [f"        return ['kind' => '{kind}'] + $fields;"] if kind else ["        return $fields;"]
    return lines + ["    }"]


def reply(made):
    lines = ["    public function __construct("]
    for field in made.fields:
        type = named(field.type, False)
        type = nullable(type) if is_optional(field) else type
        lines += [*block(annotated(field), "        "), f"        public readonly {type} ${field.name},"]
    lines += ["        /** Every member, those that this client does not know included. */"]
    lines += ["        public readonly array $json,", "    ) {", "    }", ""]
    lines += ["    public static function fromArray(array $json): self", "    {", "        return new self("]
    lines += [f"            {field.name}: {read(field)}," for field in made.fields]
    return lines + ["            json: $json,", "        );", "    }"]


def head(doc):
    return ["<?php", "", f"// {NOTICE}", "", "declare(strict_types=1);", "", "namespace Bursar\\Types;", "", *block(doc)]


def files(model):
    kinds = {body[: -len("Body")] + "Job": kind for kind, body in model.bodies.items()}
    found = {}
    for made in model.objects.values():
        base = " implements \\JsonSerializable" if made.is_request else ""
        lines = [*head(made.doc or "A part of a body."), f"final class {made.name}{base}", "{"]
        lines += request(made, kinds.get(made.name)) if made.is_request else reply(made)
        found[f"{FOLDER}/{made.name}.php"] = joined([*lines, "}"])
    for name, values in model.enums.items():
        lines = [*head(model.enum_docs[name] or "The types of webhooks."), f"final class {name}", "{"]
        for value, doc in values.items():
            short = problem_name(value) if name == "ProblemType" else value
            lines += [*block(doc, "    "), f"    public const {constant(short)} = '{value}';"]
        if name == "State":
            states = ", ".join(f"self::{constant(state)}" for state in model.settled)
            lines += ["", *block("The states in which a job stays until a person acts: it has ended, or needs review.", "    ")]
            lines += [f"    public const SETTLED = [{states}];"]
        found[f"{FOLDER}/{name}.php"] = joined([*lines, "}"])
    return found
