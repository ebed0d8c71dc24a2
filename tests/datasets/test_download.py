"""Downloads: what came must be what the card says, and must not write where it should not."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from medlib.datasets import DownloadError
from medlib.datasets.cards import Download
from medlib.datasets.download import download, unpack

BODY = bytes(range(256)) * 9000


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[: len(BODY) // 2] if self.path == "/cut" else BODY)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def wanted(url: str, checksum: str) -> Download:
    """As a card would say it, but for the scheme: a test server has no certificate."""
    return Download.model_construct(url=url, checksum=checksum, checksum_source="a test", size=None)


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_file_comes_whole(server: str, tmp_path: Path, algorithm: str) -> None:
    told = []
    checksum = f"{algorithm}:{hashlib.new(algorithm, BODY).hexdigest()}"
    path = download(
        wanted(f"{server}/data.bin?x=1", checksum), tmp_path, progress=lambda *a: told.append(a)
    )
    assert path == tmp_path / "data.bin"
    assert path.read_bytes() == BODY
    assert told[-1] == (len(BODY), len(BODY), "downloading data.bin")


@pytest.mark.parametrize(
    ("path", "message"),
    [("data.bin", "is not the file that the card describes"), ("missing", "404"),
     ("cut", "connection broke|could not be fetched")],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_removed(
    server: str, tmp_path: Path, path: str, message: str
) -> None:
    with pytest.raises(DownloadError, match=message):
        download(wanted(f"{server}/{path}", "sha256:" + "0" * 64), tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_a_checksum_nothing_is_downloaded(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"no checksum of it is known.*as the source"):
        download(wanted("https://127.0.0.1:1/data.zip", ""), tmp_path)
    assert not list(tmp_path.iterdir())


def _tar(path: Path, member: tarfile.TarInfo, data: bytes = b"") -> Path:
    with tarfile.open(path, "w") as tar:
        good = tarfile.TarInfo("good")
        good.size = 2
        tar.addfile(good, io.BytesIO(b"ok"))
        member.size = len(data)
        tar.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil", "C:/evil"])
def test_archives_cannot_write_outside(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    tar = _tar(tmp_path / "x.tar", tarfile.TarInfo(name), b"evil")
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.writestr("good", "ok")
        packed.writestr(name, "evil")
    for archive in (tar, tmp_path / "x.zip"):
        with pytest.raises(DownloadError, match="outside its folder"):
            unpack(archive, inside)
    assert not list(inside.iterdir())
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_archives_cannot_hold_links_or_devices(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("link")
    member.type = kind
    member.linkname = "/etc/passwd"
    with pytest.raises(DownloadError, match="is a link or a device"):
        unpack(_tar(tmp_path / "x.tar", member), tmp_path)
    linked = zipfile.ZipInfo("link")
    linked.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.writestr(linked, "/etc/passwd")
    with pytest.raises(DownloadError, match="is a link or a device"):
        unpack(tmp_path / "x.zip", tmp_path)


def test_plain_archives_unpack(tmp_path: Path) -> None:
    unpack(_tar(tmp_path / "x.tar", tarfile.TarInfo("sub/file"), b"data"), tmp_path / "tar")
    assert (tmp_path / "tar" / "sub" / "file").read_bytes() == b"data"
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as packed:
        packed.writestr("sub/file", "data")
    unpack(tmp_path / "x.zip", tmp_path / "zip")
    assert (tmp_path / "zip" / "sub" / "file").read_bytes() == b"data"
