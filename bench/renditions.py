"""Rows on renditions: which ones look best for their bytes, and what they cost."""

from __future__ import annotations

import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import mean
from typing import TYPE_CHECKING

import cv2
import numpy as np

from bench import rig as rigs
from bench.pictures import QUALITY, VGA
from bench.report import Row, median_ratio
from bench.servers import FPS, KEY, camd
from camd.config.settings import Settings
from camd.formats.jpeg import Size
from camd.formats.rendition import Rendition
from camd.sources.scaler import scale
from e2e.video import video

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.load import Figures
    from bench.pictures import Image
    from bench.rig import Rig
    from bench.servers import Server

BUDGETS_KB = (20.0, 10.0, 5.0, 2.5)
SCALES = [Fraction(text) for text in ("1", "3/4", "2/3", "1/2", "3/8", "1/4", "1/8")]
AFFORDABLE = Fraction(1, 2)
"""The largest scale that a rung may have by default: above it a picture is decoded
whole, which takes 2.6 times as long (measured)."""
FRAMES = 12
FULL = Size(VGA.width, VGA.height)
LADDER_BARS_MS = {(640, 480): 0.6, (1920, 1080): 4.0}
P99_BAR = 0.05
RUNG_VIEWERS = 50


@dataclass(frozen=True, slots=True)
class Candidate:
    """A rendition that keeps within a budget.

    :param similarity: of what is seen at full size to the full picture, up to 1.
    """

    rendition: Rendition
    similarity: float


def film() -> list[Image]:
    """Frames of the end-to-end tests' film, as a webcam would send them."""
    capture = cv2.VideoCapture(str(video("bigbuckbunny.mp4")))
    every = max(1, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) // FRAMES)
    frames: list[Image] = []
    for index in range(FRAMES * every):
        read, image = capture.read()
        if read and index % every == 0:
            height, width = image.shape[:2]
            wide = height * VGA.width // VGA.height
            left = (width - wide) // 2
            cut = image[:, left : left + wide]
            small = shrunk(np.asarray(cut, np.uint8), FULL)
            frames.append(decoded(encoded(small, QUALITY)))
    return frames


def shrunk(image: Image, size: Size) -> Image:
    """The picture in another size."""
    scaled = cv2.resize(image, (size.width, size.height), interpolation=cv2.INTER_AREA)
    return np.asarray(scaled, np.uint8)


def encoded(image: Image, quality: int) -> bytes:
    """The picture as a JPEG."""
    parameters = (cv2.IMWRITE_JPEG_QUALITY, quality)
    return bytes(cv2.imencode(".jpg", image, parameters)[1].tobytes())


def decoded(jpeg: bytes) -> Image:
    """The picture of a JPEG."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return np.asarray(picture, np.uint8)


def similarity(one: Image, other: Image) -> float:
    """The mean SSIM of two pictures' brightness (Wang et al., 2004)."""
    kernel = cv2.getGaussianKernel(11, 1.5)  # As in the paper.

    def blurred(plane: np.ndarray) -> np.ndarray:
        return cv2.sepFilter2D(plane, -1, kernel, kernel)

    a, b = (
        cv2.cvtColor(p, cv2.COLOR_BGR2GRAY).astype(np.float64) for p in (one, other)
    )
    mean_a, mean_b = blurred(a), blurred(b)
    spread = blurred(a * a) - mean_a**2 + blurred(b * b) - mean_b**2
    shared = blurred(a * b) - mean_a * mean_b
    light, contrast = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    above = (2 * mean_a * mean_b + light) * (2 * shared + contrast)
    below = (mean_a**2 + mean_b**2 + light) * (spread + contrast)
    return float((above / below).mean())


def candidates(corpora: Sequence[Sequence[Image]], budget_kb: float) -> list[Candidate]:
    """The best quality of each scale that keeps within a budget, the best scale first.

    :param corpora: pictures of several kinds, each kind of which counts alike.
    """
    found = []
    for share in SCALES:
        size = Rendition(share, 1).size_of(FULL)
        small = [[shrunk(image, size) for image in corpus] for corpus in corpora]
        low, high = 0, 95
        while low < high:
            quality = (low + high + 1) // 2
            kb = mean(
                mean(len(encoded(image, quality)) for image in corpus) / 1000
                for corpus in small
            )
            low, high = (quality, high) if kb <= budget_kb else (low, quality - 1)
        if low:
            seen = mean(
                mean(_shown(full, tiny, low) for full, tiny in zip(*both, strict=True))
                for both in zip(corpora, small, strict=True)
            )
            found.append(Candidate(Rendition(share, low), seen))
    return sorted(found, key=lambda candidate: -candidate.similarity)


