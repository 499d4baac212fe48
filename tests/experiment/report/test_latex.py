"""The LaTeX table, line by line by hand."""

from tests.experiment.runs import finished_run
from yolo_attn.experiment.report.latex import escape, table


def test_the_table_has_booktabs_rules_and_one_row_for_each_model():
    runs = [finished_run("plain", 0, 10, official=False), finished_run("plain", 1, 12, official=False)]
    runs += [finished_run("my_ema", 0, 12, official=False), finished_run("my_ema", 1, 16, official=False)]
    assert table(["plain", "my_ema", "eca"], runs).splitlines()[2:] == [
        r"\begin{tabular}{lrrrrrrr}",
        r"\toprule",
        r"model & parameters (M) & GFLOPs & mAP50 & mAP50-95 & $\Delta$ mAP50-95 [95\,\%] & latency (ms) & $n$ \\",
        r"\midrule",
        r"plain & 2.00 & 7.25 & $22.00 \pm 2.83$ & $5.50 \pm 0.71$ & -- & $5.5 \pm 0.7$ & 2 \\",
        # differences 1 and 2: mean 1.5, half width 12.706 * sqrt(0.5) / sqrt(2) = 6.353
        r"my\_ema & 2.00 & 7.25 & $28.00 \pm 5.66$ & $7.00 \pm 1.41$ & $+1.50\ [-4.85, +7.85]$ & $5.5 \pm 0.7$ & 2 \\",
        r"eca & -- & -- & -- & -- & -- & -- & 0 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_one_model_has_no_difference():
    assert r"$\Delta$" not in table(["plain"], [finished_run("plain", 0)])


def test_what_latex_reads_as_a_command_is_escaped():
    assert escape(r"a_b&c%d$e#f{g}~^\h") == (
        r"a\_b\&c\%d\$e\#f\{g\}\textasciitilde{}\textasciicircum{}\textbackslash{}h"
    )
