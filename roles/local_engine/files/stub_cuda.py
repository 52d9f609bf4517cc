# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Give torch's CUDA build, the only one for x86-64 on PyPI, stand-ins for the CUDA libraries that it is linked to.

They weigh about 4 GB and nothing calls them on a machine without GPUs. A stand-in has the same SONAME, the same symbol
versions (the loader insists on them) and the same function names, each of which aborts. The CUDA runtime and CUPTI run
code while they load, so those two are the real ones. Needs gcc and binutils.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

LIBRARY = re.compile(
    r"lib(cublas|cublasLt|cuda|cudnn|cufft|cufile|curand|cusolver|cusparse|cusparseLt|nccl|nvrtc|nvshmem_host|nvJitLink)\.so"
)
FUNCTION = re.compile(r"(nvshmem|cusparse|cufft|cuFile|cublas|cudnn|nccl|curand|cusolver|nvrtc|nvJitLink|cu[A-Z])")


def _run(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def parse_needed(dynamic: str) -> set[str]:
    """Return the SONAMEs that ``readelf -dW`` says are needed."""
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic))


def parse_versions(text: str) -> dict[str, set[str]]:
    """Return the symbol versions wanted of each library, from ``readelf -VW``."""
    versions: dict[str, set[str]] = defaultdict(set)
    library = None
    for line in text.splitlines():
        if match := re.search(r"File: (\S+)", line):
            library = match[1]
        elif library and (match := re.search(r"Name: (\S+) ", line)):
            versions[library].add(match[1])
    return versions


def parse_symbols(text: str) -> dict[str, set[str]]:
    """Return the undefined CUDA functions by their version (``""`` without one), from ``nm -D --undefined-only``."""
    symbols: dict[str, set[str]] = defaultdict(set)
    for line in text.splitlines():
        name, _rest, version = line.split()[-1].partition("@")
        if FUNCTION.match(name):
            symbols[version.lstrip("@")].add(name)
    return symbols


def render_stub(names: set[str]) -> str:
    """Return C code in which each function aborts."""
    return "".join(f"void {name}(void) {{ __builtin_trap(); }}\n" for name in sorted(names))


def render_map(versions: set[str], symbols: dict[str, set[str]]) -> str:
    """Return a linker's version script that puts each function into its version."""
    return "".join(
        f"{version} {{ global: {'; '.join(sorted(symbols[version])) or '__none'}; }};\n" for version in sorted(versions)
    )


def _link_real(site: Path, libraries: Path) -> None:
    for real in site.glob("nvidia/**/lib*.so*"):
        link = libraries / real.name
        if not link.is_symlink() and not link.exists():
            link.symlink_to(Path("..") / ".." / real.relative_to(site))


def add_stubs(site: Path) -> list[str]:
    """Put a stand-in for every missing CUDA library beside torch's own; return their names. ``site``: site-packages."""
    libraries = site / "torch" / "lib"
    _link_real(site, libraries)
    needed: set[str] = set()
    versions: dict[str, set[str]] = defaultdict(set)
    symbols: dict[str, set[str]] = defaultdict(set)
    for library in libraries.glob("lib*.so*"):
        if library.is_symlink() or LIBRARY.match(library.name):
            continue
        needed |= parse_needed(_run("readelf", "-dW", str(library)))
        for name, wanted in parse_versions(_run("readelf", "-VW", str(library))).items():
            versions[name] |= wanted
        for version, names in parse_symbols(_run("nm", "-D", "--undefined-only", str(library))).items():
            symbols[version] |= names
    made = sorted(name for name in needed if LIBRARY.match(name))
    for name in made:
        _compile(libraries / name, versions[name], symbols)
    return made


def _compile(target: Path, versions: set[str], symbols: dict[str, set[str]]) -> None:
    names = set(symbols[""]).union(*(symbols[version] for version in versions))
    with tempfile.TemporaryDirectory() as folder:
        source, script = Path(folder, "stub.c"), Path(folder, "map")
        source.write_text(render_stub(names), encoding="utf-8")
        arguments = []
        if versions:
            script.write_text(render_map(versions, symbols), encoding="utf-8")
            arguments = [f"-Wl,--version-script={script}"]
        soname = f"-Wl,-soname,{target.name}"
        _run("gcc", "-w", "-O1", "-shared", "-fPIC", "-o", str(target), soname, *arguments, str(source))
