# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find out before anything is written whether this machine can carry a local cluster.

``examine`` looks at what can be read. ``probe`` makes throw-away namespaces and tries in them what the node will
do: that tells more about a kernel than its configuration file. Looking (``gather``) is apart from judging
(``judge``), which is pure.
"""

from __future__ import annotations

import ipaddress
import json
import shutil
from pathlib import Path
from typing import Any

import host
from common import Trouble, have, main, read_json, run

MEMORY_GIB_MIN = 3
MEMORY_GIB_MIN_BUILD = 5  # the linker of the Kubernetes programs takes 2.5 GiB
ROOT_GIB_MIN = 5
CACHE_GIB_MIN_BUILD = 8
V1_HIERARCHIES = ("cpu", "cpuacct", "cpuset", "memory", "pids", "devices", "freezer", "blkio")
V2_NEEDED = ("cpuset", "cpu", "memory", "pids")
GIB = 1 << 30
# Each try runs in namespaces of its own and leaves nothing.
TRIES = {
    "networks with veth and bridge": "ip link add try0 type veth peer name try1 && ip link add try2 type bridge",
    "packet filter (iptables)": "iptables -w -t nat -A POSTROUTING -m comment --comment t -j MASQUERADE",
    "packet filter (nftables)": "nft add table inet t && nft delete table inet t",
    "mounts of tmpfs": "mount -t tmpfs t /mnt",
}
# Images and pods live in overlays below the cluster's root, whose file system has to carry them ($1: a folder in it).
OVERLAY_TRY = """
place=$(mktemp -d -p "$1" .llmops-try.XXXXXX)
trap 'umount "$place/m" 2>/dev/null || true; rm -rf "$place"' EXIT
mkdir "$place/u" "$place/w" "$place/m"
mount -t overlay -o "lowerdir=/etc,upperdir=$place/u,workdir=$place/w" t "$place/m"
touch "$place/m/file"
"""


def existing(path: Path) -> Path:
    """Give the path, or the lowest folder above it that is there already."""
    while not path.exists():
        path = path.parent
    return path


def free_gib(path: Path) -> float:
    """Give the free space of the file system that a path lies or will lie on."""
    return shutil.disk_usage(existing(path)).free / GIB


def memory_gib() -> float:
    """Give the memory that programs can still get."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 / GIB
    return 0.0


def gather(settings: dict[str, Any]) -> dict[str, Any]:
    """Look at the machine; nothing is changed."""
    wanted = packages_for(settings)
    missing = [program for program in wanted if not (Path(program).exists() if program[0] == "/" else have(program))]
    routes = json.loads(run(["ip", "-j", "route", "show", "table", "all"]).stdout) if have("ip") else []
    root = Path(settings["root"])
    v1 = [
        Path(mount.split()[1]).name
        for mount in Path("/proc/mounts").read_text().splitlines()
        if mount.split()[2] == "cgroup"
    ]
    return {
        "debian": Path("/etc/debian_version").exists(),
        "missing": missing,
        "memory_gib": memory_gib(),
        "root_gib": free_gib(root),
        "cache_gib": free_gib(Path(settings["cache"])),
        "routes": [(route["dst"], route.get("dev", "")) for route in routes],
        "own_links": host.links_of(settings["alias"]) if have("ip") else [],
        "neighbours": neighbours(root, settings["folder"]),
        "made_with": read_json(Path(settings["folder"], "run", "launched.json")).get("net", settings["net"]),
        "v2": (host.CGROUP / "cgroup.controllers").read_text().split() if host.is_v2() else [],
        "v2_kept": host.missing_v2_controllers(),
        "v2_processes": top_cgroup_processes(),
        "v1": v1,
        "systemd": Path("/run/systemd/system").is_dir(),
    }


def top_cgroup_processes() -> int:
    """Count the processes that keep the top cgroup of v2 from handing controllers down."""
    # The kernel's own top cgroup may do both. It has no type; where there is one, the machine is itself a container.
    if not (host.CGROUP / "cgroup.type").exists():
        return 0
    return len((host.CGROUP / "cgroup.procs").read_text().split())


def packages_for(settings: dict[str, Any]) -> dict[str, str]:
    """Give the Debian package of every program that this machine needs."""
    loader = {"modprobe": "kmod"} if host.missing_bridge_filter() else {}
    return {**settings["packages"], **loader}


def neighbours(root: Path, folder: str) -> dict[str, str]:
    """Give the address ranges of the other clusters that have state on this machine."""
    found = {}
    for path in root.glob("*/run/cluster.json"):
        if str(path.parents[1]) != folder:
            found[path.parents[1].name] = read_json(path).get("net", "")
    return found