def _shown(full: Image, small: Image, quality: int) -> float:
    """How much like the full picture a small one looks when it is as large again."""
    picture = decoded(encoded(small, quality))
    large = cv2.resize(picture, (VGA.width, VGA.height), interpolation=cv2.INTER_LINEAR)
    return similarity(full, np.asarray(large, np.uint8))


def choice(rig: Rig) -> list[Row]:
    """For each budget, the rendition that looks best, and what the others come to."""
    lab = [decoded(path.read_bytes()) for path in sorted(rig.vga.glob("*.jpg"))[::7]]
    corpora = (film(), lab)
    rows = []
    for budget in BUDGETS_KB:
        found = candidates(corpora, budget)
        best = next(each for each in found if each.rendition.scale <= AFFORDABLE)
        others = ", ".join(f"{c.rendition} {c.similarity:.3f}" for c in found)
        rows.append(
            Row(
                f"SSIM of the best rendition of {budget:g} KB: {best.rendition}",
                camd=best.similarity,
                note=others,
            )
        )
    return rows


def ladder(rig: Rig) -> list[Row]:
    """What all default renditions of one picture cost, beside decoding it once."""
    renditions = [Rendition.parse(text) for text in Settings().renditions]
    rows = []
    for size, bar in LADDER_BARS_MS.items():
        first = next(iter(sorted(rig.vga.glob("*.jpg")))).read_bytes()
        jpeg = encoded(shrunk(decoded(first), Size(*size)), QUALITY)
        times = []
        for _ in range(40 if rig.quick else 200):
            began = time.thread_time()
            scale(jpeg, renditions)
            between = time.thread_time()
            decoded(jpeg)
            times.append((between - began, time.thread_time() - between))
        ours, other = (1e3 * sorted(t)[len(t) // 2] for t in zip(*times, strict=True))
        rows.append(
            Row(
                f"all renditions of {size[0]}x{size[1]} (beside: decoding it whole)",
                "ms",
                ours,
                other,
                median_ratio(times),
                f"<= {bar} ms",
                ours <= bar,
                ", ".join(map(str, renditions)),
            )
        )
    return rows


def stats(server: Server) -> dict[str, int]:
    """How many frames were published, and made of each rendition, by name."""
    url = f"http://{server.host}:{server.port}/api/robot0/stream/stats?api_key={KEY}"
    with urllib.request.urlopen(url, timeout=10) as response:
        told = json.load(response)
    made = {each["rendition"]: each["frames_made"] for each in told["renditions"]}
    return {"published": told["frames_published"], **made}


def beside_rungs(rig: Rig, server: Server) -> tuple[Figures, dict[str, float]]:
    """One window of full viewers while others watch all renditions.

    :return: the full viewers' figures, and the frames made for each one published.
    """
    longer = rig.seconds + 3 * rigs.SETTLE
    with ThreadPoolExecutor() as pool:
        for text in Settings().renditions:
            rendition = Rendition.parse(text)
            width = rendition.size_of(FULL).width
            query = f"&width={width}&quality={rendition.quality}"
            rung = replace(server, path=server.path + query)
            pool.submit(rig.load, rung, viewers=RUNG_VIEWERS, seconds=longer)
        time.sleep(rigs.SETTLE)
        before = stats(server)
        figures = rig.load(server, viewers=200)
        after = stats(server)
    grown = {name: after[name] - before[name] for name in after}
    published = grown.pop("published")
    return figures, {name: count / published for name, count in grown.items()}


def rungs(rig: Rig) -> list[Row]:
    """What viewers of all renditions do to 200 viewers of the full picture."""
    made: list[dict[str, float]] = []
    pairs = []
    with camd(str(rig.vga)) as ours:
        for _ in range(rig.rounds):
            beside, shares = beside_rungs(rig, ours)
            pairs.append((beside, rig.load(ours, viewers=200)))
            made.append(shares)
    factor = rigs.ratio(pairs, "late_p99_ms")
    one, other = rigs.medians(pairs, "late_p99_ms")
    most = max(share for shares in made for share in shares.values())
    least = min(share for shares in made for share in shares.values())
    count = RUNG_VIEWERS * len(made[0])
    return [
        Row(
            f"{count} on {len(made[0])} rungs: p99 lateness of 200 full viewers",
            "x",
            factor,
            bar="within 5 %",
            met=factor <= 1 + P99_BAR,
            note=f"{one:.1f} ms with them, {other:.1f} ms without",
            detail={"pairs": pairs},
        ),
        Row(
            "frames made of each rendition for a frame published: most",
            camd=most,
            bar="<= 1",
            # The stats are asked for at no moment of a frame's own.
            met=most <= 1 + 2 / (FPS * rig.seconds),
            note=f"least {least:.2f}",
        ),
    ]
