"""The pages and the exit status, from made-up runs."""

from __future__ import annotations

import argparse
import re

import numpy as np
import pytest
from PIL import Image

from benchmarks.load.compare import run as compare
from benchmarks.load.exit_status import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_INVALID, exit_status
from benchmarks.load.figures.samples import RequestSample, SpanSample
from benchmarks.load.figures.trial_record import RelayState, StageState, Trial, TrialSamples
from benchmarks.load.report.page import write_report
from benchmarks.load.run_comparison import RunOnDisk, compare_runs, verdict
from benchmarks.load.run_record import INTERRUPTED, LoadRun, StageSetting, load_run, save_run
from benchmarks.load.trials.peak_search import Peak
from errors import ConfigError

STAGES = ["listen", "speak"]
ENVIRONMENT: dict[str, object] = {
    "at": "2026-01-01T00:00:00+00:00",
    "commit": "0123456",
    "modified": False,
    "cpu": "of tests",
    "cores": 2,
    "system": "Linux",
    "python": "3.11.0",
    "packages": {"pyzmq": "1.0"},
}
SECTIONS = [
    "figures",
    "latency-rate",
    "distribution",
    "waterfall",
    "utilisation",
    "timeline",
    "generator",
    "environment",
]


def made_trial(number, rate, slower=1.0, outcome="ok", lag_s=0.0, requests=60):
    generator = np.random.default_rng(number)
    samples = []
    for index in range(requests):
        at_s, took_s = index / rate, slower * (0.5 + float(generator.exponential(0.2)))
        spans = (
            SpanSample("listen", (), 1, "l", 0.0, 0.0, 0.2, 0.2, 1),
            SpanSample("speak", (0,), 1, "s", 0.3, 0.1, took_s - 0.3, took_s - 0.3, 1),
        )
        first_s = at_s + took_s - 0.1 if outcome == "ok" else None
        samples.append(
            RequestSample(
                number,
                index,
                "a.wav",
                1.0,
                index < 5,
                at_s,
                at_s + lag_s,
                first_s,
                at_s + took_s,
                outcome,
                "",
                0.0,
                spans,
            )
        )
    states = [
        RelayState(at_s, {name: StageState(1, 1, 0, 0, 1 + (at_s > 5)) for name in STAGES}) for at_s in range(1, 10)
    ]
    return TrialSamples(Trial(number, "poisson", rate, 0, requests, 60.0, 30.0, 0.1, states), samples)


def made_run(trials, objectives=("p95=2s",), peak=None, **changes):
    run = LoadRun(
        name="fakes <of tests>",
        command=["load", "--rate", "1"],
        environment=ENVIRONMENT,
        config={"name": "fakes"},
        ready_s=1.0,
        stages=[StageSetting(name, "modules.testing.faulty", 1, 1) for name in STAGES],
        cores=2,
        objectives=list(objectives),
        clips=["a.wav"],
        samples="samples.jsonl",
        peak=peak,
        **changes,
    )
    run.add_trials(trials)
    return run


def saved(folder, trials, **changes):
    folder.mkdir(exist_ok=True)
    run = made_run(trials, **changes)
    save_run(folder, run, trials)
    return run


def written(folder, trials, **changes):
    run = saved(folder, trials, **changes)
    return run, write_report(folder, run, trials).read_text()


@pytest.fixture(scope="module")
def two_rates(tmp_path_factory):
    """The folder and the page of a run at two rates."""
    folder = tmp_path_factory.mktemp("report")
    trials = [made_trial(0, 1.0), made_trial(1, 2.0, slower=2.0)]
    return folder, written(folder, trials, peak=Peak(1.0, 2.0, 2))[1]


def folders(before, after, output=None):
    return argparse.Namespace(before=before, after=after, output=output)


def test_the_report_has_every_section_and_needs_no_other_file(two_rates):
    _, page = two_rates
    assert re.findall(r'<section id="([\w-]+)"', page) == SECTIONS
    assert re.findall(r'(?:src|href)="(?!data:image/png;base64,)', page) == []
    assert "highest rate that held p95=2s" in page
    assert "fakes &lt;of tests&gt; at 1:1" in page
    for word in ("commit", "p50", "p95", "poisson 1/s", "poisson 2/s", "relevo load --rate 1"):
        assert word in page


def test_the_plots_are_beside_the_page_and_are_not_blank(two_rates):
    folder, _ = two_rates
    plots = sorted(path.name for path in folder.glob("*.png"))
    assert plots == sorted(
        ["rate.png", "distribution.png", "waterfall.png", "utilisation.png", "timeline-1.png", "timeline-2.png"]
    )
    for name in plots:
        with Image.open(folder / name) as image:
            assert image.width > 900
            assert len(image.convert("L").getcolors()) > 10


