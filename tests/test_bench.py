"""The benchmark's own parts: its parser, its arithmetic, its table."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import cost, machine, renditions, rig, rows
from bench.compiled import HERE
from bench.load import read, words
from bench.pictures import VGA, make_folder, scene
from bench.report import (
    Row,
    cells,
    document,
    figure,
    median_ratio,
    ratio_of,
    table,
    verdict,
)
from bench.servers import pinned
from camd.formats import live
from camd.formats.jpeg import Size

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

JPEG = b"\xff\xd8" + bytes(range(97, 123)) * 2 + b"\xff\xd9"
HEAD = (
    b"HTTP/1.%d 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n"
)


def block(jpeg: bytes, number: int) -> bytes:
    """One frame as camd sends it, with a capture time made of its number."""
    head = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n" % len(jpeg)
    stamps = b"X-Timestamp: 1700000000.%06d\r\nX-Frame: %d\r\n\r\n" % (number, number)
    return head + stamps + jpeg + b"\r\n--frame\r\n"


def chunk(data: bytes) -> bytes:
    """The data as one HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunked(*blocks: bytes) -> bytes:
    """A response of HTTP/1.1 with a chunk for each block."""
    head = HEAD % 1 + b"Transfer-Encoding: chunked\r\n\r\n"
    return head + chunk(b"--frame\r\n") + b"".join(map(chunk, blocks))


def unchunked(*blocks: bytes) -> bytes:
    """A response of HTTP/1.0."""
    return HEAD % 0 + b"\r\n--frame\r\n" + b"".join(blocks)


Build = Callable[[str], Path]
"""Compiles one of the benchmark's programs, by name."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Compiles one of the benchmark's programs; where it then is."""
    folder = tmp_path_factory.mktemp("bench")

    def build(name: str) -> Path:
        result = folder / name
        if not result.exists():
            command = ["cc", "-Wall", "-Wextra", "-Werror", "-o", str(result)]
            subprocess.run([*command, str(HERE / f"{name}.c")], check=True)
        return result

    return build


def parse(program: Path, response: bytes, hop: int, skip: bool) -> list[str]:
    """The lines that parse prints for a response that comes in hops."""
    command = [str(program), str(hop), str(int(skip))]
    done = subprocess.run(
        command, input=response, capture_output=True, check=True, timeout=10
    )
    return done.stdout.decode().splitlines()


@needs_cc
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("respond", [chunked, unchunked])
def test_any_split_gives_the_same_parts(
    compiled: Build, respond: Callable[..., bytes], skip: bool
) -> None:
    """However the bytes come, in hops of one or of many, the parts are the same."""
    response = respond(block(JPEG, 1), block(JPEG + b"\xff\xd9", 2))
    whole = [
        f"{len(JPEG)} 1700000000.000001 1 whole",
        f"{len(JPEG) + 2} 1700000000.000002 2 whole",
        "body",
    ]
    hops = [*range(1, 50), 97, len(response) - 1, len(response)]
    results = [parse(compiled("parse"), response, hop, skip) for hop in hops]
    assert results == [whole] * len(hops)


@needs_cc
def test_chunks_may_end_anywhere(compiled: Build) -> None:
    """A chunk that ends inside of a header or a JPEG does not disturb the parts."""
    body = b"--frame\r\n" + block(JPEG, 1) + block(JPEG, 2)
    head = HEAD % 1 + b"Transfer-Encoding: chunked\r\n\r\n"
    for cut in range(1, len(body)):
        response = head + chunk(body[:cut]) + chunk(body[cut:])
        lines = parse(compiled("parse"), response, 64, skip=True)
        assert [line.split()[2:] for line in lines[:2]] == [
            ["1", "whole"],
            ["2", "whole"],
        ], cut


@needs_cc
@pytest.mark.parametrize("jpeg", [JPEG[2:], JPEG[:-2], b"\xff\xd8"])
def test_a_damaged_jpeg_is_seen(compiled: Build, jpeg: bytes) -> None:
    """A part without its first or last marker is told from a whole one."""
    lines = parse(compiled("parse"), chunked(block(jpeg, 1)), 7, skip=False)
    assert lines[0].endswith("damaged")


