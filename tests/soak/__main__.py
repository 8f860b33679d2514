"""``make soak``: every promise of docs/reliability.md measured, as one table.

    python tests/soak [PART…] [--quick] [--json] [--list]

Exit code 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from soak_parts import PARTS
from soak_table import Figure


def main() -> int:
    """Run the parts one after the other and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="the form that the tests run")
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--list", action="store_true", help="name the parts and stop")
    asked = parser.parse_args()
    if unknown := set(asked.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if asked.list:
        print(*PARTS, sep="\n")
        return 0
    broken = 0
    for name in asked.parts or PARTS:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"soak-{name}-", ignore_cleanup_errors=True) as folder:
            os.environ |= {
                "LIGHTVESSEL_CONFIG_DIR": f"{folder}/config",
                "LIGHTVESSEL_CACHE_DIR": f"{folder}/cache",
            }
            figures = list(PARTS[name].run("quick" if asked.quick else "full", Path(folder)))
        for figure in figures:
            broken += figure.held is False
            print(_line(name, figure, as_json=asked.json), flush=True)
        print(f"# {name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return 1 if broken else 0


def _line(part: str, figure: Figure, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"part": part, **asdict(figure)})
    mark = {True: "pass", False: "FAIL", None: "    "}[figure.held]
    return f"{mark}  {part:<10} {figure.promise:<88} {figure.found:>16}  (aim {figure.aim})"


if __name__ == "__main__":
    sys.exit(main())
