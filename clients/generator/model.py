"""The types that clients need, read from the server's OpenAPI description.

A request type is written by a producer, a reply type is read. Both have the names of the wire.
"""

import re
from dataclasses import dataclass, field

# Schemas whose values clients compare; their names in the clients are the same.
ENUMS = ["Kind", "State", "Durability", "WebhookType", "ProblemType"]

# Replies, by the schema's name; with each, its name in the clients.
REPLIES = {
    "Job": "Job",
    "ReasonWithText": "Reason",
    "FieldError": "FieldError",
    "Accepted": "Accepted",
    "OneOfMany": "BatchEntry",
    "BatchOutcomes": "BatchOutcomes",
    "JobWebhook": "JobWebhook",
    "NotificationReceivedWebhook": "NotificationWebhook",
}

# Replies of which only these fields are typed: a reason has other parameters for each code.
ONLY_FIELDS = {"ReasonWithText": ["code", "message"]}

# The outcomes of an accepted job. A refused one is a problem.
ONLY_OUTCOMES = {"Accepted": ["new", "existing"]}

# If a value may have several types, the one that says the most is the clients': amounts may be numbers or digits.
RANK = ["any", "text", "choice", "flag", "decimal", "integer", "map", "object", "list"]


class Unsupported(Exception):
    """The description has a form that the generator does not know."""


@dataclass(frozen=True)
class Type:
    """A type: `form` is of RANK, or `enum`; `name` of an enum or object, `item` of a list, `values` of a choice."""

    form: str
    name: str = ""
    item: "Type | None" = None
    values: tuple = ()


@dataclass
class Field:
    name: str
    type: Type
    required: bool
    nullable: bool
    doc: str


@dataclass
class Object:
    name: str
    doc: str
    is_request: bool
    fields: list


@dataclass
class Model:
    """All that the clients' types are made from, in a stable order."""

    enums: dict = field(default_factory=dict)  # name: {value: doc}
    enum_docs: dict = field(default_factory=dict)
    objects: dict = field(default_factory=dict)
    bodies: dict = field(default_factory=dict)  # kind: name of the body
    settled: list = field(default_factory=list)


def sentence(text):
    """A description as one line, without its list of values."""
    return " ".join((text or "").split("\n\n")[0].split())


