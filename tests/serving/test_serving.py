"""The server: the same answers as `predict`, nothing too large, nobody else's page, and a page that works."""

import base64
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from dltrain.config import experiment as experiments
from dltrain.console import Reporter
from dltrain.errors import UserError
from dltrain.inference import prediction
from dltrain.runs.folder import Run
from dltrain.training import trainer

testclient = pytest.importorskip("fastapi.testclient", reason="pip install 'dltrain[serve]' httpx")
pytest.importorskip("httpx", reason="pip install httpx, which Starlette's TestClient needs")
uvicorn = pytest.importorskip("uvicorn", reason="pip install 'dltrain[serve]'")
pytest.importorskip("python_multipart", reason="pip install 'dltrain[serve]'")

from dltrain.serving import app as serving  # noqa: E402  (needs the extra)
from dltrain.serving import server  # noqa: E402
from dltrain.serving.gate import LOOPBACK  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
HARM = "<b>dog</b> </script>"
TAIL = "optimizer: {name: adam, learning_rate: 0.01}\ntrain: {epochs: 1, batch_size: 4}\n"
IMAGES = "dataset: {name: image_folder, path: images, size: 8, test_fraction: 0.0, validation_fraction: 0.0}\n"
TABLE = (
    "dataset: {name: csv, path: table.csv, target: y, kind: numbers, test_fraction: 0.0, validation_fraction: 0.0}\n"
)


def fit(folder, text):
    (folder / "one.yaml").write_text(f"{text}model: {{name: mlp, units: [4]}}\n{TAIL}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dltrain.training.trainer.report_at_end", lambda *_: None)
        return Run(
            Path(trainer.fit(experiments.load(folder / "one.yaml"), Reporter(quiet=True), folder / "runs")["run"])
        )


@pytest.fixture(scope="module")
def images(tmp_path_factory, tensorflow):
    folder = tmp_path_factory.mktemp("images")
    for label, name in enumerate(("cat", HARM.replace("/", "\u2215"))):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(4):
            pixels = np.random.RandomState(10 * number + label).randint(0, 256, (12, 16, 3), np.uint8)
            (folder / "images" / name / f"{number}.png").write_bytes(tensorflow.io.encode_png(pixels).numpy())
    return fit(folder, IMAGES)


@pytest.fixture(scope="module")
def predictor(images):
    return prediction.load(images, "best", Reporter(quiet=True))


@pytest.fixture(scope="module")
def table(tmp_path_factory, tensorflow):
    folder = tmp_path_factory.mktemp("table")
    rows = [f"{row / 10},{['</script>', 'b', 'c'][row % 3]},{row}" for row in range(60)]
    (folder / "table.csv").write_text("\n".join(["size,kind,y", *rows]))
    return prediction.load(fit(folder, TABLE), "best", Reporter(quiet=True))


def client(predictor, hosts=LOOPBACK, most_bytes=100_000, most_instances=8):
    gate = serving.create(predictor, "run <b>", hosts, most_bytes, most_instances)
    return testclient.TestClient(gate, base_url="http://127.0.0.1:8000", raise_server_exceptions=False)


@pytest.fixture
def asked(predictor):
    return client(predictor)


@pytest.fixture(scope="module")
def files(images):
    return sorted((images.path.parent.parent / "images").rglob("*.png"))


def test_images_are_answered_as_predict_answers_them_however_they_come(asked, predictor, files):
    given = predictor.reader.read([*map(str, files[:3])], 8)
    wanted = [
        row for rows, _ in prediction.predictions(predictor, given, {"top_k": 2, "probabilities": True}) for row in rows
    ]
    wanted = [{key: value for key, value in row.items() if key != "input"} for row in wanted]
    contents = [file.read_bytes() for file in files[:3]]
    choice = "/predict?top_k=2&probabilities=true"
    form = asked.post(
        choice, files=[("file", (file.name, content)) for file, content in zip(files, contents, strict=False)]
    )
    bodies = [asked.post(choice, content=content, headers={"content-type": "image/png"}) for content in contents]
    coded = [{"b64": base64.b64encode(content).decode()} for content in contents]
    pixels = [predictor.reader.read_file("x", content).inputs[0].tolist() for content in contents]
    as_json = [
        asked.post("/predict", json={"instances": each, "top_k": 2, "probabilities": True}) for each in (coded, pixels)
    ]
    assert [answer.status_code for answer in (form, *bodies, *as_json)] == [200] * 6
    found = [form.json()["predictions"], [body.json()["predictions"][0] for body in bodies]]
    found += [answer.json()["predictions"] for answer in as_json]
    assert [row["input"] for row in found[0]] == [file.name for file in files[:3]]
    for rows in found:
        for row, expected in zip(rows, wanted, strict=True):
            assert row["class"] == expected["class"]
            assert row["probabilities"] == pytest.approx(expected["probabilities"], rel=1e-5)


