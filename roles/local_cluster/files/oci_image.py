# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write OCI image archives with the standard library, and bring them into the node's containerd.

An archive is made from root-filesystem tars and single files, reproducibly (no clock is read), with a digest
that is known before the import. ``index.json`` comes first, so that reading the digest costs nothing.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from common import Trouble, exclusive, find_node, in_node, main, remove_tree, run, tail, wait_until

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG_KEYS = {"env": "Env", "entrypoint": "Entrypoint", "cmd": "Cmd", "user": "User", "workdir": "WorkingDir"}


def reference_parts(reference: str) -> tuple[str, str]:
    """Split a full image reference into name and tag; refuse what Kubernetes would pull again or cannot name."""
    name, _rest, tag = reference.rpartition(":")
    if not name or "/" in tag or tag == "latest":
        raise Trouble(
            f"Image reference {reference!r}: give a host, a name and a tag other than latest, for instance "
            "llmops.local/tool:1 (Kubernetes always pulls :latest, and there is no registry here)."
        )
    return name, tag


def image_config(image: dict[str, Any], architecture: str, diff_ids: list[str]) -> dict[str, Any]:
    """Give the image's configuration document."""
    config = {key: image[option] for option, key in CONFIG_KEYS.items() if image.get(option)}
    roots = {"type": "layers", "diff_ids": diff_ids}
    return {"architecture": architecture, "os": "linux", "config": config, "rootfs": roots}


def files_layer(files: dict[str, str], path: Path) -> None:
    """Write a layer that holds single files (owner root, mode 0755), by destination in the image."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        made: set[str] = set()
        for destination, source in sorted(files.items()):
            name = destination.strip("/")
            for parent in reversed(Path(name).parents[:-1]):
                if str(parent) not in made:
                    made.add(str(parent))
                    folder = tarfile.TarInfo(str(parent))
                    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(folder)
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = os.path.getsize(source), 0o755
            with open(source, "rb") as stream:
                archive.addfile(entry, stream)


def descriptor(data: bytes | Path, media: str) -> dict[str, Any]:
    """Describe a blob: media type, SHA-256 and size."""
    if isinstance(data, bytes):
        return {"mediaType": media, "digest": f"sha256:{hashlib.sha256(data).hexdigest()}", "size": len(data)}
    total = hashlib.sha256()
    with open(data, "rb") as stream:
        while chunk := stream.read(1 << 20):
            total.update(chunk)
    return {"mediaType": media, "digest": f"sha256:{total.hexdigest()}", "size": data.stat().st_size}


def add(archive: tarfile.TarFile, name: str, data: bytes | Path) -> None:
    """Put one file into the archive."""
    entry = tarfile.TarInfo(name)
    entry.mode = 0o644
    if isinstance(data, bytes):
        entry.size = len(data)
        archive.addfile(entry, io.BytesIO(data))
    else:
        entry.size = data.stat().st_size
        with open(data, "rb") as stream:
            archive.addfile(entry, stream)


def write_archive(image: dict[str, Any], architecture: str, path: Path) -> str:
    """Write the archive of an image (``ref``, ``layers``, ``files``, configuration) and give its digest."""
    _rest, tag = reference_parts(image["ref"])
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        layers = [Path(layer) for layer in image.get("layers") or []]
        if image.get("files"):
            layers.append(Path(scratch, "files.tar"))
            files_layer(image["files"], layers[-1])
        described = [descriptor(layer, LAYER) for layer in layers]
        config = json.dumps(
            image_config(image, architecture, [layer["digest"] for layer in described]), sort_keys=True
        ).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(config, CONFIG),
            "layers": described,
        }
        manifest_text = json.dumps(manifest, sort_keys=True).encode()
        top = descriptor(manifest_text, MANIFEST)
        top["annotations"] = {"io.containerd.image.name": image["ref"], "org.opencontainers.image.ref.name": tag}
        blobs: list[tuple[dict[str, Any], bytes | Path]] = [(top, manifest_text), (manifest["config"], config)]  # type: ignore[list-item]
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            add(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [top]}, sort_keys=True).encode())
            add(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
            for described_blob, data in [*blobs, *zip(described, layers)]:
                add(archive, "blobs/sha256/" + described_blob["digest"].split(":")[1], data)
    return str(top["digest"])


def key_of(image: dict[str, Any]) -> str:
    """Reduce everything that decides an archive's content to a short key."""
    total = hashlib.sha256(json.dumps(image, sort_keys=True).encode())
    total.update(Path(__file__).read_bytes())
    for source in [*(image.get("layers") or []), *sorted((image.get("files") or {}).values())]:
        total.update(descriptor(Path(source), "")["digest"].encode())
    return total.hexdigest()[:12]