def camel(name):
    """`goods_detail` is `GoodsDetail`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def problem_name(uri):
    """`urn:bursar:problem:not-found` is `not-found`."""
    return re.split(r"[:/#]", uri)[-1]


class Reader:
    def __init__(self, description):
        self.schemas = description["components"]["schemas"]
        self.model = Model()

    def target(self, reference):
        return reference.rsplit("/", 1)[-1]

    def members(self, schema, only_outcomes=None):
        """The properties of an object schema and the names of the required ones; the first definition of a property wins."""
        properties = dict(schema.get("properties", {}))
        required = set(schema.get("required", []))
        parts = [self.schemas[self.target(schema["$ref"])]] if "$ref" in schema else []
        for part in parts + schema.get("allOf", []):
            more, needed = self.members(part)
            for name, property in more.items():
                properties.setdefault(name, property)
            required |= needed
        variants = [self.members(variant) for variant in schema.get("oneOf", []) + schema.get("anyOf", [])]
        if only_outcomes:
            variants = [one for one in variants if one[0]["outcome"].get("const") in only_outcomes]
        for more, _ in variants:
            for name, property in more.items():
                known = properties.setdefault(name, property)
                if "const" in known and "const" in property and known is not property:
                    values = known.get("enum", [known["const"]]) + [property["const"]]
                    properties[name] = {"type": "string", "const": known["const"], "enum": values}
        if variants:
            required |= set.intersection(*(needed for _, needed in variants))
        return properties, required

    def type_of(self, schema, owner, is_request):
        """The type and whether it may be null. `owner` names an object that has no name."""
        if "$ref" in schema:
            name = self.target(schema["$ref"])
            if name in ENUMS:
                self.add_enum(name)
                return Type("enum", name), False
            known = self.schemas[name]
            if name in REPLIES or "properties" in known:
                self.add_object(REPLIES.get(name, name), known, is_request, ONLY_FIELDS.get(name))
                return Type("object", REPLIES.get(name, name)), False
            return self.type_of(known, owner, is_request)
        if "anyOf" in schema or "oneOf" in schema:
            variants = [variant for variant in schema.get("anyOf", []) + schema.get("oneOf", [])]
            found = [self.type_of(variant, owner, is_request) for variant in variants if variant.get("type") != "null"]
            nullable = any(variant.get("type") == "null" for variant in variants) or any(null for _, null in found)
            enums = [type for type, _ in found if type.form == "enum"]
            return (enums or [max((type for type, _ in found), key=lambda type: RANK.index(type.form))])[0], nullable
        types = schema.get("type", [])
        types = [types] if isinstance(types, str) else types
        nullable, types = "null" in types, [one for one in types if one != "null"]
        return self.simple(types, schema, owner, is_request), nullable

    def simple(self, types, schema, owner, is_request):
        if "enum" in schema or "const" in schema:
            return Type("choice", values=tuple(schema.get("enum", [schema.get("const")])))
        if types == ["array"]:
            item_owner = owner[:-1] if owner.endswith("s") else owner
            item, _ = self.type_of(schema.get("items", {}), item_owner, is_request)
            return Type("list", item=item)
        if types == ["object"] and schema.get("properties"):
            self.add_object(owner, schema, is_request)
            return Type("object", owner)
        forms = {"string": "text", "integer": "integer", "number": "decimal", "boolean": "flag", "object": "map"}
        if not types:
            return Type("any")
        if len(types) > 1 or types[0] not in forms:
            raise Unsupported(f"{owner}: a value of the types {types}")
        return Type(forms[types[0]])

    def add_enum(self, name):
        if name in self.model.enums:
            return
        schema = self.schemas[name]
        described = dict(re.findall(r"^- `([^`]+)`: (.*)$", schema.get("description", ""), re.M))
        self.model.enums[name] = {value: described.get(value, "") for value in schema["enum"]}
        self.model.enum_docs[name] = sentence(schema.get("description"))

    def add_object(self, name, schema, is_request, only_fields=None, only_outcomes=None):
        if name in self.model.objects:
            return
        made = self.model.objects[name] = Object(name, sentence(schema.get("description")), is_request, [])
        stem = name[: -len("Body")] if name.endswith("Body") else name
        properties, required = self.members(schema, only_outcomes)
        for property, of in properties.items():
            if only_fields and property not in only_fields:
                continue
            type, nullable = self.type_of(of, stem + camel(property), is_request)
            made.fields.append(Field(property, type, property in required, nullable, sentence(of.get("description"))))
        made.fields.sort(key=lambda one: (not one.required, one.name))

    def read(self):
        for name in ENUMS:
            self.add_enum(name)
        jobs = self.schemas["NewJob"]["discriminator"]["mapping"]
        for kind, reference in sorted(jobs.items()):
            name = self.target(reference)
            body = name[: -len("Job")] + "Body"
            self.model.bodies[kind] = body
            self.add_object(body, self.schemas[name + "Body"], True)
            self.model.objects[body].doc = f"The body of a job of the kind `{kind}`, in the words of the gateway's page."
            job = dict(self.schemas[name], properties=dict(self.schemas[name]["properties"], body={"type": "object"}))
            self.add_object(name, job, True)
            for one in self.model.objects[name].fields:
                one.type = Type("object", body) if one.name == "body" else one.type
        for name, called in REPLIES.items():
            self.add_object(called, self.schemas[name], False, ONLY_FIELDS.get(name), ONLY_OUTCOMES.get(name))
        events = [value.split(".", 1) for value in self.model.enums["WebhookType"]]
        self.model.settled = [state for of, state in events if of == "job"]
        return self.model


def read(description):
    """The model of a description."""
    return Reader(description).read()
