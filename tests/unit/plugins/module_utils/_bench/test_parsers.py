# Copyright: (c) 2026, The llmops.kubernetes contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parsers of streams and answers find the same in every split of the bytes, and are bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.answer import JsonBody, StreamBody, read_error
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.http1 import ResponseParser
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.record import classify, split_stamps
from ansible_collections.llmops.kubernetes.plugins.module_utils._bench.sse import EventParser, StreamError
from hypothesis import given
from hypothesis import strategies as st

CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def pieces(content: bytes, cuts: list[int]) -> list[bytes]:
    """Return the content, cut at some places."""
    places = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    return [content[begin:end] for begin, end in zip(places, places[1:])]


def chunked(*parts: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def feed_all(parser: EventParser | ResponseParser, parts: list[bytes]) -> None:
    for part in parts:
        parser.feed(part)


def event(**message: Any) -> bytes:
    return b"data: " + json.dumps(message).encode() + b"\n\n"


def delta(text: str | None = None, reason: str | None = None, **more: Any) -> bytes:
    content = {} if text is None else {"content": text}
    return event(model="tiny", choices=[{"index": 0, "delta": content, "finish_reason": reason}], **more)


USAGE = event(model="tiny", choices=[], usage={"prompt_tokens": 9, "completion_tokens": 2})
DONE = b"data: [DONE]\n\n"
GOOD = [delta(""), delta("a"), delta("b", "length"), USAGE, DONE]


# Events


@given(
    texts=st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)),
    ends=st.sampled_from([b"\n", b"\r\n"]),
    cuts=st.lists(st.integers(0, 10_000), max_size=40),
)
def test_events_are_the_same_in_every_split(texts: list[str], ends: bytes, cuts: list[int]) -> None:
    content = b"".join(b"data: " + text.encode() + ends + b": a comment" + ends + ends for text in texts)
    parser = EventParser()
    found = [each for piece in pieces(content, cuts) for each in parser.feed(piece)]
    assert found == [text.encode() for text in texts]
    assert not parser.pending


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_a_stream_is_read_the_same_byte_by_byte(size: int) -> None:
    content = b"".join(GOOD)
    parser = EventParser()
    found = [each for begin in range(0, len(content), size) for each in parser.feed(content[begin : begin + size])]
    assert b"".join(b"data: " + each + b"\n\n" for each in found) == content


@pytest.mark.parametrize(
    ("content", "events"),
    [
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data\n\n", [b""]),
        (b"event: x\nid: 1\nretry: 2\ndata: a\n\n", [b"a"]),
        (b"\n\n\n", []),
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\n", [b"a"]),
    ],
)
def test_events_follow_the_standard(content: bytes, events: list[bytes]) -> None:
    assert EventParser().feed(content) == events


def test_what_no_empty_line_ends_is_pending() -> None:
    parser = EventParser()
    assert parser.feed(b"data: a\n") == []
    assert parser.pending


@pytest.mark.parametrize("content", [b"x" * 101, b"data: " + b"x" * 200 + b"\n\n", b"\ndata: " + b"x" * 200])
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_line_is_bounded(content: bytes, size: int) -> None:
    parser = EventParser(100)
    with pytest.raises(StreamError, match="larger than 100 bytes") as raised:
        feed_all(parser, [content[begin : begin + size] for begin in range(0, len(content), size)])
    assert raised.value.kind == "too_large"


def test_an_event_of_many_lines_is_bounded() -> None:
    parser = EventParser(100)
    with pytest.raises(StreamError, match="larger than 100 bytes"):
        feed_all(parser, [b"data: 123\n"] * 20)


# HTTP


@given(
    parts=st.lists(st.binary(min_size=1, max_size=40), max_size=8), cuts=st.lists(st.integers(0, 10_000), max_size=40)
)
def test_a_chunked_body_is_the_same_in_every_split(parts: list[bytes], cuts: list[int]) -> None:
    parser = ResponseParser()
    found = b"".join(each for piece in pieces(CHUNKED + chunked(*parts), cuts) for each in parser.feed(piece))
    assert found == b"".join(parts)
    assert parser.done
    assert parser.keeps_connection
    assert not parser.surplus


@given(cuts=st.lists(st.integers(0, 10_000), max_size=40))
def test_interim_answers_extensions_and_trailers_are_skipped(cuts: list[int]) -> None:
    content = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + CHUNKED + b"3;a=b\r\nabc\r\n0\r\nx: y\r\nz: y\r\n\r\n"
    parser = ResponseParser()
    assert b"".join(each for piece in pieces(content, cuts) for each in parser.feed(piece)) == b"abc"
    assert (parser.status, parser.done) == (200, True)


def feed(head: str, body: bytes = b"") -> tuple[ResponseParser, bytes]:
    parser = ResponseParser()
    return parser, b"".join(parser.feed(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body))


def test_a_body_ends_with_its_length_and_what_follows_is_surplus() -> None:
    parser, body = feed("HTTP/1.1 200 OK\ncontent-length: 3", b"abcd")
    assert (body, parser.done, parser.surplus) == (b"abc", True, True)


