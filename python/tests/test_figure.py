"""Figures: the command's, to the last byte."""

import pytest
from conftest import ADAPTERS, command, factors

import lorascope as ls

PAIR = [ADAPTERS / "seed0-r64-layer5", ADAPTERS / "seed1-r64-layer5"]


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_a_saved_figure_shows_what_the_commands_does(tmp_path, suffix):
    path = tmp_path / f"fig4.{suffix}"
    figure = ls.figure(*PAIR, projections=["v"], width="text", vmax="auto")
    figure.save(path)
    ran = command("figure", *PAIR, "--projections", "v", "--width", "text", "--vmax", "auto", "-o", tmp_path / f"other.{suffix}")
    assert ran.returncode == 0 and figure.text == ran.stdout
    found, wanted = path.read_bytes(), (tmp_path / f"other.{suffix}").read_bytes()
    # They differ in the recipe that they record, and in nothing else.
    assert found[:8] == wanted[:8] and abs(len(found) - len(wanted)) < 200


def test_a_figure_of_the_same_options_has_the_same_bytes(tmp_path):
    figure = ls.figure(*PAIR)
    command("figure", *PAIR, "--kind", "seeds", "-o", tmp_path / "figure.png", "--format", "png")
    found, wanted = figure.to_bytes("png"), (tmp_path / "figure.png").read_bytes()
    assert found[-2000:] == wanted[-2000:]


def test_a_notebook_shows_it():
    figure = ls.compare(*PAIR, side="b").figure()
    assert figure._repr_png_().startswith(b"\x89PNG\r\n\x1a\n")
    assert figure._repr_svg_().startswith("<svg ")
    # A screen's resolution, not that of print.
    assert len(figure._repr_png_()) < len(figure.to_bytes("png"))
    assert repr(figure) == f"Figure(seeds of {PAIR[0]}, {PAIR[1]})"


def test_a_comparison_draws_its_own_side_and_what_is_in_memory():
    compared = ls.compare(*PAIR, side="b")
    assert compared.figure().text == ls.figure(*PAIR, side="b").text
    assert compared.figure().text != ls.figure(*PAIR).text
    figure = ls.compare(factors(1, modules=5), factors(2, modules=5)).figure(projections=["q"], layer="all")
    assert "layers.4.self_attn.q_proj" in figure.text


def test_other_kinds_are_drawn():
    for kind, checkpoints in [("spectra", PAIR[:1]), ("layer-map", PAIR), ("ranks", [ADAPTERS / "seed0-r8-layer5", PAIR[0]])]:
        assert ls.figure(*checkpoints, kind=kind).to_bytes("pdf").startswith(b"%PDF-"), kind


def test_what_is_wrong_is_told_when_it_is_asked_for():
    with pytest.raises(ls.InvalidError, match="palette"):
        ls.figure(*PAIR, palette="mauve")
    with pytest.raises(ls.InvalidError, match="kind"):
        ls.figure(*PAIR, kind="pie")
    with pytest.raises(ls.Error, match="two checkpoints"):
        ls.figure(PAIR[0])
    with pytest.raises(ls.Error, match="colour"):
        ls.figure(*PAIR, colour="red")
    with pytest.raises(ls.Error, match="jpg"):
        ls.figure(*PAIR).save("figure.jpg")