def test_rows_are_answered_by_the_names_of_their_columns(table, tmp_path):
    (tmp_path / "rows.csv").write_text("size,kind\n1.5,b\n,strange\n")
    given = table.reader.read([str(tmp_path / "rows.csv")], 8)
    wanted = [row["values"]["y"] for rows, _ in prediction.predictions(table, given, {}) for row in rows]
    rows = [{"size": "1.5", "kind": "b"}, {"size": None, "kind": "strange"}]
    found = client(table).post("/predict", json={"instances": rows}).json()["predictions"]
    assert [row["values"]["y"] for row in found] == pytest.approx(wanted, rel=1e-5)
    done = client(table).post("/predict", json={"instances": [{"size": 1}]})
    assert done.status_code == 422 and "has no column 'kind'" in done.json()["predictions"][0]["error"]


@pytest.mark.parametrize(
    ("status", "words", "request_"),
    [
        (400, "must be JSON", {"content": b"{", "headers": {"content-type": "application/json"}}),
        (400, "must be JSON", {"content": b"[" * 90_000, "headers": {"content-type": "application/json"}}),
        (400, "must be an object", {"json": [1]}),
        (400, "with at least one example", {"json": {"instances": []}}),
        (400, "unknown keys: strange", {"json": {"instances": [1], "strange": 1}}),
        (400, "top_k must be", {"json": {"instances": [1], "top_k": -1}}),
        (400, "the form holds no file", {"files": {"": ("", b"")}}),
        (413, "may have at most 8 examples, got 9", {"json": {"instances": [0] * 9}}),
        (413, "may have at most 100,000 bytes", {"content": b"0" * 100_001, "headers": {"content-type": "image/png"}}),
        (415, "must be application/json", {"content": b"x", "headers": {"content-type": "text/plain"}}),
    ],
)
def test_what_cannot_be_answered_is_refused_in_a_line(asked, status, words, request_):
    answer = asked.post("/predict", **request_)
    assert answer.status_code == status and words in answer.json()["error"], answer.text
    assert "Traceback" not in answer.text


def test_an_image_that_cannot_be_read_spoils_no_other(asked, files):
    answer = asked.post("/predict", files=[("file", ("a.png", b"none")), ("file", ("b.png", files[0].read_bytes()))])
    first, second = answer.json()["predictions"]
    assert answer.status_code == 200 and "error" in first and "class" in second
    answer = asked.post("/predict", files=[("file", ("a.png", b"none"))])
    assert answer.status_code == 422 and "Traceback" not in answer.text


@pytest.mark.parametrize("rows", [10**12, 10**30])
def test_an_array_that_claims_to_be_larger_than_it_is_is_refused(asked, rows):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": (rows, 8, 8, 3)})
    answer = asked.post("/predict", files=[("file", ("a.npy", file.getvalue()))])
    assert answer.status_code == 422 and "cannot be read" in answer.json()["predictions"][0]["error"], answer.text


def test_an_image_of_too_many_pixels_is_refused_undecoded(asked, files):
    header = bytearray(files[0].read_bytes())
    header[16:24] = (50_000).to_bytes(4, "big") * 2
    answer = asked.post("/predict", content=bytes(header), headers={"content-type": "image/png"})
    assert answer.status_code == 422 and "50000x50000 pixels" in answer.json()["predictions"][0]["error"]


def test_a_body_is_counted_while_it_comes_whatever_its_header_says(asked):
    taken = []

    def pieces():
        for number in range(1000):
            taken.append(number)
            yield b"0" * 10_000

    answer = asked.post("/predict", content=pieces(), headers={"content-type": "image/png"})
    assert answer.status_code == 413