def test_what_follows_the_last_chunk_is_surplus() -> None:
    parser, body = feed("HTTP/1.1 200 OK\ntransfer-encoding: chunked", b"3\r\nabc\r\n1;a=b\r\nd\r\n0\r\n\r\nHTTP")
    assert (body, parser.done, parser.surplus) == (b"abcd", True, True)


def test_a_body_of_no_length_ends_with_the_connection() -> None:
    parser, body = feed("HTTP/1.1 200 OK", b"abc")
    assert (body, parser.done, parser.keeps_connection) == (b"abc", False, False)
    assert parser.end()


def test_the_end_of_the_connection_makes_no_other_body_whole() -> None:
    parser, _body = feed("HTTP/1.1 200 OK\ncontent-length: 4", b"abc")
    assert not parser.end()
    assert parser.begun


@pytest.mark.parametrize(
    ("head", "keeps"),
    [
        ("HTTP/1.1 200 OK\ncontent-length: 0", True),
        ("HTTP/1.1 200 OK\ncontent-length: 0\nConnection: close", False),
        ("HTTP/1.0 200 OK\ncontent-length: 0", False),
        ("HTTP/1.0 200 OK\ncontent-length: 0\nconnection: Keep-Alive", True),
        ("HTTP/1.1 204 No Content", True),
    ],
)
def test_the_connection_is_kept_as_the_head_says(head: str, keeps: bool) -> None:
    parser, _body = feed(head)
    assert (parser.done, parser.keeps_connection) == (True, keeps)


@pytest.mark.parametrize(
    ("head", "body", "kind", "words"),
    [
        ("SSH-2.0-x", b"", "malformed", "no answer in HTTP/1.1"),
        ("HTTP/1.1 20x OK", b"", "malformed", "no answer in HTTP/1.1"),
        ("HTTP/2 200", b"", "malformed", "no answer in HTTP/1.1"),
        ("HTTP/1.1 200 OK\nnothing", b"", "malformed", "without a colon"),
        ("HTTP/1.1 200 OK\ncontent-length: -1", b"", "malformed", "no number"),
        ("HTTP/1.1 200 OK\ncontent-length: 1\ncontent-length: 2", b"", "malformed", "no number"),
        ("HTTP/1.1 200 OK\ntransfer-encoding: gzip", b"", "malformed", "not supported"),
        ("HTTP/1.1 200 OK\ntransfer-encoding: chunked", b"+1\r\na\r\n", "malformed", "no size of a chunk"),
        ("HTTP/1.1 200 OK\ntransfer-encoding: chunked", b"zz\r\na\r\n", "malformed", "no size of a chunk"),
        ("HTTP/1.1 200 OK\ntransfer-encoding: chunked", b"1\r\nabc\r\n", "malformed", "longer than its size"),
        ("HTTP/1.1 200 OK\ntransfer-encoding: chunked", b"1" * 2000, "too_large", "chunk's size is larger"),
        ("HTTP/1.1 200 OK\ntransfer-encoding: chunked", b"0\r\n" + b"x" * 70000, "too_large", "trailer is larger"),
        ("HTTP/1.1 200 OK\nx: " + "y" * 70000, b"", "too_large", "head of the answer is larger"),
        ("HTTP/1.1 100 Continue\n\n" * 9 + "HTTP/1.1 200 OK", b"", "malformed", "interim answers"),
    ],
)
def test_what_is_malformed_or_too_large_is_an_error(head: str, body: bytes, kind: str, words: str) -> None:
    with pytest.raises(StreamError, match=words) as raised:
        feed(head, body)
    assert raised.value.kind == kind


