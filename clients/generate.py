#!/usr/bin/env python3
"""Writes the clients' types from the server's OpenAPI description, or compares them with it.

    python3 clients/generate.py openapi.json            # writes
    python3 clients/generate.py --check openapi.json    # compares: exit 1 and the names of the files that differ

`-` reads the description from standard input. Standard library only.
"""

import difflib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(HERE))

from generator import go, java, php, python, typescript  # noqa: E402
from generator.model import read  # noqa: E402

# Folders of which every file is generated: one that no type needs any more is removed.
FOLDERS = [java.FOLDER, php.FOLDER]

# The lines of a difference that are shown of a file.
SHOWN = 12


def generated(description):
    """Every generated file, by its path below this folder."""
    model = read(description)
    found = {}
    for language in (python, typescript, java, go, php):
        found.update(language.files(model))
    return found


def stale(files):
    """Files of the generated folders that are generated no more."""
    present = [path for folder in FOLDERS for path in (HERE / folder).glob("*.*")]
    return sorted(path for path in present if str(path.relative_to(HERE)) not in files)


def differences(files):
    """The files that are not as they would be generated, each with the begin of its difference."""
    found = [f"{path.relative_to(HERE)} is not generated any more" for path in stale(files)]
    for name, text in sorted(files.items()):
        path = HERE / name
        present = path.read_text(encoding="utf-8") if path.exists() else ""
        if present != text:
            lines = difflib.unified_diff(present.splitlines(), text.splitlines(), name, "/openapi.json", n=0, lineterm="")
            found.append("\n".join(list(lines)[:SHOWN]))
    return found


def main():
    arguments = sys.argv[1:]
    is_check = arguments[:1] == ["--check"]
    if len(arguments) != 1 + is_check:
        print(__doc__, file=sys.stderr)
        return 2
    source = arguments[-1]
    text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    files = generated(json.loads(text))
    if is_check:
        found = differences(files)
        print("\n".join(found) or f"{len(files)} files are as /openapi.json has them")
        return 1 if found else 0
    for path in stale(files):
        path.unlink()
    for name, text in files.items():
        (HERE / name).parent.mkdir(parents=True, exist_ok=True)
        (HERE / name).write_text(text, encoding="utf-8")
    print(f"{len(files)} files written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
