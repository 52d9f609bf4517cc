# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a cluster needs from the host outside its namespaces, and how the last one gives it back.

Sysctls, kernel modules and cgroup v2 controllers are the machine's, shared by all local clusters, wherever their
folders lie. One record remembers the values from before and who uses them; only the last user restores.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from common import Trouble, exclusive, have, read_json, run, wait_until, write_whole

CGROUP = Path("/sys/fs/cgroup")
# In /run nothing outlives a restart of the machine; neither do the values that the record tells of.
RECORD = Path("/run/llmops-local-cluster.json")
# kubelet, containerd and every Python watcher take inotify instances; 128 run out with one cluster.
SYSCTL_MIN = {"fs.inotify.max_user_instances": 512}
V2_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids", "hugetlb")
Record = dict[str, Any]


def plan_acquire(record: Record, user: str, values: dict[str, int]) -> tuple[Record, dict[str, int]]:
    """Add a user to the record; return it with the sysctls to raise, each kept once with its first value."""
    raised = {name: low for name, low in SYSCTL_MIN.items() if values[name] < low}
    before = {
        **{name: {"before": values[name], "set": low} for name, low in raised.items()},
        **record.get("sysctl", {}),
    }
    users = sorted({*record.get("users", []), user})
    return {**record, "sysctl": before, "users": users}, raised


def plan_release(record: Record, user: str, alive: Callable[[str], bool]) -> tuple[Record, Record]:
    """Take a user out; return the record that stays and, when nobody is left, what is to be restored."""
    users = [name for name in record.get("users", []) if name != user and alive(name)]
    if users:
        return {**record, "users": users}, {}
    return {}, record


def sysctl_path(name: str) -> Path:
    """Give the file of a sysctl."""
    return Path("/proc/sys", *name.split("."))


@contextmanager
def changing_record() -> Iterator[tuple[Record, Callable[[Record], None]]]:
    """Give the machine's record and what writes it, while no other cluster changes it."""

    def write(record: Record) -> None:
        if record:
            write_whole(RECORD, json.dumps(record, indent=2, sort_keys=True) + "\n")
        else:
            RECORD.unlink(missing_ok=True)
            RECORD.with_suffix(".lock").unlink(missing_ok=True)

    with exclusive(RECORD.with_suffix(".lock")):
        yield read_json(RECORD), write


def acquire(settings: dict[str, Any]) -> None:
    """Raise what the node needs and note the values from before."""
    with changing_record() as (before, write):
        values = {name: int(sysctl_path(name).read_text()) for name in SYSCTL_MIN}
        record, raised = plan_acquire(before, settings["folder"], values)
        modules = missing_bridge_filter()
        controllers = missing_v2_controllers()
        record["modules"] = sorted({*record.get("modules", []), *modules})
        record["controllers"] = sorted({*record.get("controllers", []), *controllers})
        # The note comes first: a kill between the two leaves a note too many, never a value without one.
        write(record)
        for name, value in raised.items():
            sysctl_path(name).write_text(f"{value}\n")
        for module in modules:
            run(["modprobe", module])
        for controller in controllers:
            enable_controller(CGROUP, controller)


def release(settings: dict[str, Any]) -> tuple[bool, list[str]]:
    """Forget this cluster; the last one puts back what was changed on the machine.

    Say whether the cluster was known, and what has to stay as it is.
    """
    with changing_record() as (before, write):
        record, restore = plan_release(before, settings["folder"], lambda folder: Path(folder).exists())
        stays = restore_host(restore)
        write(record)
    drop_root(settings)
    return settings["folder"] in before.get("users", []), stays


def drop_root(settings: dict[str, Any]) -> None:
    """Remove the folder of the clusters' folders when the last one is gone."""
    root = Path(settings["root"])
    if root.exists() and not any(root.iterdir()):
        root.rmdir()


def is_known(settings: dict[str, Any]) -> bool:
    """Say whether the host still has something of the cluster: a cable, a route, a cgroup, or a note of it."""
    lies = have("ip") and (links_of(settings["alias"]) or "backstop route" not in missing_routes(settings))
    grouped = any(folder.is_dir() for folder in cgroup_folders(settings["cgroup"], ("cgroup", "cgroup2")))
    return bool(lies) or grouped or settings["folder"] in read_json(RECORD).get("users", [])


def restore_host(record: Record) -> list[str]:
    """Put sysctls back that still have our value, and take modules and controllers out that we put in.

    What somebody else uses by now stays, as it would after any other program; it is told.
    """
    for name, value in record.get("sysctl", {}).items():
        path = sysctl_path(name)
        if int(path.read_text()) == value["set"]:
            path.write_text(f"{value['before']}\n")
    stays = []
    for module in record.get("modules", []):
        done = run(["modprobe", "-r", module], check=False)
        if done.returncode:
            stays.append(f"kernel module {module} stays loaded: {done.stderr.strip()}")
    for controller in record.get("controllers", []):
        try:
            (CGROUP / "cgroup.subtree_control").write_text(f"-{controller}")
        except OSError as error:
            stays.append(f"cgroup controller {controller} stays enabled in {CGROUP}: {error.strerror}")
    return stays


def missing_bridge_filter() -> list[str]:
    """Name the module that lets iptables see bridged packets, where the kernel has not loaded it."""
    return [] if Path("/proc/sys/net/bridge").is_dir() else ["br_netfilter"]