def test_other_names_and_other_sites_pages_are_turned_away(asked, predictor):
    assert asked.get("/health", headers={"host": "evil.example"}).status_code == 421
    assert asked.get("/health", headers={"host": "localhost:8000"}).status_code == 200
    assert asked.get("/health", headers={"host": "[::1]:8000"}).status_code == 200
    assert asked.get("/health", headers={"host": "[::1"}).status_code == 421
    own, other = {"origin": "http://127.0.0.1:8000"}, {"origin": "http://evil.example"}
    assert asked.post("/predict", json={}, headers=own).status_code == 400
    assert asked.post("/predict", json={}, headers=other).status_code == 403
    assert client(predictor, hosts=None).get("/health", headers={"host": "mine.example"}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["", "a@127.0.0.1", "127.0.0.1@evil.example", "127.0.0.1:80@evil.example", "127.0.0.1/", "127.0.0.1?", "127.0.0.1#",
     "//127.0.0.1", "[127.0.0.1", "[::1]evil", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:123456", "127.0.0.1\\", "::1"],
)  # fmt: skip
def test_a_host_of_another_form_is_turned_away(asked, host):
    assert asked.get("/health", headers={"host": host}).status_code == 421


@pytest.mark.parametrize(
    "origin",
    ["", "null", "http://", "http://[", "http://[::1", "http://]", "//127.0.0.1:8000", "127.0.0.1:8000", "file://",
     "ftp://127.0.0.1:8000", "http://a@127.0.0.1:8000", "http://127.0.0.1:8000/", "http://127.0.0.1:8000 evil",
     "http://127.0.0.1:8001", "\xe9", "http://\xe9"],
)  # fmt: skip
def test_an_origin_of_another_form_is_turned_away(asked, predictor, origin):
    for each in (asked, client(predictor, hosts=None)):
        answer = each.post("/predict", json={}, headers={"origin": origin.encode("latin-1")})
        assert answer.status_code == 403, answer.text
    empty = client(predictor, hosts=None).get("/health", headers={"host": "", "origin": "http://"})
    assert empty.status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        r'{"instances": [1], "\ud800": 1}',
        r'{"\udfff": [1]}',
        r'{"instances": ["\ud800"]}',
        r'{"instances": [{"\ud800": "\udc00"}]}',
        r'{"instances": [{"b64": "\ud800"}]}',
        r'{"instances": [[1, "\ud800"]], "top_k": "\ud800"}',
    ],
)
def test_half_of_a_surrogate_pair_is_answered_in_json(asked, table, body):
    for each in (asked, client(table)):
        answer = each.post("/predict", content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (400, 422), answer.text
        answer.json()


def test_a_fault_shows_the_client_no_traceback(asked, files, monkeypatch):
    def fail(*_):
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(prediction.Predictor, "outputs", fail)
    answer = asked.post("/predict", content=files[0].read_bytes(), headers={"content-type": "image/png"})
    assert answer.status_code == 500 and answer.json() == {"error": "the server failed; its terminal shows the error"}


def test_many_at_once_get_each_its_own_answer(asked, files):
    def ask(file):
        return asked.post("/predict", content=file.read_bytes(), headers={"content-type": "image/png"}).json()

    wanted = [ask(file) for file in files]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, files * 3)) == wanted * 3


def test_requests_examples_and_their_time_are_counted(asked, files):
    asked.post("/predict", files=[("file", ("a.png", b"none")), ("file", ("b.png", files[0].read_bytes()))])
    asked.get("/nowhere")
    answer = asked.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = answer.text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['dltrain_requests_total{path="/predict",status="200"}'] == "1"
    assert lines['dltrain_requests_total{path="other",status="404"}'] == "1"
    assert (lines["dltrain_examples_total"], lines["dltrain_examples_failed_total"]) == ("2", "1")
    assert lines["dltrain_predict_seconds_count"] == lines['dltrain_predict_seconds_bucket{le="+Inf"}'] == "1"
    assert float(lines["dltrain_predict_seconds_sum"]) > 0


def test_the_page_escapes_names_and_asks_nobody_else(table):
    answer = client(table).get("/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert "<title>run &lt;b&gt;</title>" in answer.text and answer.text.count("</script>") == 2
    about = json.loads(re.search(r'id="about">(.*?)</script>', answer.text)[1])
    assert [*about["schema"]["properties"]] == ["size", "kind"]
    assert about["schema"]["properties"]["kind"]["examples"] == ["</script>", "b", "c"]
    assert not re.search(r"https?://", answer.text)


def test_a_server_may_be_asked_by_the_name_that_it_was_started_with():
    assert "127.0.0.2" in server.names("127.0.0.2") and "evil.example" not in server.names("127.0.0.2")
    assert set(LOOPBACK) <= set(server.names("127.0.0.2"))
    assert server.names("0.0.0.0") is None


def test_a_port_in_use_is_one_line():
    with (
        server.opened("127.0.0.1", 0) as taken,
        pytest.raises(UserError, match="cannot be used: Address already in use"),
    ):
        server.opened("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize(
    ("host", "wanted"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)]
)
def test_an_address_of_this_machine_alone_is_known(host, wanted):
    assert server.is_loopback(host) == wanted


