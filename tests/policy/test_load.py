"""From files and directories to a policy, and back to the place where something was said."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from netctl.policy import load, loads
from netctl.policy.document import MOST_BYTES, MOST_DEPTH

RIGHT = "version: 1\nhosts: {hv1: {bridges: {ovbr0: {ports: [a, b]}}}}\nwires: [[a, b]]\n"


def said(path: Path) -> list[str]:
    loaded = load(path)
    assert loaded.policy is None
    return [str(problem).replace(str(path.parent) + "/", "") for problem in loaded.problems]


def write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text)
    return directory


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(RIGHT)
    loaded = load(file)
    assert loaded.problems == ()
    assert loaded.policy is not None
    assert loaded.policy.wires[0].name == "a--b"
    assert loaded.files == (str(file),)
    assert loaded.source == str(file)


def test_digest_is_of_the_content(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(RIGHT)
    before = load(file).digest
    assert load(file).digest == before
    assert len(before) == 64
    file.write_text(RIGHT + "# a comment\n")
    assert load(file).digest != before


def test_where_something_was_said() -> None:
    text = (
        "version: 1\n"
        "hosts:\n"
        "  hv1:\n"
        "    bridges: {br0: {datapath: netdev, ports: [a, {name: b}]}}\n"
        "wires:\n"
        "  - [a, b]\n"
        "  - name: long\n"
        "    ends: [br0/c, {port: br0/d}]\n"
    )
    where = loads(text, "x.yaml").where
    assert where(("hosts", "hv1")) == "x.yaml:3:3"
    assert where(("hosts", "hv1", "bridges", "br0")) == "x.yaml:4:15"
    assert where(("hosts", "hv1", "bridges", "br0", "datapath")) == "x.yaml:4:31"
    assert where(("hosts", "hv1", "bridges", "br0", "unpatched")) == "x.yaml:4:15"
    assert where(("hosts", "hv1", "bridges", "br0", "ports", 0, "name")) == "x.yaml:4:47"
    assert where(("hosts", "hv1", "bridges", "br0", "ports", 1, "name")) == "x.yaml:4:57"
    assert where(("wires", 0)) == "x.yaml:6:5"
    assert where(("wires", 0, "ends", 1)) == "x.yaml:6:9"
    assert where(("wires", 0, "ends", 1, "port")) == "x.yaml:6:9"
    assert where(("wires", 1)) == "x.yaml:7:5"
    assert where(("wires", 1, "ends", 1, "port")) == "x.yaml:8:26"
    assert where(("wires", 7)) == "x.yaml:5:1"
    assert where(()) == "x.yaml:1:1"


def test_columns_count_characters() -> None:
    loaded = loads('{"\u00fc\U0001f600": 1, "x": 2, version: 1}')
    assert [(each.line, each.col) for each in loaded.problems] == [(1, 2), (1, 11)]


def test_a_directory_is_one_policy(tmp_path: Path) -> None:
    write(
        tmp_path,
        a="version: 1\nhosts: {hv1: {bridges: {ovbr0: {ports: [x]}}}}\nwires: [[x, vm1-eth1]]\n",
        b="version: 1\nhosts: {hv1: {guests: {vm1: {nics: {eth1: {device: tap, bridge: ovbr0}}}}}}\n",
        c="version: 1\nwires: [[ovbr0/y, ovbr0/z]]\n",
    )
    (tmp_path / "notes.txt").write_text("not a policy")
    (tmp_path / ".hidden.yaml").write_text("not a policy")
    (tmp_path / "examples").mkdir()
    write(tmp_path / "examples", a="not read")
    loaded = load(tmp_path)
    assert loaded.problems == ()
    assert loaded.policy is not None
    assert [wire.name for wire in loaded.policy.wires] == ["x--vm1-eth1", "y--z"]
    assert loaded.where(("hosts", "hv1", "guests", "vm1")) == f"{tmp_path}/b.yaml:2:24"
    assert loaded.where(("wires", 1, "ends", 0)) == f"{tmp_path}/c.yaml:2:10"
    assert [Path(file).name for file in loaded.files] == ["a.yaml", "b.yaml", "c.yaml"]


def test_the_same_name_in_two_files(tmp_path: Path) -> None:
    flows = write(
        tmp_path,
        a="version: 1\nhosts: {hv1: {ovsdb: tcp:h:1, bridges: {ovbr0: {}}}}\nqueues: {}\n",
        b="version: 1\nhosts: {hv1: {ovsdb: tcp:h:1, bridges: {ovbr0: {}}}}\nwires: [[ovbr0/x, ovbr0/y]]\n",
        c="version: 1\nwires: [[ovbr0/v, ovbr0/w], [ovbr0/w, ovbr0/u]]\n",
        d="hosts: {}\n",
    )
    assert [str(problem).replace(f"{tmp_path}/", "") for problem in load(flows).problems] == [
        "b.yaml:2:15: 'ovsdb' is said twice, first at a.yaml:2:15: take one out",
        "b.yaml:2:41: 'ovbr0' is said twice, first at a.yaml:2:41: take one out",
        "c.yaml:2:30: hv1/ovbr0/w is on a wire already: v--w at c.yaml:2:19; "
        "a port ends one wire, or one for each VLAN",
        "d.yaml:1:1: 'version' is missing: every file starts with `version: 1`",
    ]


def test_an_alias_into_what_another_file_adds_to(tmp_path: Path) -> None:
    loaded = load(
        write(
            tmp_path,
            a="version: 1\nhosts: {hv1: &h {ovsdb: tcp:a:1, guests: {vm1: {}}}, hv2: *h}\n",
            b="version: 1\nhosts: {hv1: {guests: {vm2: {}}}}\n",
        )
    )
    assert loaded.policy is not None
    assert list(loaded.policy.hosts["hv1"].guests) == ["vm1", "vm2"]
    assert list(loaded.policy.hosts["hv2"].guests) == ["vm1"]


def test_a_file_that_cannot_be_read_does_not_make_the_others_wrong(tmp_path: Path) -> None:
    flows = write(tmp_path, a="version: 1\nwires: [[x, y]]\nhosts: {hv1: {brigdes: {}}}\n", b="version: [\n")
    assert [str(problem).replace(f"{tmp_path}/", "") for problem in load(flows).problems] == [
        "a.yaml:3:15: unknown key 'brigdes' in a host; did you mean 'bridges'?",
        "b.yaml:2:1: this is not YAML: did not find expected node content while parsing a flow node",
    ]


def test_files_that_are_no_policy(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "comment.yaml").write_text("# nothing yet\n")
    (tmp_path / "binary.yaml").write_bytes(b"\x7fELF\x00\x00\xff")
    (tmp_path / "latin1.yaml").write_bytes("version: 1\n# grün".encode("latin-1"))
    (tmp_path / "control.yaml").write_bytes(b"version: 1\nhosts: {a\x07: {}}")
    (tmp_path / "nul.yaml").write_bytes(b"version: 1\0")
    (tmp_path / "huge.yaml").write_bytes(b"#" * (MOST_BYTES + 1))
    (tmp_path / "deep.yaml").write_bytes(b"version: 1\nwires: " + b"[" * 100_000)
    (tmp_path / "other.yaml").write_bytes(b"%YAML 1.1\n---\nversion: 1\n")
    os.mkfifo(tmp_path / "fifo.yaml")
    (tmp_path / "sub").mkdir()
    (tmp_path / "folder.yaml").mkdir()
    expected = {
        "empty.yaml": ":1:1: the file is empty; a policy starts with `version: 1`",
        "comment.yaml": ":1:1: the file is empty; a policy starts with `version: 1`",
        "binary.yaml": ":1:7: this is a binary file; a policy is YAML, in UTF-8",
        "latin1.yaml": ":2:5: byte 0xfc is not UTF-8; a policy is YAML, in UTF-8",
        "control.yaml": ":2:10: the character U+0007 cannot be in YAML; a policy is YAML, in UTF-8",
        "nul.yaml": ":1:11: this is a binary file; a policy is YAML, in UTF-8",
        "huge.yaml": ":1:1: the file is larger than 32 MB: split it into several in one directory",
        "deep.yaml": f":2:{8 + MOST_DEPTH - 1}: this is nested more than {MOST_DEPTH} levels deep; no policy is",
        "other.yaml": ":1:1: this file says it is another YAML; a policy is YAML 1.2: take the %YAML line out",
        "fifo.yaml": ":1:1: this is not a file; a policy is YAML, in files",
        "sub": ":1:1: no *.yaml in this directory; a policy is one file or several, each starting with `version: 1`",
        "missing.yaml": ":1:1: no such file or directory; give the path of a policy, or set NETCTL_POLICY to it",
        "comment.yaml/x": ":1:1: it cannot be read: Not a directory",
        "a\0b": None,
    }
    for name, message in expected.items():
        if message is None:
            assert str(load(f"{tmp_path}/{name}").problems[0]).endswith(": this cannot be the name of a file")
        else:
            assert said(tmp_path / name) == [f"{(tmp_path / name).name}{message}"]


def test_a_directory_named_as_a_file_in_a_directory(tmp_path: Path) -> None:
    write(tmp_path, a=RIGHT)
    (tmp_path / "b.yaml").mkdir()
    assert [str(problem) for problem in load(tmp_path).problems] == [
        f"{tmp_path}/b.yaml:1:1: this is a directory; a policy is YAML, in files"
    ]


def test_a_file_that_may_not_be_read() -> None:
    nobody = 65534
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        file = Path(directory) / "secret.yaml"
        file.write_text(RIGHT)
        file.chmod(0)
        Path(directory).chmod(0o755)
        me = os.geteuid()
        if me == 0:
            os.seteuid(nobody)
        try:
            problems = load(file).problems
        finally:
            os.seteuid(me)
    assert [str(each) for each in problems] == [f"{file}:1:1: it cannot be read: permission denied"]


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    file = os.fsencode(tmp_path) + b"/\xff.yaml"
    Path(os.fsdecode(file)).write_text(RIGHT)
    loaded = load(tmp_path)
    assert loaded.policy is not None
    assert loaded.files == (f"{tmp_path}/\\udcff.yaml",)
    loaded.where(("wires", 0)).encode()


def test_a_byte_order_mark_and_windows_line_ends() -> None:
    loaded = loads(b"\xef\xbb\xbf" + RIGHT.replace("\n", "\r\n").encode())
    assert loaded.problems == ()
    assert loaded.where(("wires", 0)) == "policy.yaml:3:9"


def test_guessing_what_was_meant_ends_where_it_would_take_long() -> None:
    ports = ", ".join(f"port{number}" for number in range(10_000))
    wires = "".join(f"  - [prot{number}, ovbr0/a{number}]\n" for number in range(1_000))
    loaded = loads(f"version: 1\nhosts: {{h: {{bridges: {{ovbr0: {{ports: [{ports}]}}}}}}}}\nwires:\n{wires}")
    assert len(loaded.problems) == 1_000
    assert sum("did you mean" in problem.message for problem in loaded.problems) == 6


def test_ten_thousand_wrong_wires_are_all_told_in_time() -> None:
    wires = "".join(f"  - {{ends: [a{number}, ovbr0/b], speed: 1}}\n" for number in range(10_000))
    loaded = loads("version: 1\nhosts: {h: {bridges: {ovbr0: {}}}}\nwires:\n" + wires)
    assert len(loaded.problems) == 10_000 * 2 + 9_999