def build(settings: dict[str, Any]) -> dict[str, Any]:
    """Make sure that the cache holds the archives of the images; give reference and archive of each."""
    built, archives = [], []
    for image in settings["images"]:
        name = reference_parts(image["ref"])[0].rsplit("/", 1)[-1]
        folder = Path(settings["cache"], "images", f"{name}-{key_of(image)}")
        archives.append(str(folder / "image.tar"))
        with exclusive(folder.with_suffix(".lock")):
            if (folder / ".complete").exists():
                continue
            fill(folder, image, settings["architecture"])
            built.append(image["ref"])
    return {"changed": bool(built), "built": built, "archives": archives}


def fill(folder: Path, image: dict[str, Any], architecture: str) -> None:
    """Write an archive beside its place and move it there when it is whole."""
    temporary = folder.with_name(f".{folder.name}.new")
    remove_tree(temporary)
    remove_tree(folder)
    temporary.mkdir(parents=True)
    digest = write_archive(image, architecture, temporary / "image.tar")
    (temporary / ".complete").write_text(f"{image['ref']} {digest}\n")
    temporary.rename(folder)


def read_index(path: Path) -> dict[str, str]:
    """Give reference and digest of the images in an OCI archive."""
    try:
        with tarfile.open(path) as archive:
            stream = archive.extractfile("index.json")
            index = json.load(stream) if stream else {}
        return {entry["annotations"]["io.containerd.image.name"]: entry["digest"] for entry in index["manifests"]}
    except (OSError, KeyError, tarfile.TarError, ValueError) as error:
        said = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise Trouble(
            f"Image archive {path} is no OCI archive with named images ({said}). Make it with this role "
            "(tasks_from: image.yml) or annotate its index.json with io.containerd.image.name."
        ) from error


def images_in(folder: Path) -> dict[str, str]:
    """Give reference and digest of every image that the node's containerd holds."""
    pid = find_node(folder)
    if pid is None:
        raise Trouble(
            f"Cannot read the images of {folder}: its node does not run. Start it with local_cluster_state=present."
        )
    lines = run([*in_node(pid), "ctr", "-n", "k8s.io", "images", "list"]).stdout.splitlines()[1:]
    return {columns[0]: columns[2] for columns in (line.split() for line in lines)}


def bring(settings: dict[str, Any]) -> dict[str, Any]:
    """Import every archive whose images containerd does not hold with the same digest."""
    folder = Path(settings["folder"])

    def answers() -> bool:
        pid = find_node(folder)
        return pid is not None and run([*in_node(pid), "ctr", "version"], check=False).returncode == 0

    try:
        wait_until(f"containerd of local cluster {settings['name']}", answers, 30, 0.2)
    except Trouble as trouble:
        log = folder / "log" / "containerd" / "current"
        said = "\n  ".join(tail(log) or ["(nothing)"])
        raise Trouble(f"{trouble}\nThe log {log} ends with:\n  {said}") from trouble
    held = images_in(folder)
    imported = []
    for path in map(Path, settings["archives"]):
        wanted = read_index(path)
        if any(held.get(reference) != digest for reference, digest in wanted.items()):
            run([*in_node(find_node(folder) or 0), "ctr", "-n", "k8s.io", "images", "import", str(path)])
            imported += list(wanted)
    return {"changed": bool(imported), "imported": imported}


if __name__ == "__main__":
    main({"build": build, "bring": bring})