@pytest.mark.parametrize(
    "head", [CHUNKED, b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
)
def test_a_body_is_bounded_as_a_whole(head: bytes) -> None:
    parser = ResponseParser(body_bytes_max=100)
    parser.feed(head)
    with pytest.raises(StreamError, match="larger than 100 bytes"):
        feed_all(parser, [b"a\r\n0123456789\r\n"] * 20)


# What an answer says


def read(*events: bytes) -> tuple[StreamBody, Any]:
    body = StreamBody()
    for number, each in enumerate(events):
        body.feed(each, float(number))
    return body, body.close()


def kind_of(*events: bytes) -> str:
    body, finding = read(*events)
    return classify(finding, "tiny", len(body.stamps))[0]


def test_the_first_content_and_not_the_role_starts_the_tokens() -> None:
    body, finding = read(*GOOD)
    assert list(body.stamps) == [1.0, 2.0]
    assert (finding.model, finding.finish_reason) == ("tiny", "length")
    assert (finding.prompt_tokens, finding.completion_tokens) == (9, 2)
    assert body.done_stamp_seconds == 4.0
    assert classify(finding, "tiny", 2) == ("ok", "")


@pytest.mark.parametrize("key", ["content", "reasoning_content", "reasoning"])
def test_reasoning_is_content_too(key: str) -> None:
    body, _finding = read(event(choices=[{"delta": {key: "x"}}]), event(choices=[{"delta": {key: ""}}]))
    assert list(body.stamps) == [0.0]


@pytest.mark.parametrize(("content", "count"), [('"x"', 1), ('"\\"x"', 1), ('""', 0), ('"","reasoning":"x"', 1)])
def test_content_is_found_where_json_has_no_blanks(content: str, count: int) -> None:
    body, _finding = read(b'data: {"choices":[{"delta":{"content":%s}}]}\n\n' % content.encode())
    assert len(body.stamps) == count


def test_a_tool_call_is_content() -> None:
    call = {"index": 0, "function": {"name": "", "arguments": "{"}}
    assert len(read(event(choices=[{"delta": {"tool_calls": [call]}}]))[0].stamps) == 1


def test_text_that_looks_like_a_key_is_no_special_event() -> None:
    nasty = 'say "error": "finish_reason": "abort" and "usage": {"content": "x"}'
    body, finding = read(delta(""), delta(nasty), *GOOD[2:])
    assert len(body.stamps) == 2
    assert (finding.kind, finding.finish_reason) == (None, "length")


@given(text=st.text(min_size=1, max_size=60))
def test_any_text_is_content_and_nothing_else(text: str) -> None:
    body, finding = read(delta(text), delta("", "stop"), USAGE, DONE)
    assert len(body.stamps) == 1
    assert finding.kind is None


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        (GOOD[:-1], "truncated"),
        (GOOD[:2], "missing_finish_reason"),
        ([*GOOD[:2], DONE], "missing_finish_reason"),
        ([*GOOD[:3], DONE], "missing_usage"),
        ([delta("a"), delta("b", "abort"), USAGE, DONE], "finish_abort"),
        ([delta("a"), delta("b", "error"), USAGE, DONE], "finish_error"),
        ([delta("a"), delta("b", "tired"), USAGE, DONE], "finish_other"),
        ([delta("a"), event(error={"message": "out of memory"}), DONE], "stream_error"),
        ([delta(""), delta("", "stop"), USAGE, DONE], "no_content"),
        ([*GOOD[:-1], DONE[:-1]], "truncated"),
        ([delta("a"), delta("b"), delta("c", "stop"), USAGE, DONE], "wrong_usage"),
        (
            [delta("a"), delta("b", "stop"), event(usage={"prompt_tokens": True, "completion_tokens": 2}), DONE],
            "missing_usage",
        ),
        ([b"data: {\n\n", DONE], "malformed"),
        ([b"data: [1]\n\n", DONE], "malformed"),
        ([b'data: {"choices": 3}\n\n', DONE], "malformed"),
        ([DONE], "malformed"),
        ([], "malformed"),
    ],
)
def test_every_broken_stream_has_its_class(events: list[bytes], kind: str) -> None:
    assert kind_of(*events) == kind


def test_another_models_answer_is_no_success() -> None:
    assert classify(read(*GOOD)[1], "large", 2) == ("wrong_model", "the answer is of model 'tiny' in place of 'large'")


def test_usage_in_every_event_is_kept_within_bounds_and_the_last_one_counts() -> None:
    events = [delta("a", usage={"prompt_tokens": 9, "completion_tokens": number}) for number in range(1, 500)]
    body, finding = read(*events, delta("b", "stop", usage={"prompt_tokens": 9, "completion_tokens": 500}), DONE)
    assert (len(body.stamps), finding.completion_tokens, finding.kind) == (500, 500, None)


def test_an_answer_in_one_piece_has_no_times_of_tokens() -> None:
    body = JsonBody()
    choice = {"message": {"content": "a"}, "finish_reason": "stop"}
    content = json.dumps({"model": "tiny", "choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
    body.feed(content[:9].encode(), 1.0)
    body.feed(content[9:].encode(), 2.0)
    finding = body.close()
    assert classify(finding, "tiny", 0) == ("ok", "")
    assert (len(body.stamps), body.done_stamp_seconds) == (0, 2.0)


@pytest.mark.parametrize(
    ("content", "kind"), [(b"{", "malformed"), (b"{}", "missing_finish_reason"), (b'{"error": "no"}', "stream_error")]
)
def test_a_broken_answer_in_one_piece_has_its_class(content: bytes, kind: str) -> None:
    body = JsonBody()
    body.feed(content, 0.0)
    assert body.close().kind == kind


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"error": {"message": "busy", "code": 429}}', "busy"),
        (b'{"error": "Unauthorized"}', "Unauthorized"),
        (b'{"message": "busy"}', "busy"),
        (b"<html>", "<html>"),
        (b"[1]", "[1]"),
        (b"\xff", "\ufffd"),
        (b"x" * 500, "x" * 200),
    ],
)
def test_the_words_of_an_error_are_its_message_or_its_beginning(content: bytes, words: str) -> None:
    assert read_error(content) == words


def test_gaps_within_one_read_are_zero_and_counted() -> None:
    body, _finding = read(delta("a") + delta("b"), delta("c"))
    gaps, merged = split_stamps(body.stamps)
    assert (list(gaps), merged) == ([0.0, 1.0], 1)