def test_a_run_with_a_late_generator_says_so_at_the_top_and_in_its_status(tmp_path):
    run, page = written(tmp_path, [made_trial(0, 1.0, lag_s=0.05)])
    assert 'id="invalid"' in page
    assert page.index('id="invalid"') < page.index('id="figures"')
    assert "60 requests more than" not in page
    assert "55 of 55 requests more than" in page
    assert exit_status(run) == EXIT_INVALID


def test_a_run_without_a_single_answer_has_a_report(tmp_path):
    run, page = written(tmp_path, [made_trial(0, 1.0, outcome="rejected")])
    assert "55 rejected" in page
    assert "No request ended well" in page
    assert exit_status(run) == EXIT_FAILED


def test_a_closed_loop_has_no_rate_to_plot(tmp_path):
    trial = made_trial(0, 1.0)
    closed = TrialSamples(Trial(0, "closed:2", 0.0, 0, 60, 60.0, None, 0.1, []), trial.samples)
    _, page = written(tmp_path, [closed], objectives=())
    assert "A closed loop has no rate" in page
    assert "too short to look" not in page  # that is in the plot
    assert not (tmp_path / "rate.png").exists()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 0),
        ({"objectives": ("p95=100ms",)}, EXIT_FAILED),
        ({"peak": Peak(None, 1.0, 3)}, EXIT_FAILED),
        ({"peak": Peak(1.0, None, 3), "objectives": ("p95=100ms",)}, 0),
        ({"interrupted": INTERRUPTED}, EXIT_INTERRUPTED),
        ({"interrupted": "the relay failed"}, EXIT_FAILED),
    ],
)
def test_the_exit_status_follows_from_the_run(changes, expected):
    assert exit_status(made_run([made_trial(0, 1.0)], **changes)) == expected


@pytest.mark.parametrize("name", ["samples.jsonl", "samples.parquet"])
def test_a_run_comes_back_with_the_same_figures(tmp_path, name):
    trials = [made_trial(0, 1.0), made_trial(1, 1.0), made_trial(2, 2.0)]
    run = made_run(trials)
    run.samples = name
    save_run(tmp_path, run, trials)
    again, trials_again = load_run(tmp_path)
    assert again == run
    assert trials_again == trials


def test_a_comparison_tells_worse_from_equal(tmp_path, capsys):
    saved(tmp_path / "one", [made_trial(0, 1.0), made_trial(1, 2.0)])
    saved(tmp_path / "other", [made_trial(0, 1.0, slower=3.0), made_trial(1, 4.0)])
    assert compare(folders(tmp_path / "one", tmp_path / "other", output=tmp_path / "both")) == 0
    page = (tmp_path / "both" / "compare.html").read_text()
    assert page.count('<section class="pair"') == 1  # 1/s is what both were offered
    assert (tmp_path / "both" / "compare-1.png").exists()
    rows = dict(
        re.findall(r"<tr><td>([\w ,]+)</td>.*?<td>(?:<span[^>]*>)?([\w ]+)(?:</span>)?</td></tr>", page, re.DOTALL)
    )
    assert rows["latency p50, s"] == "worse"
    assert rows["share that ended well"] == "equal"
    assert "worse" in capsys.readouterr().out


def test_a_run_beside_itself_differs_by_nothing(tmp_path, capsys):
    saved(tmp_path / "one", [made_trial(0, 1.0)])
    assert compare(folders(tmp_path / "one", tmp_path / "one")) == 0
    printed = capsys.readouterr().out
    assert "worse" not in printed
    assert "better" not in printed


def test_an_invalid_run_makes_the_comparison_invalid(tmp_path, capsys):
    saved(tmp_path / "one", [made_trial(0, 1.0)])
    saved(tmp_path / "other", [made_trial(0, 1.0, lag_s=0.05)])
    assert compare(folders(tmp_path / "one", tmp_path / "other")) == EXIT_INVALID
    assert "INVALID, the second" in capsys.readouterr().out


@pytest.mark.parametrize(("requests", "told"), [(6, {"too few to tell"}), (65, {"worse", "too few to tell"})])
def test_few_requests_tell_nothing_however_large_the_difference(requests, told):
    one, other = made_trial(0, 1.0, requests=requests), made_trial(1, 1.0, slower=9.0, requests=requests)
    (pair,) = compare_runs(*(RunOnDisk(made_run([trial]), [trial]) for trial in (one, other)))
    verdicts = {one.name: verdict(one) for one in pair.differences if one.name.startswith("latency")}
    assert set(verdicts.values()) == told
    assert verdicts["latency p95, s"] == "too few to tell"  # which needs 72


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="holds no run"):
        compare(folders(tmp_path, tmp_path))
