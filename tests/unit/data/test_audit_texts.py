"""What the audit says of texts whose faults are known."""

import numpy as np
import pytest

from tcf.data import Finding, near_duplicates
from tcf.data import audit_texts as texts_
from tcf.data.audit_texts import TextFacts
from tcf.data.minhash import jaccard
from tcf.data.scripts import SCRIPTS, letters_by_script


def said(finding: Finding) -> tuple[str, str]:
    return finding.verdict, finding.found


def plain(count: int) -> list[str]:
    """Texts of as many words as digits, of many lengths, all of them different."""
    return [" ".join(["word", *str(n)]) + " " + "x" * (n % 40) for n in range(count)]


class TestReadable:
    def test_blank_and_broken_texts_are_named_by_position(self):
        assert said(texts_.readable_texts(["a", "b"])) == ("ok", "all of 2 texts")
        finding = texts_.readable_texts(["a", " ", "", "b\ud800"])
        assert said(finding) == (
            "problem",
            "3 of 4 are blank or not valid Unicode, at positions 1, 2, 3",
        )
        assert "drop these items" in finding.fix
        assert finding.figures == {"share_unreadable": 0.75}
        assert "0, 1, 2, 3, 4, ..." in texts_.readable_texts([""] * 6).found


class TestDuplicates:
    def test_they_matter_when_they_are_many(self):
        assert said(texts_.duplicate_texts(["a", "b"])) == ("ok", "none among 2 texts")
        finding = texts_.duplicate_texts(["a", "b", "b", "b", "a"])
        assert said(finding) == ("warning", "3 of 5 texts (60%) repeat another; 3 are 'b'")
        assert "add a field" in finding.fix
        assert finding.figures == {"share_surplus": 0.6}
        few = texts_.duplicate_texts([*map(str, range(99)), "7"])
        assert said(few) == ("ok", "1 of 100 texts (1%) repeat another; 2 are '7'")


class TestSimilar:
    def test_copies_with_a_change_are_counted_and_shown(self):
        texts = [
            "the long way home through the mountains",
            "A quiet evening by the sea with old friends",
            "the long way home through the mountains!",
            "something else altogether",
        ]
        finding = texts_.similar_texts(texts, seed=0)
        assert said(finding) == (
            "warning",
            "1 of 4 (25%) share 80% of their character triples with an earlier one, in 1 groups: "
            "'the long way home through the mountains' and "
            "'the long way home through the mountains!'",
        )
        assert finding.figures == {"share_surplus": 0.25, "num_groups": 1}
        assert "merge them" in finding.fix

    def test_different_texts_are_left_in_peace(self):
        finding = texts_.similar_texts(["one apple", "two pears", "three plums"], seed=0)
        assert said(finding) == (
            "ok",
            "0 of 3 (0%) share 80% of their character triples with an earlier one, in 0 groups",
        )


class TestNearDuplicates:
    def test_case_and_spacing_make_no_difference_and_blank_texts_are_like_none(self):
        found = near_duplicates(["Red  Car", "", "red car", " ", "RED CAR ", "blue"], seed=0)
        assert found.group.tolist() == [0, 1, 0, 3, 0, 5]
        assert (found.num_groups, found.num_surplus, len(found.links)) == (1, 2, 0)

    def test_a_chain_is_one_group(self):
        words = [f"word{n:02d}" for n in range(40)]
        texts = [" ".join(words[start : start + 30]) for start in range(0, 7, 2)]
        found = near_duplicates(texts, seed=0)
        assert found.group.tolist() == [0, 0, 0, 0]
        assert {tuple(link) for link in found.links.tolist()} >= {(0, 1), (1, 2), (2, 3)}
        assert jaccard(texts, np.array([[0, 3]]))[0] < 0.8  # alike through the others alone

    def test_similarity_is_exact(self):
        # " abcdefgh " has 8 triples, as the other; the two that hold the last letter differ.
        pairs = np.array([[0, 1], [0, 2], [3, 4]])
        texts = ["abcdefgh", "abcdefgx", "ABCDEFGH", "aaaaaa", "aaaa"]
        assert jaccard(texts, pairs).tolist() == [6 / 10, 1.0, 1.0]

    def test_thousands_of_one_kind_are_one_group(self):
        texts = [f"a long text that is the same but for its number, {n:04d}" for n in range(3000)]
        found = near_duplicates(texts, seed=0)
        assert found.num_groups == 1 and found.num_surplus == 2999

    def test_the_order_of_the_chunks_does_not_matter_and_progress_is_told(self, monkeypatch):
        texts = [f"{n % 50} of {n % 7} things in the box" for n in range(100)]
        whole = near_duplicates(texts, seed=0)
        heard: list[int] = []
        monkeypatch.setattr("tcf.data.hashing._CHUNK", 7)
        parts = near_duplicates(texts, seed=0, advance=heard.append)
        assert np.array_equal(whole.group, parts.group)
        assert heard == [7] * 14 + [2]

    def test_texts_shorter_than_a_shingle(self):
        assert near_duplicates(["a", "b", "a", "ab"], seed=0).group.tolist() == [0, 1, 0, 3]
        assert len(near_duplicates([], seed=0).group) == 0
        assert near_duplicates(["", " "], seed=0).group.tolist() == [0, 1]

    def test_a_threshold_out_of_range(self):
        with pytest.raises(ValueError, match=r"threshold must be above 0 and at most 1; got 0"):
            near_duplicates(["a"], seed=0, threshold=0)


