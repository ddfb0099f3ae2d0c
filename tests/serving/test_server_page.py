"""The server's page: what it asks for goes by the JSON Schema of a request alone."""

import base64
import io
import json
import re
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

import dltrain
from dltrain.data import Feature, Features
from dltrain.features.image import Image
from dltrain.features.table import Column, Table
from dltrain.features.vector import Vector

NODE = shutil.which("node")
PAGE = Path(dltrain.__file__).parent / "serving" / "page.html"
TABLE = Table(columns=(Column("size", "size"), Column("kind", "kind", "category", categories=("a", "b"))))
TEXTS = Table(columns=(Column("note good", "note", "token", word="good"),))


class Sound(Feature):
    """A file of another kind."""

    def request_schema(self):
        content = {"type": "string", "contentEncoding": "base64", "contentMediaType": "audio/*"}
        return {"type": "object", "properties": {"b64": content}}


class Words(Feature):
    """A text, as features are by themselves."""

    registered_name = "words"


@pytest.mark.skipif(NODE is None, reason="needs Node.js")
def test_a_recording_is_sent_as_a_wav_file_of_its_samples():
    script = re.search(r"^function wav\(.*?^}", PAGE.read_text(), re.DOTALL | re.MULTILINE)[0]
    ask = """
const File = class { constructor(parts) { this.bytes = parts[0]; } };
const sound = {sampleRate: 44100, getChannelData: () => Float32Array.of(0, 0.5, -0.5, 2, -2)};
console.log(Buffer.from(wav(sound).bytes.buffer).toString("base64"));
"""
    done = subprocess.run([NODE, "-e", script + ask], capture_output=True, text=True, check=True)
    with wave.open(io.BytesIO(base64.b64decode(done.stdout))) as opened:
        assert (opened.getnchannels(), opened.getframerate(), opened.getsampwidth()) == (1, 44_100, 2)
        samples = np.frombuffer(opened.readframes(opened.getnframes()), "<i2")
    assert samples.tolist() == [0, 16_383, -16_383, 32_767, -32_767]


@pytest.mark.skipif(NODE is None, reason="needs Node.js")
@pytest.mark.parametrize(
    ("features", "text", "shown", "sent"),
    [
        ({"image": Image(shape=(8, 8, 3))}, "", "drop", []),
        ({"sound": Sound()}, "", "drop", []),
        ({"image": Image(shape=(8, 8, 5))}, "[1]", "values", [[[1]]]),
        ({"table": TABLE}, "b", "fields", [[{"size": "b", "kind": "b"}]]),
        ({"table": TEXTS}, "a good one", "fields", [[{"note": "a good one"}]]),
        ({"vector": Vector(shape=(3,))}, "[1, 2, 3]", "values", [[[1, 2, 3]]]),
        ({"vector": Vector(shape=(3,))}, "none", "values", []),
        ({"words": Words()}, "a text", "values", [["a text"]]),
        ({"words": Words(), "image": Image(shape=(8, 8, 3))}, '{"words": "a"}', "values", [[{"words": "a"}]]),
    ],
)
def test_the_page_asks_for_a_file_a_row_or_json(features, text, shown, sent):
    script = re.search(r"<script>(.*?)</script>", PAGE.read_text(), re.DOTALL)[1]
    schema = json.dumps(Features(features).request_schema())
    given = "\0".join((script, schema, text))
    done = subprocess.run(
        [NODE, str(Path(__file__).with_name("page.js"))], input=given, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout)
    assert (found["shown"], found["sent"]) == ([shown], sent)
    assert ("not valid JSON" in found.get("trouble", "")) == (text == "none")
    if shown == "drop":
        assert found["words"] == f"Drop {'an image' if 'image' in features else 'a file'} here, or choose one"
