"""The page in a real browser: nothing in its console, every figure drawn, no wider than a telephone."""

import json
import re
import shutil
import subprocess
from html import escape, unescape

import numpy as np
import pytest
from specs import data_spec, outcome_of

from dltrain.report.outcome import Evidence, Example
from dltrain.report.page import render
from dltrain.report.story import run_report
from dltrain.runs.folder import Run
from dltrain.tasks.classification import Classification

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NAMES = ("<script>alert(1)</script>", "b" * 300, "a\x1b[31m", "plain")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium"),
]

FRAME = """<!DOCTYPE html><body>
<iframe style="width: {width}px; height: 3000px; border: 0" srcdoc="{page}"></iframe>
<script>
addEventListener("load", () => {{
  const frame = document.querySelector("iframe").contentWindow, page = frame.document;
  const size = (each) => [each.getBoundingClientRect().width, each.getBoundingClientRect().height];
  const found = {{
    figures: [...page.querySelectorAll("figure svg")].map(size),
    drawn: [...page.querySelectorAll("figure svg")].map((each) => each.getBBox().width),
    images: [...page.images].map((each) => each.complete && each.naturalWidth > 0 && each.width > 20),
    page: page.documentElement.scrollWidth,
    window: frame.innerWidth,
    text: frame.getComputedStyle(page.body).color,
    line: frame.getComputedStyle(page.querySelector("figure svg text")).fill,
  }};
  document.title = "measured " + JSON.stringify(found);
}});
</script>"""
"""The page as it is, in a frame: a window of its own is never so narrow as a telephone."""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report with every kind of part, of names that harm where they are not escaped."""
    run = Run(tmp_path_factory.mktemp("runs") / "mine-001")
    run.path.mkdir()
    lines = "".join(f"{epoch},{epoch},{epoch},0.1,{1 / epoch},{2 / epoch}\n" for epoch in range(1, 301))
    run.metrics.write_text(f"epoch,step,seconds,learning_rate,loss,val_loss\n{lines}")
    run.summary.write_text(json.dumps({"status": "failed", "error": NAMES[0]}))
    run.environment.write_text(json.dumps({"command": ["x" * 3000], "git": {"commit": NAMES[0]}}))
    random = np.random.RandomState(0)
    actual = random.randint(4, size=60).astype(np.int32)
    outputs = random.standard_normal((60, 4)).astype(np.float32)
    outcome = outcome_of(data_spec((80, 90, 3), NAMES), actual, outputs)
    task = Classification()
    mistakes = task.mistakes(outcome, 25)
    pictures = random.randint(256, size=(25, 80, 90, 3)).astype(np.uint8)
    examples = [Example(image, actual[0], outputs[0], f"/a/{NAMES[1]}", image[..., 0] / 255) for image in pictures]
    evidence = Evidence(
        outcome, {"test": 60}, {"accuracy": 0.25}, {NAMES[0]: {"accuracy": 0.2}}, task.chapters(outcome), mistakes,
        examples, examples[:12], random.standard_normal((40, 5, 5, 3)), [("warning", NAMES[1])], {"test": "ab"},
    )  # fmt: skip
    settings = [("model.name", NAMES[0], NAMES[1]), ("seed", "0", "default")]
    return render(run_report(run, settings, evidence, []))[0]


def browse(page, tmp_path, *options):
    """Returns the page as the browser has it after it was loaded, and what the console says."""
    file = tmp_path / "report.html"
    file.write_text(page)
    done = subprocess.run(
        [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}",
         "--enable-logging=stderr", "--timeout=20000", *options, "--dump-dom", file.as_uri()],
        capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-500:]
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


def measured(page, tmp_path, width, *options):
    """Returns what a script outside of the page measures of it."""
    content, console = browse(FRAME.format(page=escape(page), width=width), tmp_path, *options)
    assert console == []
    return json.loads(unescape(re.search(r"<title>measured (.*?)</title>", content)[1]))


def test_the_console_stays_empty(page, tmp_path):
    assert browse(page, tmp_path)[1] == []


def test_the_console_would_tell_of_a_request(page, tmp_path):
    leaking = page.replace("</main>", '<img src="http://localhost:9/x.png"></main>')
    assert any("Content Security Policy" in line for line in browse(leaking, tmp_path)[1])


@pytest.mark.parametrize("width", [390, 1280])
def test_every_figure_is_drawn_and_fits(page, tmp_path, width):
    found = measured(page, tmp_path, width)
    assert len(found["figures"]) == 7  # two curves, confusion, ROC, precision, calibration, filters
    assert all(wide > 250 and high > 100 for wide, high in found["figures"])
    assert all(wide > 100 for wide in found["drawn"])
    assert len(found["images"]) == 2 * (25 + 12)
    assert all(found["images"])
    assert found["page"] <= found["window"] == width


def test_in_the_dark_text_and_figures_are_light(page, tmp_path):
    found = measured(page, tmp_path, 800, "--force-dark-mode")
    for colour in (found["text"], found["line"]):
        assert min(map(int, re.findall(r"\d+", colour)[:3])) > 150