@pytest.mark.parametrize(
    ("number", "ending"), [(signal.SIGINT, (130, "interrupted\n")), (signal.SIGTERM, (143, "terminated\n"))]
)
def test_the_command_says_where_it_answers_and_ends_at_a_signal(images, number, ending):
    command = [sys.executable, "-m", "dltrain", "serve", str(images.path), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as done:
        text = ""
        while not text.endswith("}\n"):
            text += done.stdout.readline()
        address = re.search(r"http://127.0.0.1:(\d+)/", json.loads(text)["url"])
        with socket.create_connection(("127.0.0.1", int(address[1]))) as line:
            line.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert line.makefile("rb").readline().startswith(b"HTTP/1.1 200")
        done.send_signal(number)
        _, errors = done.communicate(timeout=30)
        assert (done.returncode, errors) == ending


HARNESS = """<!DOCTYPE html><title>waiting</title>
<iframe src="/" style="width: {width}px; height: 2000px; border: 0"></iframe>
<script>
addEventListener("load", async () => {{
  const frame = document.querySelector("iframe"), page = frame.contentDocument, window_ = frame.contentWindow;
  const wait = async (what) => {{
    for (let turn = 0; turn < 200 && !what(); turn++) await new Promise((go) => setTimeout(go, 50));
  }};
  {act}
  await wait(() => page.querySelector("#answers li") || !page.querySelector("#trouble").hidden);
  const rows = [...page.querySelectorAll("#answers li")];
  document.title = "found " + JSON.stringify({{
    answers: rows.map((row) => row.querySelector("span").textContent),
    last: rows.map((row) => row.lastElementChild.textContent),
    bars: rows.map((row) => row.querySelector("progress")?.value),
    trouble: page.querySelector("#trouble").textContent,
    elements: page.querySelectorAll("#answers b").length,
    page: page.documentElement.scrollWidth, window: window_.innerWidth,
    colour: window_.getComputedStyle(page.body).color,
    seen: page.querySelector("#seen").naturalWidth,
  }});
}});
</script>"""
DROP = """
  const bytes = Uint8Array.from(atob("{image}"), (letter) => letter.charCodeAt(0));
  const given = new window_.DataTransfer();
  given.items.add(new window_.File([bytes], "a.png", {{type: "image/png"}}));
  page.querySelector("#drop").dispatchEvent(new window_.DragEvent("drop", {{dataTransfer: given, bubbles: true}}));
"""
FILL = """
  page.querySelector("input[name=size]").value = "1.5";
  page.querySelector("select[name=kind]").value = "b";
  page.querySelector("form button").click();
"""


def used(predictor, tmp_path, act, width=380, *options):
    """Returns what is on the page after it was used in a browser, and the console's lines."""
    gate = serving.create(predictor, "run", LOOPBACK, 100_000, 8)
    harness = HARNESS.format(act=act, width=width).encode()

    async def beside(scope, receive, send):
        if scope["path"] != "/harness":
            return await gate(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
        return await send({"type": "http.response.body", "body": harness})

    listening = server.opened("127.0.0.1", 0)
    running = uvicorn.Server(uvicorn.Config(beside, log_level="error", lifespan="off"))
    thread = threading.Thread(target=running.run, args=([listening],))
    thread.start()
    try:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/harness"
        done = subprocess.run(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
             "--enable-logging=stderr", "--virtual-time-budget=20000", *options, "--dump-dom", url],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    finally:
        running.should_exit = True
        thread.join(20)
        listening.close()
    found = re.search(r"<title>found (.*?)</title>", done.stdout)
    assert found, done.stdout[:500] + done.stderr[-2000:]
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return json.loads(unescape(found[1])), console


browser = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium")


@browser
@pytest.mark.browser
def test_an_image_that_is_dropped_on_the_page_is_answered_with_bars(predictor, files, tmp_path):
    given = predictor.reader.read([str(files[0])], 1)
    ((row,), _) = next(prediction.predictions(predictor, given, {"top_k": 2}))
    act = DROP.format(image=base64.b64encode(files[0].read_bytes()).decode())
    found, console = used(predictor, tmp_path, act)
    assert found["answers"] == [each["class"] for each in row["top"]]
    assert found["bars"] == pytest.approx([each["probability"] for each in row["top"]], rel=1e-4)
    assert found["elements"] == 0, "a class's name became an element"
    assert (found["trouble"], console, found["seen"]) == ("", [], 16)
    assert found["page"] <= found["window"] == 380
    dark, _ = used(predictor, tmp_path, act, 380, "--blink-settings=preferredColorScheme=0")
    assert dark["colour"] != found["colour"]


@browser
@pytest.mark.browser
def test_what_is_no_image_is_said_on_the_page(predictor, tmp_path):
    found, _ = used(predictor, tmp_path, DROP.format(image=base64.b64encode(b"none").decode()))
    assert found["answers"] == [] and found["trouble"]


@browser
@pytest.mark.browser
def test_a_row_that_is_filled_into_the_page_is_answered_in_its_units(table, tmp_path):
    found, console = used(table, tmp_path, FILL)
    given = table.reader.read_values([{"size": "1.5", "kind": "b"}])
    ((row,), _) = next(prediction.predictions(table, [given], {}))
    assert found["answers"] == ["y"] and float(found["last"][0]) == pytest.approx(row["values"]["y"], rel=1e-3)
    assert console == []
