"""``python -m cnncli.deploy.page.refresh PACKAGE.tgz INTEGRITY``: another version of ONNX Runtime for the page.

What the two are and where they come from stands in ``ort/README.md``.
"""

import base64
import hashlib
import json
import lzma
import sys
import tarfile
from importlib.metadata import distribution
from pathlib import Path

FOLDER = Path(__file__).parent / "ort"
FROM_PACKAGE = {  # as .js, for not every file server knows .mjs
    "ort.js": "package/dist/ort.wasm.min.mjs",
    "ort-wasm.js": "package/dist/ort-wasm-simd-threaded.mjs",
    "ort.wasm": "package/dist/ort-wasm-simd-threaded.wasm",
}
FROM_PYTHON = {"LICENSE.txt": "onnxruntime/LICENSE", "ThirdPartyNotices.txt": "onnxruntime/ThirdPartyNotices.txt"}


def refresh(package: Path, integrity: str) -> str:
    """Replace the files in ``ort`` by those of npm's ``package``; the version that they are.

    The licence, which npm's package leaves out, is that of the installed onnxruntime. Raises ``SystemExit`` unless the
    package has npm's ``integrity`` ("sha512-…").
    """
    content = package.read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != integrity:
        raise SystemExit(f"{package}: its hash is {found}, not {integrity}; download it again")
    with tarfile.open(package) as archive:
        files = {name: _member(archive, path) for name, path in FROM_PACKAGE.items()}
        version = json.loads(_member(archive, "package/package.json"))["version"]
    licences = distribution("onnxruntime")
    files |= {name: Path(str(licences.locate_file(path))).read_bytes() for name, path in FROM_PYTHON.items()}
    told = {name: _keep(name, each) for name, each in files.items()}
    manifest = {"package": "onnxruntime-web", "version": version, "integrity": integrity,
                "licence_from": f"onnxruntime {licences.version}", "files": told}  # fmt: skip
    (FOLDER / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return str(version)


def _keep(name: str, content: bytes) -> dict[str, str]:
    """Write a file of the page, compressed but for the licence, which tools look for; its entry in the manifest."""
    kept = name if name == "LICENSE.txt" else f"{name}.xz"
    packed = content if kept == name else lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)
    (FOLDER / kept).write_bytes(packed)
    return {"kept": kept, "sha256": hashlib.sha256(content).hexdigest()}


def _member(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise SystemExit(f"{name}: is no file in the package")
    return file.read()


if __name__ == "__main__":
    print(refresh(Path(sys.argv[1]), sys.argv[2]))
