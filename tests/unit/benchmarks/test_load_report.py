"""The pages, from runs that nobody had to wait for."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from benchmarks.load import compare
from benchmarks.load.command import EXIT_INTERRUPTED, EXIT_INVALID, EXIT_MISSED, INTERRUPTED, status
from benchmarks.load.figures.level_figures import TrialSamples
from benchmarks.load.figures.samples import RequestSample, SpanSample
from benchmarks.load.report.page import write_report
from benchmarks.load.run_record import LoadRun, StageSetting, load, save
from benchmarks.load.trials.peak_search import Peak
from benchmarks.load.trials.relay_state import RelayState, StageState
from benchmarks.load.trials.trial import Trial
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
    standings = [
        RelayState(at_s, {name: StageState(1, 1, 0, 0, 1 + (at_s > 5)) for name in STAGES}) for at_s in range(1, 10)
    ]
    return TrialSamples(Trial(number, "poisson", rate, 0, requests, 60.0, 30.0, 0.1, standings), samples)


def made_run(trials, objectives=("p95=2s",), peak=None, **changes):
    run = LoadRun(
        name="fakes <of tests>",
        command=["--rate", "1"],
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
    run.take_in(trials)
    return run


def saved(folder, trials, **changes):
    folder.mkdir(exist_ok=True)
    run = made_run(trials, **changes)
    save(folder, run, trials)
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
    assert status(run) == EXIT_INVALID


def test_a_run_in_which_nothing_ended_well_has_a_report(tmp_path):
    run, page = written(tmp_path, [made_trial(0, 1.0, outcome="rejected")])
    assert "55 rejected" in page
    assert "No request ended well" in page
    assert status(run) == EXIT_MISSED


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
        ({"objectives": ("p95=100ms",)}, EXIT_MISSED),
        ({"peak": Peak(None, 1.0, 3)}, EXIT_MISSED),
        ({"peak": Peak(1.0, None, 3), "objectives": ("p95=100ms",)}, 0),
        ({"interrupted": INTERRUPTED}, EXIT_INTERRUPTED),
        ({"interrupted": "the relay failed"}, EXIT_MISSED),
    ],
)
def test_the_exit_status_says_how_it_went(changes, expected):
    assert status(made_run([made_trial(0, 1.0)], **changes)) == expected


@pytest.mark.parametrize("name", ["samples.jsonl", "samples.parquet"])
def test_a_run_comes_back_with_the_same_figures(tmp_path, name):
    trials = [made_trial(0, 1.0), made_trial(1, 1.0), made_trial(2, 2.0)]
    run = made_run(trials)
    run.samples = name
    save(tmp_path, run, trials)
    again, trials_again = load(tmp_path)
    assert again == run
    assert trials_again == trials


def test_a_comparison_shows_what_differs_and_what_may_be_chance(tmp_path, capsys):
    saved(tmp_path / "one", [made_trial(0, 1.0), made_trial(1, 2.0)])
    saved(tmp_path / "other", [made_trial(0, 1.0, slower=3.0), made_trial(1, 4.0)])
    assert compare.main([str(tmp_path / "one"), str(tmp_path / "other"), "--output", str(tmp_path / "both")]) == 0
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
    assert compare.main([str(tmp_path / "one"), str(tmp_path / "one")]) == 0
    printed = capsys.readouterr().out
    assert "worse" not in printed
    assert "better" not in printed


def test_a_folder_without_a_run_is_refused(tmp_path, capsys):
    assert compare.main([str(tmp_path), str(tmp_path)]) == 2
    assert "holds no run" in capsys.readouterr().err
    with pytest.raises(ConfigError):
        load(tmp_path)