class TestOneWord:
    def test_scripts_without_spaces_are_left_out(self):
        facts = TextFacts.of(["dress", "a dress", "周末在家做红烧肉", "เพลงรักในฤดูฝน", "dress"])
        finding = texts_.one_word_texts(facts)
        assert said(finding) == ("warning", "2 of 5 (40%)")
        assert finding.figures == {"share_one_word": 0.4}
        assert texts_.one_word_texts(TextFacts.of(plain(10))).verdict == "ok"


class TestCut:
    def test_an_ellipsis(self):
        finding = texts_.cut_texts(TextFacts.of([*plain(48), "went on and...", "so on… "]))
        assert said(finding)[0] == "warning"
        assert finding.found.startswith("2 of 50 (4%) end in an ellipsis; ")
        assert finding.figures["share_ellipsis"] == finding.figures["share_cut"] == 0.04

    def test_a_pile_at_the_greatest_length(self):
        whole = [f"{n} " + "word " * (5 + n % 9) for n in range(300)]
        thinning = whole + [f"{n} " + "word " * (14 + n % 4) for n in range(30)]
        assert texts_.cut_texts(TextFacts.of(thinning)).verdict == "ok"
        cut = texts_.cut_texts(TextFacts.of([text[:40] for text in whole]))
        assert cut.verdict == "warning"
        assert "have the greatest length, 40 characters, as if cut there" in cut.found
        assert cut.figures["longest_characters"] == 40
        assert cut.figures["share_cut"] == sum(len(text) >= 40 for text in whole) / 300

    def test_blank_texts_alone(self):
        assert texts_.cut_texts(TextFacts.of([""])).verdict == "ok"


class TestLanguages:
    def test_shares_of_scripts(self):
        facts = TextFacts.of(
            [
                "a blue dress",
                "Über die Brücke",
                "Война и мир",
                "猫の動画まとめ",
                "123 🎸",
                "mix 中文",
            ]
        )
        finding = texts_.language_mix(facts)
        assert finding.verdict == "warning"
        assert finding.found == (
            "mostly Latin 50%, no letters 16.7%, Cyrillic 16.7%, Han or kana 16.7%; "
            "50% hold letters that are not Latin, 16.7% several scripts"
        )
        assert finding.figures["share_not_latin"] == 0.5
        assert finding.figures["share_mostly_Cyrillic"] == pytest.approx(1 / 6)

    def test_english_alone(self):
        assert texts_.language_mix(TextFacts.of(plain(10))).verdict == "ok"

    @pytest.mark.parametrize(
        ("text", "script"),
        [
            ("łódź", "Latin"),
            ("ελληνικά", "Greek"),
            ("мир", "Cyrillic"),
            ("שיר", "Hebrew"),
            ("قصة", "Arabic"),
            ("हिंदी", "Indic"),
            ("เพลง", "Thai"),
            ("초보자", "Hangul"),
            ("ひらがな", "Han or kana"),
            ("周末", "Han or kana"),
            ("ＡＢＣ", "Latin"),
            ("አማርኛ", "other"),
            ("12, 3 (!)", "none"),
            ("🎸🎹", "none"),
        ],
    )
    def test_scripts(self, text: str, script: str):
        counts = dict(zip(SCRIPTS, letters_by_script([text])[0].tolist(), strict=True))
        assert counts == {**dict.fromkeys(SCRIPTS, 0), script: len(text), "none": counts["none"]}
        assert counts[script] or script == "none"