def is_v2() -> bool:
    """Say whether the machine runs the unified cgroup hierarchy alone."""
    return (CGROUP / "cgroup.controllers").exists()


def missing_v2_controllers() -> list[str]:
    """Name the controllers that the top cgroup has and does not hand down; none on cgroup v1."""
    if not is_v2():
        return []
    offered = (CGROUP / "cgroup.controllers").read_text().split()
    handed = (CGROUP / "cgroup.subtree_control").read_text().split()
    return [name for name in V2_CONTROLLERS if name in offered and name not in handed]


def enable_controller(folder: Path, controller: str) -> None:
    """Hand a controller of cgroup v2 down to the folder's children."""
    try:
        (folder / "cgroup.subtree_control").write_text(f"+{controller}")
    except OSError as error:
        raise Trouble(
            f"Cannot hand cgroup controller {controller} down from {folder}: {error}. Where the machine is itself a "
            "container, its top cgroup holds processes: delegate a cgroup to it or use cgroup v1."
        ) from error


def cgroup_folders(name: str, kinds: tuple[str, ...] = ("cgroup",)) -> list[Path]:
    """Give the folders of a cgroup, one in every v1 hierarchy or the one of v2."""
    if is_v2():
        return [CGROUP / name]
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return [Path(mount[1], name) for mount in mounts if mount[2] in kinds and mount[1].startswith(f"{CGROUP}/")]


def make_cgroups(name: str) -> None:
    """Make the node's own cgroups, into which kubelet puts the pods."""
    for folder in cgroup_folders(name):
        folder.mkdir(exist_ok=True)
        if is_v2():
            for controller in (folder / "cgroup.controllers").read_text().split():
                enable_controller(folder, controller)
        for item in ("cpuset.cpus", "cpuset.mems"):
            # On v1 an empty set means that no process may enter; children do not inherit.
            if not is_v2() and (folder / item).exists() and not (folder / item).read_text().strip():
                (folder / item).write_text((folder.parent / item).read_text())


def remove_cgroups(name: str) -> bool:
    """Remove the node's cgroups once the kernel has let go of the dead processes."""
    # On a hybrid machine runc makes folders in the v2 hierarchy too, although it holds no controllers.
    folders = [folder for folder in cgroup_folders(name, ("cgroup", "cgroup2")) if folder.is_dir()]

    def gone() -> bool:
        for folder in folders:
            for path, _rest, _rest in os.walk(folder, topdown=False):
                try:
                    os.rmdir(path)
                except FileNotFoundError:
                    continue
                except OSError:
                    break  # still busy: the next round tries again, until the limit
        return not any(folder.exists() for folder in folders)

    wait_until(f"cgroups {name} empty", gone, 20)
    return bool(folders)


def links_of(alias: str) -> list[str]:
    """Name the host's interfaces that carry the alias."""
    return [link["ifname"] for link in json.loads(run(["ip", "-j", "link"]).stdout) if link.get("ifalias") == alias]


def connect(settings: dict[str, Any], pid: int) -> None:
    """Lay the cable between host and node and send everything for the cluster's addresses through it."""
    veth, alias = settings["veth"], settings["alias"]
    run(["ip", "link", "add", veth, "type", "veth", "peer", "name", "eth0", "netns", str(pid)])
    run(["ip", "link", "set", veth, "alias", alias])
    run(["ip", "address", "add", f"{settings['host_ip']}/30", "dev", veth])
    run(["ip", "link", "set", veth, "up"])
    lay_routes(settings, ["route"])


def has_cable(settings: dict[str, Any]) -> bool:
    """Say whether the cable lies. One that is lost is lost at both of its ends, and only a new node gets another."""
    return links_of(settings["alias"]) == [settings["veth"]]


def routes(settings: dict[str, Any]) -> dict[str, list[str]]:
    """Give the routes of the host that the cluster needs, by name."""
    return {
        "route": [settings["net"], "via", settings["node_ip"], "dev", settings["veth"]],
        # Keeps packets for the cluster off the default route while the node is away.
        "backstop route": ["unreachable", settings["net"], "metric", "4000"],
    }


def missing_routes(settings: dict[str, Any]) -> list[str]:
    """Name the routes that are not there."""
    shown = json.loads(run(["ip", "-j", "route", "show"]).stdout or "[]")
    kinds = [route.get("type", "unicast") for route in shown if route["dst"] == settings["net"]]
    there = {"route": "unicast" in kinds, "backstop route": "unreachable" in kinds}
    return [name for name in routes(settings) if not there[name]]


def lay_routes(settings: dict[str, Any], names: Iterable[str]) -> None:
    """Lay routes by their names."""
    for name in names:
        run(["ip", "route", "replace", *routes(settings)[name]])


def disconnect(settings: dict[str, Any]) -> bool:
    """Take cable and routes away; say whether there was one."""
    if not have("ip"):
        return False  # then nothing was ever laid with it
    links = links_of(settings["alias"])
    for link in links:
        run(["ip", "link", "delete", link], check=False)  # gone by itself when the namespace went first
    blocked = "backstop route" not in missing_routes(settings)
    if blocked:
        run(["ip", "route", "delete", *routes(settings)["backstop route"]])
    return bool(links) or blocked
