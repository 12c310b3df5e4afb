"""Finding pictures: whatever a disk or a zip may hold."""

from __future__ import annotations

import gc
import io
import os
import shutil
import struct
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from ddpm_studio.control import RunControl
from ddpm_studio.data.scan import find_pictures
from ddpm_studio.errors import Cancelled, UserError
from ddpm_studio.imaging import UnreadablePicture

posix = pytest.mark.skipif(sys.platform == "win32", reason="names, links and pipes of POSIX file systems")


def picture(colour: str = "red") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(stream, "PNG")
    return stream.getvalue()


def put(path: Path, data: bytes | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture() if data is None else data)
    return path


def pack(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def names(source: Path) -> list[str]:
    with find_pictures(source) as found:
        return [entry.name for entry in found.files]


def reasons(source: Path) -> dict[str, str]:
    with find_pictures(source) as found:
        return {skipped.path: skipped.reason for skipped in found.skipped}


def test_folders_are_searched_through(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpeg", "sub/c.webp", "sub/deep/er/d.TIF", "sub/e.gif", "f.txt", "noext", "captions.csv"):
        put(tmp_path / name)
    for name in (".hidden.png", ".git/x.png", "__MACOSX/y.png", "sub/._c.png"):
        put(tmp_path / name)
    with find_pictures(tmp_path) as found:
        assert [entry.name for entry in found.files] == ["a.jpeg", "b.PNG", "sub/c.webp", "sub/deep/er/d.TIF", "sub/e.gif"]
        assert found.others == 3
        assert found.skipped == []
        with found.files[0].open() as stream:
            assert stream.read() == picture()


def test_strange_names(tmp_path: Path) -> None:
    for name in ("Gänseblümchen.png", "雛菊.png", "🌼.png", "x" * 200 + ".png", "spaces in it.png", "a.tar.png"):
        put(tmp_path / name)
    assert len(names(tmp_path)) == 6


@posix
def test_names_that_would_break_a_line_or_an_encoding(tmp_path: Path) -> None:
    put(tmp_path / "new\nline.png")
    with open(os.fsencode(tmp_path) + b"/latin-\xe9.png", "wb") as file:
        file.write(picture())
    found = find_pictures(tmp_path)
    assert [entry.name for entry in found.files] == ["latin-\ufffd.png", "new\ufffdline.png"]
    for entry in found.files:
        with entry.open() as stream:
            assert stream.read() == picture()
    assert found.fingerprint()


def test_a_folder_may_be_named_like_a_picture(tmp_path: Path) -> None:
    put(tmp_path / "holiday.jpg" / "a.png")
    assert names(tmp_path) == ["holiday.jpg/a.png"]


def test_composed_and_decomposed_accents_are_one_spelling(tmp_path: Path) -> None:
    put(tmp_path / "one" / "e\u0301.png")
    put(tmp_path / "two" / "\u00e9.png")
    assert names(tmp_path / "one") == names(tmp_path / "two") == ["\u00e9.png"]


@posix
def test_links(tmp_path: Path) -> None:
    put(tmp_path / "outside" / "a.png")
    data = tmp_path / "data"
    put(data / "sub" / "b.png")
    (data / "sub" / "loop").symlink_to(data, target_is_directory=True)
    (data / "self").symlink_to(data / "self")
    (data / "album").symlink_to(tmp_path / "outside", target_is_directory=True)
    (data / "c.png").symlink_to(data / "sub" / "b.png")
    (data / "dead.png").symlink_to(tmp_path / "nowhere.png")
    (data / "ring.png").symlink_to(data / "ring.png")
    assert names(data) == ["album/a.png", "c.png", "sub/b.png"]
    assert reasons(data)["dead.png"] == "a link that leads nowhere"
    assert reasons(data)["ring.png"]


@posix
def test_pipes_are_not_opened(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert names(tmp_path) == ["a.png"]
    assert reasons(tmp_path) == {"pipe.png": "not an ordinary file"}
    with pytest.raises(UserError, match="neither a folder nor a zip"):
        find_pictures(tmp_path / "pipe.png")


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_folders_without_permission(tmp_path: Path) -> None:
    put(tmp_path / "open" / "a.png")
    closed = put(tmp_path / "closed" / "b.png").parent
    closed.chmod(0)
    try:
        assert reasons(tmp_path) == {"closed/": "permission denied"}
        with pytest.raises(UserError, match="permission denied"):
            find_pictures(closed)
    finally:
        closed.chmod(0o700)


@posix
def test_enormous_files_are_not_opened(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    with (tmp_path / "sparse.png").open("wb") as file:
        file.truncate(5 * 2**30)
    assert reasons(tmp_path) == {"sparse.png": "too large: 5,369 MB"}


def test_sources_that_are_no_source(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="There is no folder or zip"):
        find_pictures(tmp_path / "nowhere")
    with pytest.raises(UserError, match="no pictures"):
        find_pictures(tmp_path)
    put(tmp_path / "note.txt", b"words")
    with pytest.raises(UserError, match="its 1 files are of other kinds") as caught:
        find_pictures(tmp_path)
    assert "png" in caught.value.hint
    with pytest.raises(UserError, match="neither a folder nor a zip"):
        find_pictures(tmp_path / "note.txt")
    with pytest.raises(UserError, match="single picture") as caught:
        find_pictures(put(tmp_path / "one.png"))
    assert "folder" in caught.value.hint


def test_the_fingerprint_follows_the_content(tmp_path: Path) -> None:
    first = put(tmp_path / "a.png")
    put(tmp_path / "b.png")
    before = find_pictures(tmp_path).fingerprint()
    assert find_pictures(tmp_path).fingerprint() == before
    put(tmp_path / "notes.txt")
    assert find_pictures(tmp_path).fingerprint() == before
    os.utime(first, ns=(0, 0))
    touched = find_pictures(tmp_path).fingerprint()
    put(tmp_path / "c.png")
    grown = find_pictures(tmp_path).fingerprint()
    assert len({before, touched, grown}) == 3
    shutil.copytree(tmp_path, tmp_path.with_name("copy"))
    assert find_pictures(tmp_path.with_name("copy")).fingerprint() == grown


def test_stop_ends_the_search(tmp_path: Path) -> None:
    put(tmp_path / "a.png")
    control = RunControl()
    control.stop()
    with pytest.raises(Cancelled):
        find_pictures(tmp_path, control)


def test_zips(tmp_path: Path) -> None:
    source = pack(tmp_path / "photos.zip", {"p/b.png": picture(), "p/a.JPG": picture(), "p/x.txt": b"", "__MACOSX/p/._b.png": b"", "p/.c.png": b"", "empty/": b""})
    before = sorted(path.name for path in tmp_path.iterdir())
    with find_pictures(source) as found:
        assert [entry.name for entry in found.files] == ["p/a.JPG", "p/b.png"]
        assert found.others == 1
        assert found.files[1].open().read() == picture()
        same = pack(tmp_path / "again.zip", {"p/a.JPG": picture(), "p/b.png": picture()})
        with find_pictures(same) as other:
            assert other.fingerprint() == found.fingerprint()
    same.unlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_zip_members_that_point_outside(tmp_path: Path) -> None:
    source = pack(tmp_path / "a.zip", {"../evil.png": picture(), "/etc/evil.png": picture(), "c:/evil.png": picture(), "a\\..\\evil.png": picture(), "good.png": picture()})
    assert names(source) == ["good.png"]
    assert set(reasons(source).values()) == {"its name points outside the zip"}
    assert len(reasons(source)) == 4
    assert not (tmp_path.parent / "evil.png").exists()


def test_encrypted_zips(tmp_path: Path) -> None:
    source = pack(tmp_path / "secret.zip", {"a.png": picture(), "b.png": picture("blue")})
    data = bytearray(source.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = data.index(signature)
        data[position + flags] |= 1
    source.write_bytes(data)
    assert names(source) == ["b.png"]
    assert reasons(source) == {"a.png": "encrypted"}
    only = pack(tmp_path / "only.zip", {"a.png": picture()})
    data = bytearray(only.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    only.write_bytes(data)
    with pytest.raises(UserError, match="encrypted") as caught:
        find_pictures(only)
    assert "password" in caught.value.hint


def test_zip_bombs_are_bounded(tmp_path: Path) -> None:
    source = tmp_path / "bomb.zip"
    with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("declared.png", "w") as member:
            for _ in range(140):
                member.write(bytes(2**20))
        archive.writestr("liar.png", bytes(4 * 2**20))
        archive.writestr("good.png", picture())
    data = bytearray(source.read_bytes())
    entry = data.index(b"liar.png", data.index(b"PK\x01\x02")) - 46
    data[entry + 24 : entry + 28] = struct.pack("<I", 1000)  # the size it claims to have
    source.write_bytes(data)
    with find_pictures(source) as found:
        assert [skipped.path for skipped in found.skipped] == ["declared.png"]
        assert "too large" in found.skipped[0].reason
        good, liar = found.files
        assert good.open().read() == picture()
        with pytest.raises(UnreadablePicture, match="damaged"):
            liar.open()


def test_damaged_zips(tmp_path: Path) -> None:
    whole = pack(tmp_path / "a.zip", {f"{i}.png": picture() for i in range(20)}).read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 10):
        (tmp_path / "cut.zip").write_bytes(whole[:length])
        with pytest.raises(UserError, match="not a zip, or it is damaged"):
            find_pictures(tmp_path / "cut.zip")
    altered = bytearray(whole)
    altered[60:90] = bytes(30)
    (tmp_path / "b.zip").write_bytes(altered)
    with find_pictures(tmp_path / "b.zip") as found, pytest.raises(UnreadablePicture, match="damaged"):
        found.files[0].open()


def test_zip_packed_in_an_unknown_way(tmp_path: Path) -> None:
    source = pack(tmp_path / "a.zip", {"a.png": picture()})
    data = bytearray(source.read_bytes())
    data[8:10] = struct.pack("<H", 97)
    entry = data.index(b"PK\x01\x02")
    data[entry + 10 : entry + 12] = struct.pack("<H", 97)
    source.write_bytes(data)
    with find_pictures(source) as found, pytest.raises(UnreadablePicture):
        found.files[0].open()




def test_python_collects_rubbish_again_afterwards(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    find_pictures(tmp_path).close()
    assert gc.isenabled()
    with pytest.raises(UserError):
        find_pictures(tmp_path / "nowhere")
    assert gc.isenabled()
