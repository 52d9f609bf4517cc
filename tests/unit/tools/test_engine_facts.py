# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about versions of the engine survives being read, added to and written."""

from __future__ import annotations

from pathlib import Path

import engine_facts
import pytest

DATA = Path(__file__).parents[3] / "plugins/module_utils/_domain"
SOURCES = {
    "vllm_flags.py": (
        '"""Words."""\n\nVERSIONS = """\n0.8.5 0.8.5.post1 0.9.0 0.10.0\n"""\n\n'
        'FLAGS = """\ndtype\nnew 0.9.0\nold - 0.9.0\nshort 0.8.5.post1 0.9.0\n"""\n'
    ),
    "vllm_environment.py": 'VARIABLES = """\nAPI_KEY\n"""\n',
    "vllm_choices.py": (
        'CHOICES = {\n    "quantization": """\nfp8\nmxfp4 0.10.0\n""",\n    "kv_cache_dtype": """\nauto\n""",\n}\n'
    ),
}


def facts_of(version: str, *flags: str) -> engine_facts.Facts:
    tables = {"flags": flags, "env": ("API_KEY",), "quantization": ("fp8", "mxfp4"), "kv_cache_dtype": ("auto",)}
    return {name: {version: frozenset(names)} for name, names in tables.items()}


def written_flags(facts: engine_facts.Facts) -> list[str]:
    text = engine_facts.write_blocks(SOURCES, facts)["vllm_flags.py"]
    return text.split('FLAGS = """\n')[1].split('"""')[0].splitlines()


def test_reading_and_writing_the_shipped_data_reproduces_every_byte():
    sources = {file: (DATA / file).read_text(encoding="utf-8") for file in SOURCES}
    assert engine_facts.write_blocks(sources, engine_facts.read_blocks(sources)) == sources


def test_reading_expands_ranges_to_the_names_of_each_version():
    assert engine_facts.read_blocks(SOURCES)["flags"] == {
        "0.8.5": {"dtype", "old"},
        "0.8.5.post1": {"dtype", "old", "short"},
        "0.9.0": {"dtype", "new"},
        "0.10.0": {"dtype", "new"},
    }


def test_merge_of_a_newer_version_marks_what_came_and_what_went():
    stored = engine_facts.read_blocks(SOURCES)
    merged = engine_facts.merge(stored, facts_of("0.11.0", "dtype", "fresh"))
    assert written_flags(merged) == [
        "dtype",
        "fresh 0.11.0",
        "new 0.9.0 0.11.0",
        "old - 0.9.0",
        "short 0.8.5.post1 0.9.0",
    ]
    assert "0.10.0 0.11.0\n" in engine_facts.write_blocks(SOURCES, merged)["vllm_flags.py"]


def test_merge_of_a_version_in_between_is_sorted_in_by_number_and_not_by_letter():
    stored = engine_facts.read_blocks(SOURCES)
    merged = engine_facts.merge(stored, facts_of("0.9.2", "dtype", "new", "fresh"))
    assert "0.9.0 0.9.2 0.10.0\n" in engine_facts.write_blocks(SOURCES, merged)["vllm_flags.py"]
    assert "fresh 0.9.2 0.10.0" in written_flags(merged)


def test_a_name_that_left_and_came_back_has_a_line_for_each_range():
    stored = engine_facts.read_blocks(SOURCES)
    merged = engine_facts.merge(stored, facts_of("0.11.0", "dtype", "old"))
    assert [line for line in written_flags(merged) if line.startswith("old")] == ["old - 0.9.0", "old 0.11.0"]
    texts = engine_facts.write_blocks(SOURCES, merged)
    assert engine_facts.read_blocks(texts) == merged


def test_merge_of_a_version_that_is_there_replaces_what_was_said_of_it():
    stored = engine_facts.read_blocks(SOURCES)
    merged = engine_facts.merge(stored, {"flags": {"0.10.0": frozenset({"dtype"})}})
    assert "new 0.9.0 0.10.0" in written_flags(merged)
    assert engine_facts.compare(stored, merged) == ["flags: 0.10.0 has also nothing and has not ['new']"]


def test_merge_of_the_same_facts_again_changes_nothing():
    stored = engine_facts.read_blocks(SOURCES)
    once = engine_facts.merge(stored, facts_of("0.11.0", "dtype", "fresh"))
    texts = engine_facts.write_blocks(SOURCES, once)
    again = engine_facts.merge(engine_facts.read_blocks(texts), facts_of("0.11.0", "dtype", "fresh"))
    assert engine_facts.write_blocks(texts, again) == texts
    assert engine_facts.compare(once, again) == []


def test_merge_refuses_a_new_version_of_which_only_a_part_is_known():
    with pytest.raises(ValueError, match=r"0\.11\.0 is new here, and the facts about it lack env, quantization"):
        engine_facts.merge(engine_facts.read_blocks(SOURCES), {"flags": {"0.11.0": frozenset({"dtype"})}})


def test_compare_says_how_much_a_new_version_has():
    stored = engine_facts.read_blocks(SOURCES)
    sentences = engine_facts.compare(stored, engine_facts.merge(stored, facts_of("0.11.0", "dtype", "fresh")))
    assert sentences[0] == "flags: 0.11.0 is new, with 2 names"


def test_read_json_takes_ranges_over_the_versions_read_and_leaves_foreign_variables_out():
    facts = engine_facts.read_json(
        {
            "versions_read": ["0.9.0", "0.10.0"],
            "flags": {"--dtype": {"since": None}, "--old": {"since": None, "removed_in": "0.10.0"}},
            "env": {"VLLM_API_KEY": {"since": "0.10.0"}, "CUDA_HOME": {"since": None}},
            "quantization": {"0.9.0": ["fp8"], "0.10.0": ["fp8"]},
        }
    )
    assert facts == {
        "flags": {"0.9.0": {"dtype", "old"}, "0.10.0": {"dtype"}},
        "env": {"0.9.0": frozenset(), "0.10.0": {"API_KEY"}},
        "quantization": {"0.9.0": {"fp8"}, "0.10.0": {"fp8"}},
    }


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"flags": {}}, "versions_read: a list"),
        ({"versions_read": ["0.9.0"]}, "none of flags, env"),
        ({"versions_read": ["0.9.0"], "flags": ["--x"]}, "flags: a map"),
        ({"versions_read": ["0.9.0"], "flags": {"--x": {"until": "1"}}}, "flags.--x: {'until': '1'} is not"),
        ({"versions_read": ["0.9.0.dev3"], "flags": {}}, "'0.9.0.dev3' is not a release"),
        ({"versions_read": ["0.9.0"], "kv_cache_dtype": {"main": ["auto"]}}, "'main' is not a release"),
    ],
)
def test_read_json_refuses_what_is_no_facts_and_names_the_place(document, message):
    with pytest.raises(ValueError, match="^" + message.replace("{", r"\{").replace(".", r"\.")):
        engine_facts.read_json(document)


def test_reading_refuses_a_data_file_without_its_block():
    with pytest.raises(ValueError, match=r"vllm_environment\.py: no line VARIABLES"):
        engine_facts.read_blocks({**SOURCES, "vllm_environment.py": ""})


def test_versions_are_sorted_with_their_post_releases():
    versions = ["0.10.1.1", "0.9.0", "0.10.1", "0.8.5.post1", "0.8.5", "0.10.2"]
    assert sorted(versions, key=engine_facts.version_key) == [
        "0.8.5",
        "0.8.5.post1",
        "0.9.0",
        "0.10.1",
        "0.10.1.1",
        "0.10.2",
    ]
