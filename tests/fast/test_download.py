"""Downloads from a real server on this machine, which breaks in every way that servers break."""

from __future__ import annotations

import hashlib
import http.server
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from app.download import PAUSES, Downloaded, Wanted, download
from app.errors import DownloadFailed

CONTENT = bytes(range(256)) * 5000  # 1.28 MB: more than one chunk
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OTHER = CONTENT[::-1]


class Hub(http.server.ThreadingHTTPServer):
    """Serves ``content`` under every path, as the other fields say. ``requests`` holds path and headers of each."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = CONTENT
        self.etag = '"one"'
        self.ranges = True
        self.length = True
        self.cuts: list[int] = []  # bytes after which the next answers are cut
        self.statuses: list[int] = []  # of the next answers
        self.redirects: list[str] = []  # where the next answers lead to; "" for one that does not
        self.requests: list[tuple[str, dict[str, str]]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A client that goes away is no news."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        hub = self.server
        hub.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
        location = hub.redirects.pop(0) if hub.redirects else ""
        if location:
            return self._head(302, {"Location": location})
        if hub.statuses:
            return self._head(hub.statuses.pop(0), {"Content-Length": "0"})
        begin = self._begin()
        if begin is not None and begin >= len(hub.content):
            return self._head(416, {"Content-Range": f"bytes */{len(hub.content)}"})
        body = hub.content[begin or 0 :]
        headers = {"ETag": hub.etag} if hub.etag else {}
        if hub.length:
            headers["Content-Length"] = str(len(body))
        if begin is not None:
            headers["Content-Range"] = f"bytes {begin}-{len(hub.content) - 1}/{len(hub.content)}"
        self._head(206 if begin is not None else 200, headers)
        self.wfile.write(body[: hub.cuts.pop(0)] if hub.cuts else body)
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)
        return None

    def _begin(self) -> int | None:
        asked = self.headers.get("Range", "")
        if not self.server.ranges or not asked or self.headers.get("If-Range") != self.server.etag:
            return None
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetch(hub: Hub, folder: Path, *, size: int | None = len(CONTENT), sha256: str | None = DIGEST, token: str = "") -> Downloaded:
    return fetch_told(hub, folder, [], size=size, sha256=sha256, token=token)


def fetch_told(
    hub: Hub, folder: Path, told: list[int], *, size: int | None = len(CONTENT), sha256: str | None = DIGEST, token: str = ""
) -> Downloaded:
    wanted = Wanted(
        address=f"{hub.address}/some/Tiny/resolve/main/tiny.gguf",
        target=folder / "tiny.gguf",
        size=size,
        sha256=sha256,
        page=f"{hub.address}/some/Tiny",
        token=token,
    )
    return download(wanted, lambda done, _total: told.append(done), sleep=lambda _seconds: None)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_whole_file_arrives_alone_under_its_name(hub: Hub, tmp_path: Path) -> None:
    told: list[int] = []
    done = fetch_told(hub, tmp_path / "new", told)
    assert (done.path.read_bytes() == CONTENT, done.size, done.sha256) == (True, len(CONTENT), DIGEST)
    assert names(tmp_path / "new") == ["tiny.gguf"]
    assert (told[0], told[-1], told) == (0, len(CONTENT), sorted(told))


def test_nothing_is_sent_but_the_request(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    ((_, headers),) = hub.requests
    assert set(headers) == {"host", "user-agent", "accept", "accept-encoding", "connection"}
    assert headers["user-agent"] == "llamacare"


def test_a_cut_connection_goes_on_where_it_was_cut(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [300_000, 200_000]
    assert fetch(hub, tmp_path).path.read_bytes() == CONTENT
    assert [headers.get("range") for _, headers in hub.requests] == [None, "bytes=300000-", "bytes=500000-"]
    assert hub.requests[1][1]["if-range"] == '"one"'


def test_the_same_command_goes_on_after_an_interrupt(hub: Hub, tmp_path: Path) -> None:
    def interrupt(done: int, _total: int | None) -> None:
        if done:
            raise KeyboardInterrupt

    wanted = Wanted(address=f"{hub.address}/tiny.gguf", target=tmp_path / "tiny.gguf", size=len(CONTENT), sha256=DIGEST)
    with pytest.raises(KeyboardInterrupt):
        download(wanted, interrupt)
    kept = wanted.part.stat().st_size
    assert 0 < kept < len(CONTENT)
    told: list[int] = []
    assert download(wanted, lambda done, _total: told.append(done)).path.read_bytes() == CONTENT
    assert told[0] == kept


def test_a_server_without_ranges_starts_anew(hub: Hub, tmp_path: Path) -> None:
    hub.cuts, hub.ranges = [300_000], False
    assert fetch(hub, tmp_path).path.read_bytes() == CONTENT
    assert hub.requests[1][1]["range"] == "bytes=300000-"


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_a_part_of_a_version_that_cannot_be_named_is_begun_anew(hub: Hub, tmp_path: Path, etag: str) -> None:
    hub.cuts, hub.etag = [300_000], etag
    assert fetch(hub, tmp_path).path.read_bytes() == CONTENT
    assert "range" not in hub.requests[1][1]


def test_a_file_that_changed_meanwhile_starts_anew(hub: Hub, tmp_path: Path) -> None:
    hub.content, hub.etag, hub.cuts = OTHER, '"old"', [300_000] + [0] * len(PAUSES)
    with pytest.raises(DownloadFailed, match="goes on from there"):
        fetch(hub, tmp_path)
    assert (tmp_path / "tiny.gguf.part").stat().st_size == 300_000
    hub.content, hub.etag, hub.cuts = CONTENT, '"new"', []
    assert fetch(hub, tmp_path).path.read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_file_starts_anew(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf.part").write_bytes(CONTENT + b"more")
    (tmp_path / "tiny.gguf.part.etag").write_text('"one"')
    assert fetch(hub, tmp_path).path.read_bytes() == CONTENT
    assert len(hub.requests) == 2


def test_a_whole_part_is_only_checked(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf.part").write_bytes(CONTENT)
    (tmp_path / "tiny.gguf.part.etag").write_text('"one"')
    assert fetch(hub, tmp_path).sha256 == DIGEST
    assert hub.requests == []


def test_a_wrong_digest_leaves_nothing_and_says_both(hub: Hub, tmp_path: Path) -> None:
    hub.content = OTHER
    with pytest.raises(DownloadFailed) as failed:
        fetch(hub, tmp_path)
    assert DIGEST in failed.value.sentence
    assert hashlib.sha256(OTHER).hexdigest() in failed.value.sentence
    assert names(tmp_path) == []


def test_a_file_of_another_size_is_refused_before_it_is_fetched(hub: Hub, tmp_path: Path) -> None:
    told: list[int] = []
    with pytest.raises(DownloadFailed, match=r"is 1,280,000 bytes now, but the catalogue knows it with 5: the file was changed"):
        fetch_told(hub, tmp_path, told, size=5)
    assert (told, names(tmp_path)) == ([], [])


@pytest.mark.parametrize(
    ("status", "token", "said"),
    [
        (404, "", r"does not exist \(404\).*Look for it on http://127"),
        (401, "", r"answered 401.*Accept its terms on http://127.*/some/Tiny, and set HF_TOKEN"),
        (403, "secret", "answered 403.*HF_TOKEN was given, but it has no access"),
        (418, "", "cannot be fetched .*418"),
    ],
)
def test_a_refusal_says_what_to_do(hub: Hub, tmp_path: Path, status: int, token: str, said: str) -> None:
    hub.statuses = [status]
    with pytest.raises(DownloadFailed, match=said):
        fetch(hub, tmp_path, token=token)
    assert (len(hub.requests), names(tmp_path)) == (1, [])


def test_a_server_that_is_busy_is_asked_again(hub: Hub, tmp_path: Path) -> None:
    hub.statuses = [503, 429]
    assert fetch(hub, tmp_path).sha256 == DIGEST
    assert len(hub.requests) == 3


def test_a_connection_that_stays_lost_is_given_up_with_a_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    pauses: list[float] = []
    wanted = Wanted(address=f"http://127.0.0.1:{port}/x", target=tmp_path / "x.gguf", size=9)
    with pytest.raises(DownloadFailed, match=r"The connection to 127\.0\.0\.1 failed 5 times in a row"):
        download(wanted, lambda _done, _total: None, sleep=pauses.append)
    assert (tuple(pauses), names(tmp_path)) == (PAUSES, [])


def test_a_server_that_always_starts_anew_and_always_breaks_is_given_up(hub: Hub, tmp_path: Path) -> None:
    hub.ranges, hub.cuts = False, [1000] * 20
    with pytest.raises(DownloadFailed, match="in a row"):
        fetch(hub, tmp_path)


def test_a_redirect_is_followed_and_the_token_stays_with_its_server(hub: Hub, tmp_path: Path) -> None:
    hub.redirects = ["/elsewhere", "", "/elsewhere"]
    hub.cuts = [1000]
    assert fetch(hub, tmp_path, token="secret").sha256 == DIGEST
    assert [path for path, _ in hub.requests] == ["/some/Tiny/resolve/main/tiny.gguf", "/elsewhere"] * 2
    assert hub.requests[0][1]["authorization"] == "Bearer secret"
    with_range = [headers.get("range") for _, headers in hub.requests]
    assert with_range == [None, None, "bytes=1000-", "bytes=1000-"]


def test_the_token_is_not_sent_on_to_another_server(hub: Hub, tmp_path: Path) -> None:
    hub.redirects = [f"http://localhost:{hub.server_address[1]}/elsewhere"]
    assert fetch(hub, tmp_path, token="secret").sha256 == DIGEST
    assert ["authorization" in headers for _, headers in hub.requests] == [True, False]


def test_a_circle_of_redirects_ends_with_a_sentence(hub: Hub, tmp_path: Path) -> None:
    hub.redirects = ["/never/reached"] * 30
    with pytest.raises(DownloadFailed, match="leads in a circle"):
        fetch(hub, tmp_path)


def test_too_little_room_is_told_before_anything_is_asked(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1_000_000))
    with pytest.raises(DownloadFailed, match=r"0\.00 GB free; tiny\.gguf needs 0\.02 GB more\. Make room"):
        fetch(hub, tmp_path)
    assert (hub.requests, names(tmp_path)) == ([], [])


def test_too_little_room_is_told_too_where_only_the_server_knows_the_size(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=1_000_000))
    with pytest.raises(DownloadFailed, match="GB more"):
        fetch(hub, tmp_path, size=None)
    assert names(tmp_path) == []


def test_a_disk_that_fills_up_keeps_the_part(hub: Hub, tmp_path: Path) -> None:
    def full(done: int, _total: int | None) -> None:
        if done:
            raise OSError(28, "No space left on device")

    wanted = Wanted(address=f"{hub.address}/tiny.gguf", target=tmp_path / "tiny.gguf", size=len(CONTENT), sha256=DIGEST)
    with pytest.raises(DownloadFailed, match=r"is full\. Make room; the same command then goes on"):
        download(wanted, full)
    assert wanted.part.stat().st_size > 0


def test_a_file_that_is_there_is_not_written_over(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "tiny.gguf").write_bytes(b"mine")
    with pytest.raises(DownloadFailed, match="is there already"):
        fetch(hub, tmp_path)
    assert (tmp_path / "tiny.gguf").read_bytes() == b"mine"


def test_a_second_download_of_the_same_file_is_refused(hub: Hub, tmp_path: Path) -> None:
    refused: list[str] = []

    def again(_done: int, _total: int | None) -> None:
        if not refused:
            with pytest.raises(DownloadFailed) as failed:
                fetch(hub, tmp_path)
            refused.append(failed.value.sentence)

    wanted = Wanted(address=f"{hub.address}/tiny.gguf", target=tmp_path / "tiny.gguf", size=len(CONTENT), sha256=DIGEST)
    assert download(wanted, again).sha256 == DIGEST
    assert "Another command is fetching" in refused[0]


def test_without_published_size_or_digest_the_servers_size_is_held(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = [300_000]
    assert fetch(hub, tmp_path, size=None, sha256=None).sha256 == DIGEST


def test_a_file_whose_end_nobody_knows_is_refused(hub: Hub, tmp_path: Path) -> None:
    hub.length = False
    with pytest.raises(DownloadFailed, match="does not say how long it is"):
        fetch(hub, tmp_path, size=None, sha256=None)
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DownloadFailed, match=r"cannot be written .*--to"):
        fetch(hub, tmp_path / "file")


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="no address that can be fetched"):
        download(Wanted(address="ftp://x/y", target=tmp_path / "y.gguf", size=1), lambda _done, _total: None)
