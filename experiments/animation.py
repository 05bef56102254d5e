"""Animations as the bytes of a file: GIF for pages, MP4 for slides."""

import io
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from matplotlib.artist import Artist
from PIL import Image


def frames(figure: Any, draw: Callable[[int], Iterable[Artist]], count: int) -> list[np.ndarray]:
    """The frames of a figure that `draw` changes.

    Only the artists that change are redrawn.

    Args:
      figure: a Matplotlib figure.
      draw: updates the artists of frame `index` and returns them; they must be created with `animated=True`.
      count: number of frames.

    Returns:
      RGB arrays (height, width, 3).
    """
    canvas = figure.canvas
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    pictures = []
    for index in range(count):
        canvas.restore_region(still)
        for artist in draw(index):
            figure.draw_artist(artist)
        pictures.append(np.asarray(canvas.buffer_rgba())[..., :3].copy())
    return pictures


def gif(pictures: list[np.ndarray], fps: float, hold: float = 2.0) -> bytes:
    """A looping GIF of RGB arrays; the last frame stays for `hold` seconds."""
    images = [Image.fromarray(picture) for picture in pictures]
    palette = _palette(images[0], images[len(images) // 2])
    first, *rest = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    duration = [round(1000 / fps)] * len(rest) + [round(1000 * hold)]
    file = io.BytesIO()
    first.save(file, "GIF", save_all=True, append_images=rest, duration=duration, loop=0, optimize=True)
    return file.getvalue()


def mp4(pictures: list[np.ndarray], fps: float, hold: float = 2.0) -> bytes:
    """An MP4 (H.264) of RGB arrays with even sides; the last frame stays for `hold` seconds."""
    height, width, _ = pictures[0].shape
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-")
    coded = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "20", "-movflags", "+faststart")
    film = b"".join(picture.tobytes() for picture in [*pictures, *[pictures[-1]] * round(fps * hold)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "film.mp4")
        program = imageio_ffmpeg.get_ffmpeg_exe()
        subprocess.run([program, "-loglevel", "error", *raw, *coded, str(path)], input=film, check=True)
        return path.read_bytes()


def _palette(start, middle):
    """Most colors go to the large areas of the first frame, some to the thin bright lines of a later one."""
    colors = [
        *start.quantize(192, Image.Quantize.MEDIANCUT).getpalette()[: 192 * 3],
        *middle.quantize(64, Image.Quantize.MAXCOVERAGE).getpalette()[: 64 * 3],
    ]
    palette = Image.new("P", (1, 1))
    palette.putpalette(colors)
    return palette