def judge(seen: dict[str, Any], settings: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Give what forbids a cluster here, and what its user should know."""
    problems, warnings = [], []
    if seen["missing"] and not seen["debian"]:
        names = ", ".join(seen["missing"])
        problems.append(f"no Debian, and these programs are missing: {names}. Install them, then run again.")
    problems += judge_sizes(seen, settings["build"])
    problems += judge_addresses(seen, settings)
    problems += judge_cgroups(seen)
    if seen["systemd"]:
        warnings.append(
            f"systemd runs here: cgroup {settings['cgroup']} stands beside its slices, not under them. systemd leaves "
            "cgroups alone that it did not make; tools that only know slices will not show the cluster."
        )
    return problems, warnings


def judge_sizes(seen: dict[str, Any], build: bool) -> list[str]:
    """Judge memory and disk; building needs more of both."""
    limits = [
        ("memory_gib", "memory available", MEMORY_GIB_MIN_BUILD if build else MEMORY_GIB_MIN),
        ("root_gib", "disk space for the cluster's state", ROOT_GIB_MIN),
        ("cache_gib", "disk space for the cache", CACHE_GIB_MIN_BUILD if build else 1),
    ]
    return [f"{what}: {seen[key]:.1f} GiB, {low} GiB needed." for key, what, low in limits if seen[key] < low]


def judge_addresses(seen: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """Judge whether the cluster's addresses are free, its own routes aside."""
    net = ipaddress.ip_network(settings["net"])
    cure = "Set another local_cluster_index (0 to 15)."
    owners = [name for name, taken in seen["neighbours"].items() if taken == settings["net"]]
    if owners:
        return [f"local cluster {owners[0]} has the addresses {net} already. {cure}"]
    if seen["made_with"] != settings["net"]:
        made = f"the cluster was made with the addresses {seen['made_with']}, local_cluster_index now means {net}, and"
        return [f"{made} Kubernetes cannot move. Set the index from before, or remove the cluster (absent) first."]
    users = []
    for destination, device in seen["routes"]:
        try:
            other = ipaddress.ip_network(destination)
        except ValueError:
            continue  # "default" and the like
        foreign = device and device not in (*seen["own_links"], "lo") and other.prefixlen > 0
        if foreign and other.version == 4 and other.overlaps(net):
            users.append(f"{destination} by {device}")
    return (
        [f"routes of this machine use addresses of {net}: {', '.join(dict.fromkeys(users))}. {cure}"] if users else []
    )


def judge_cgroups(seen: dict[str, Any]) -> list[str]:
    """Judge the cgroup controllers that kubelet and runc insist on."""
    have_them, needed, kind = (seen["v2"], V2_NEEDED, "v2") if seen["v2"] else (seen["v1"], V1_HIERARCHIES, "v1")
    missing = [name for name in needed if not any(name in names.split(",") for names in have_them)]
    if missing:
        names = ", ".join(missing)
        return [f"cgroup {kind} without {names}: boot with them enabled (for instance cgroup_enable=memory)."]
    if seen["v2_kept"] and seen["v2_processes"]:
        first = f"cgroup v2 does not hand down {', '.join(seen['v2_kept'])}, and cannot while its top cgroup holds"
        cure = "as in a container: delegate a cgroup to this machine or use cgroup v1."
        return [f"{first} processes ({seen['v2_processes']}), {cure}"]
    return []


def examine(settings: dict[str, Any]) -> dict[str, Any]:
    """Look and judge, and try what can be tried before packages are installed."""
    seen = gather(settings)
    problems, warnings = judge(seen, settings)
    packages = sorted({packages_for(settings)[program] for program in seen["missing"]})
    if not problems and not packages:
        probe(settings)
    return {"problems": problems, "warnings": warnings, "packages": packages}


def probe(settings: dict[str, Any]) -> dict[str, Any]:
    """Try in throw-away namespaces what the node will do, and outside what it needs of the host."""
    problems = try_cgroups(f"{settings['cgroup']}-try")
    root = existing(Path(settings["root"]))
    for what, script in {**TRIES, f"overlay in {root}": OVERLAY_TRY}.items():
        done = run(
            ["unshare", "--net", "--mount", "--pid", "--fork", "sh", "-ec", script, "sh", str(root)], check=False
        )
        if done.returncode:
            problems.append(f"{what}: {done.stderr.strip() or f'status {done.returncode}'}")
    for module in host.missing_bridge_filter():
        done = run(["modprobe", "--dry-run", module], check=False)
        if done.returncode:
            problems.append(f"bridged packets in the packet filter: {done.stderr.strip() or f'no module {module}'}")
    if problems:
        raise Trouble("This machine's kernel cannot carry a local cluster:\n  " + "\n  ".join(problems))
    return {}


def try_cgroups(name: str) -> list[str]:
    """Make a cgroup in every hierarchy and remove it; say where that is refused."""
    problems = []
    for folder in host.cgroup_folders(name):
        try:
            folder.mkdir(exist_ok=True)
            folder.rmdir()
        except OSError as error:
            problems.append(f"cgroups in {folder.parent}: {error.strerror}")
    return problems


if __name__ == "__main__":
    main({"examine": examine, "probe": probe})
