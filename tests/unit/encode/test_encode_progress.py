"""The bar shows itself only when work lasts."""

import pytest

from tcf.encode.progress import LazyBar


def test_short_and_silenced_work_shows_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with LazyBar(3, "Encoding texts") as bar:
        bar.advance(3)
    with LazyBar(3, "Encoding texts", shown=False, after_seconds=0.0) as bar:
        bar.advance(3)
    assert capfd.readouterr() == ("", "")


def test_long_work_shows_a_bar_on_stderr(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with LazyBar(3, "Encoding texts", after_seconds=0.0) as bar:
        bar.advance(2)
    out, err = capfd.readouterr()
    assert out == ""
    assert "Encoding texts" in err
    assert "2/3" in err


def test_the_words_before_the_bar_may_change(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with LazyBar(3, "first", after_seconds=0.0) as bar:
        bar.describe("a size")
        bar.advance(2)
        bar.describe("a size, validation loss 5.123")
    assert "validation loss 5.123" in capfd.readouterr().err
