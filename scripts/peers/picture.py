"""Reads a picture from standard input with Pillow, and prints its format, size, first pixel and metadata as JSON."""

import io
import json
import sys

from PIL import Image

with Image.open(io.BytesIO(sys.stdin.buffer.read())) as picture:
    picture.load()
    json.dump(
        {
            "format": picture.format,
            "size": picture.size,
            "pixel": picture.convert("RGB").getpixel((0, 0)),
            "exif": len(picture.getexif()),
            "info": sorted(picture.info),
            "frames": getattr(picture, "n_frames", 1),
        },
        sys.stdout,
    )
