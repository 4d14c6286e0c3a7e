"""Writes the CycloneDX bill of materials of the executable: every crate that is linked into it or builds it, with its licence, its checksum
of Cargo.lock and its dependencies. The same sources give the same file. scripts/sbom.sh runs it with its library.

usage: sbom.py FILE
"""

import json
import subprocess
import sys
import tomllib
import uuid

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

EXECUTABLE = "bursar"
TARGET = "x86_64-unknown-linux-gnu"
# Kinds of dependency that reach the executable. Those of tests do not.
KINDS = {None: "linked", "build": "builds"}


def metadata():
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def checksums():
    with open("Cargo.lock", "rb") as file:
        return {(p["name"], p["version"]): p["checksum"] for p in tomllib.load(file)["package"] if "checksum" in p}


def reached(nodes, root):
    """The edges of every package that the executable needs."""
    edges, waiting = {}, [root]
    while waiting:
        package = waiting.pop()
        if package in edges:
            continue
        needs = [dep["pkg"] for dep in nodes[package]["deps"] if any(kind["kind"] in KINDS for kind in dep["dep_kinds"])]
        edges[package] = sorted(needs)
        waiting.extend(needs)
    return edges


def component(package, checksum, kind):
    licence = package["license"]
    licences = [LicenseFactory().make_from_string(licence.replace("/", " OR "))] if licence else []
    name, version = package["name"], package["version"]
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=checksum)] if checksum else []
    purl = PackageURL(type="cargo", name=name, version=version)
    return Component(type=kind, name=name, version=version, purl=purl, bom_ref=str(purl), licenses=licences, hashes=hashes)


def main():
    found, known = metadata(), checksums()
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    root = next(id for id, package in packages.items() if package["name"] == EXECUTABLE and not package["source"])
    edges = reached(nodes, root)
    bom, components = Bom(), {}
    for id in sorted(edges):
        package = packages[id]
        kind = ComponentType.APPLICATION if id == root else ComponentType.LIBRARY
        components[id] = component(package, known.get((package["name"], package["version"])), kind)
        if id != root:
            bom.components.add(components[id])
    bom.metadata.component = components[root]
    bom.metadata.properties.add(Property(name="bursar:target", value=TARGET))
    for id, needs in edges.items():
        bom.register_dependency(components[id], [components[need] for need in needs])
    # Neither the time nor chance: two builds of the same sources have the same list.
    names = "\n".join(sorted(str(part.purl) for part in components.values()))
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, names)
    written = json.loads(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string())
    written["metadata"].pop("timestamp", None)
    text = json.dumps(written, indent=1, sort_keys=True) + "\n"
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if fault:
        sys.exit(f"the list is no CycloneDX: {fault}")
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        file.write(text)
    print(f"{sys.argv[1]}: {len(components)} crates")


main()