@needs_cc
@pytest.mark.parametrize(
    ("response", "stage"),
    [
        (chunked(block(JPEG, 1)) + b"0\r\n\r\n", "ended"),
        (chunked(b"Content-Type: image/jpeg\r\n\r\n"), "broken"),
        (chunked(block(JPEG, 1)[:-9] + b"--other\r\n"), "broken"),
        (b"HTTP/1.1 401 Unauthorized\r\n\r\n", "broken"),
        (b"SSH-2.0-OpenSSH\r\n", "broken"),
        (HEAD % 1 + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "broken"),
    ],
)
def test_how_a_response_stops(compiled: Build, response: bytes, stage: str) -> None:
    """The end of the body is told from what is no stream of pictures."""
    assert parse(compiled("parse"), response, 5, skip=True)[-1] == stage


def on_live_channel(*messages: bytes) -> bytes:
    """A response that was upgraded, and what comes then."""
    return b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + b"".join(messages)


def picture(jpeg: bytes, number: int, *, asks: bool) -> bytes:
    """One frame of camera 7 as it is sent on the live channel."""
    key = live.PictureKey(7, number)
    return live.picture(jpeg, key, 0, 1.5, Size(640, 480), asks=asks)


@needs_cc
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("extra", [0, 200, 70_000])
def test_any_split_gives_the_same_messages(
    compiled: Build, skip: bool, extra: int
) -> None:
    """Pictures that ask are acknowledged behind themselves, their PINGs at once."""
    jpeg = JPEG[:-2] + bytes(extra) + JPEG[-2:]
    response = on_live_channel(
        live.text('{"cameras": []}'),
        live.ping(b"alone"),
        picture(jpeg, 1, asks=False),
        live.text("x" * 300),
        live.text(""),
        picture(jpeg, 2, asks=True)[10:],
    )
    whole = [
        "8a alone",
        f"{len(jpeg)} 1.500000 1 whole",
        f"{len(jpeg)} 1.500000 2 whole",
        '81 {"ack":[[7,2]]}',
        "messages",
    ]
    hops = [*range(1, 50), 97, len(response) - 1, len(response)]
    hops = [hop for hop in hops if hop > extra // 1000]
    results = [parse(compiled("parse"), response, hop, skip) for hop in hops]
    assert results == [whole] * len(hops)


@needs_cc
@pytest.mark.parametrize(
    ("message", "stage"),
    [
        (live.close(1001, "shutdown"), "ended"),
        (bytes((0x81, 0x80, 0, 0, 0, 0)), "broken"),
        (bytes((0x82, 3, 1, 24, 0)), "broken"),
    ],
)
def test_how_the_live_channel_stops(
    compiled: Build, message: bytes, stage: str
) -> None:
    """It is closed, or a server masks, or a picture is shorter than its header."""
    response = on_live_channel(message)
    assert parse(compiled("parse"), response, 5, skip=True) == [stage]


def trickle(listener: socket.socket) -> None:
    """Answers one viewer with frames, byte by byte, until it goes."""
    peer, _ = listener.accept()
    with peer:
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.recv(4096)
        number = 0
        try:
            peer.sendall(chunked())
            while True:
                number += 1
                for byte in chunk(block(JPEG, number)):
                    peer.send(bytes([byte]))
        except OSError:
            return


@needs_cc
def test_load_counts_frames_that_come_byte_by_byte(compiled: Build) -> None:
    """From a real socket too, no split of the bytes loses or damages a frame."""
    program = str(compiled("load"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=trickle, args=(listener,), daemon=True)
        server.start()
        port = str(listener.getsockname()[1])
        command = [program, "--port", port, "--settle", "0"]
        done = subprocess.run(
            [*command, "--seconds", "0.3"], capture_output=True, text=True, check=True
        )
        server.join(10)
    figures = read(done.stdout)
    assert figures["frames"] > 0
    wrong = ("skipped", "repeats", "damaged", "broken", "dropped", "refused")
    assert [figures[name] for name in wrong] == [0] * len(wrong)


@needs_cc
def test_load_reads_the_memory_of_a_process(compiled: Build) -> None:
    """The server's resident memory is that of its page in /proc."""
    options = words({"viewers": 0, "seconds": 0.01, "settle": 0, "pid": os.getpid()})
    command = [str(compiled("load")), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    kb = pages * os.sysconf("SC_PAGESIZE") / 1024
    assert read(done.stdout)["rss_end_kb"] == pytest.approx(kb, rel=0.2)


@needs_cc
def test_load_refuses_an_unknown_option(compiled: Build) -> None:
    """A misspelt option is an error and not a measurement of something else."""
    done = subprocess.run([str(compiled("load")), "--viewer", "3"], capture_output=True)
    assert done.returncode == 2


def test_figures_that_are_null_are_left_out() -> None:
    """What the client could not measure has no value, and is not zero."""
    assert read('{"frames": 3, "late_p50_ms": null}') == {"frames": 3}


def test_options_become_words() -> None:
    """Underscores of a name are dashes on the command line."""
    assert words({"slow_rate": 5, "path": "/x"}) == ["--slow-rate", "5", "--path", "/x"]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", "-"),
        (0.456, "s", "0.46 s"),
        (12.34, "µs", "12.3 µs"),
        (3000, "", "3,000"),
    ],
)
def test_a_figure_has_three_digits_and_its_unit(
    value: float | None, unit: str, text: str
) -> None:
    """Figures are rounded to what can be relied on."""
    assert figure(value, unit) == text


def test_a_row_divides_by_the_floor() -> None:
    """Without a ratio of its own, a row's is camd's figure through the floor's."""
    assert ratio_of(Row("x", camd=3.0, floor=2.0)) == 1.5


@pytest.mark.parametrize(
    "row", [Row("x"), Row("x", camd=1.0), Row("x", camd=1, floor=0)]
)
def test_no_ratio_without_a_floor(row: Row) -> None:
    """A row with nothing to divide by has no ratio."""
    assert ratio_of(row) is None


def test_the_ratio_of_the_rounds_wins() -> None:
    """The median of the rounds' ratios is shown where there is one."""
    assert cells(Row("x", "µs", 3.0, 2.0, 1.25))[3] == "1.25"


@pytest.mark.parametrize(("met", "text"), [(True, "yes"), (False, "NO"), (None, "-")])
def test_a_verdict_is_a_word(met: bool | None, text: str) -> None:
    """A missed bar stands out."""
    assert verdict(met) == text


def test_the_table_is_aligned_and_notes_follow() -> None:
    """Columns line up, and what needs more words stands below."""
    text = table([Row("cost", "µs", 12.0, 10.0, None, "<= 1.3 x", True, "a note")])
    assert text.splitlines() == [
        "| what | camd    | floor   | ratio | bar      | met? |",
        "| ---- | ------- | ------- | ----- | -------- | ---- |",
        "| cost | 12.0 µs | 10.0 µs | 1.20  | <= 1.3 x | yes  |",
        "",
        "- cost: a note",
    ]


def test_a_table_without_notes_ends_with_its_last_row() -> None:
    """No empty line follows where there is nothing to say."""
    assert table([Row("cost")]).splitlines()[-1].startswith("| cost")


def test_the_document_holds_machine_and_rows() -> None:
    """The JSON has all that the table has."""
    made = document({"cores": 2}, [Row("cost", met=True)])
    assert made["machine"] == {"cores": 2}
    written = json.loads(json.dumps(made))
    assert [row["what"] for row in written["rows"]] == ["cost"]


def test_the_median_ratio_is_that_of_the_pairs() -> None:
    """A round that was disturbed as a whole does not move the ratio."""
    assert median_ratio([(12, 10), (120, 100), (13, 10)]) == 1.2


def test_the_cpu_model_is_found() -> None:
    """The first processor's name stands for all."""
    text = "processor\t: 0\nmodel name\t: Some CPU: fast\nmodel name\t: Other\n"
    assert machine.cpu_model(text) == "Some CPU: fast"


def test_a_nameless_cpu_is_unknown() -> None:
    """ARM kernels name no model."""
    assert machine.cpu_model("processor\t: 0\n") == "unknown"


def test_the_first_installed_distribution_tells_the_version() -> None:
    """OpenCV comes under two names."""
    assert machine.version_of("no-such-thing", "pytest") == pytest.__version__


def test_no_distribution_no_version() -> None:
    """What is not installed has no version, and that is no error."""
    assert machine.version_of("no-such-thing") == "none"


@pytest.mark.parametrize(
    ("limit", "found"), [(0, 0), (1000, 1000), (2700, 2500), (3200, 3000), (9999, 4000)]
)
def test_the_most_held_is_the_last_step_below_the_limit(limit: int, found: int) -> None:
    """The search goes down from the bar, or up from it, and stops at the limit."""
    assert cost.most_held(lambda viewers: viewers <= limit) == found


def test_memory_is_shared_out_among_the_viewers() -> None:
    """Growth since a moment, for each viewer."""
    figures = {"rss_end_kb": 5000.0, "rss_idle_kb": 3000.0, "viewers": 100.0}
    assert cost.per_viewer_kb(figures, "rss_idle_kb") == 20


def test_rounds_are_measured_in_turn(tmp_path: Path) -> None:
    """Both are measured alternately, so that a disturbance meets both."""
    order: list[str] = []

    def measure(name: str, figure: float) -> dict[str, float]:
        order.append(name)
        return {"x": figure}

    bench = rig.Rig(tmp_path, tmp_path, 1, 2, True)
    pairs = bench.in_turn(lambda: measure("A", 3), lambda: measure("B", 2))
    assert order == ["A", "B", "A", "B"]
    assert (rig.medians(pairs, "x"), rig.ratio(pairs, "x")) == ((3.0, 2.0), 1.5)


def test_trouble_names_what_went_wrong() -> None:
    """Only counters that are not zero are worth a word."""
    names = ("refused", "http_errors", "broken", "dropped", "damaged")
    figures = dict.fromkeys(names, 0.0) | {"dropped": 2.0}
    assert rig.trouble(figures) == "dropped 2"


def test_similarity() -> None:
    """A picture is wholly like itself, less like a noisy one, least like another."""
    one, other = (scene(VGA, index) for index in (0, 20))
    coarse = renditions.decoded(renditions.encoded(one, 5))
    assert renditions.similarity(one, one) == pytest.approx(1)
    assert 0.5 < renditions.similarity(one, coarse) < 0.99
    assert renditions.similarity(one, 255 - other) < renditions.similarity(one, coarse)


def test_candidates_keep_within_their_budget() -> None:
    """Each has the best quality that the budget allows, and the best comes first."""
    picture = scene(VGA, 0)
    found = renditions.candidates([[picture]], 5)
    assert found
    assert found == sorted(found, key=lambda each: -each.similarity)
    for each in found:
        size = each.rendition.size_of(renditions.FULL)
        jpeg = renditions.encoded(
            renditions.shrunk(picture, size), each.rendition.quality
        )
        assert len(jpeg) <= 5000


def test_all_rows_are_chosen_by_default() -> None:
    """Without names everything is measured."""
    assert rows.chosen(None, quick=False) == list(rows.ROWS)


def test_a_quick_run_leaves_slow_rows_out() -> None:
    """What takes long is not part of it."""
    assert set(rows.ROWS) - set(rows.chosen(None, quick=True)) == rows.SLOW


def test_named_rows_are_chosen_even_when_slow() -> None:
    """Who asks for a row gets it."""
    assert rows.chosen("held, cpu400", quick=True) == ["held", "cpu400"]


def test_an_unknown_row_is_named() -> None:
    """A misspelt row is an error that says what there is."""
    with pytest.raises(ValueError, match="no row is called cpu7; there are: cpu400"):
        rows.chosen("cpu7", quick=False)


def test_a_program_is_pinned_where_there_are_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Server and client do not share a core unless there is only one."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert pinned(1, ["x"]) == ["taskset", "-c", "1", "x"]
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert pinned(1, ["x"]) == ["x"]


def test_pictures_have_the_wanted_size(tmp_path: Path) -> None:
    """The JPEGs are as large as those of a webcam, within five per cent."""
    folder = make_folder(tmp_path, VGA)
    sizes = [path.stat().st_size for path in folder.glob("*.jpg")]
    assert all(abs(size - VGA.bytes) < 0.05 * VGA.bytes for size in sizes)


def test_pictures_are_the_same_every_time(tmp_path: Path) -> None:
    """Two machines measure with the same bytes."""
    one, other = (make_folder(tmp_path / name, VGA) for name in ("a", "b"))
    assert (one / "007.jpg").read_bytes() == (other / "007.jpg").read_bytes()
