"""What the macros of ui.html draw: text stays text, fields name their errors, every form has its token."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

HOSTILE = """<img src=x onerror="go()">'"""


@pytest.mark.parametrize(
    "call",
    [
        "ui.status('draft', x)",
        "ui.tag(x)",
        "ui.tag('t', x)",
        "ui.tags([x])",
        "ui.monogram(x)",
        "ui.breadcrumb(x, (x, x))",
        "ui.button(x, keys=x, attrs={'title': x})",
        "ui.button_link(x, x)",
        "ui.icon_button('x', x)",
        "ui.post_button(x, x, fields={'a': x}, label=x)",
        "ui.copy(x)",
        "ui.field('a', x, x, error=x, hint=x, note=x)",
        "ui.textarea('a', x, x, error=x, hint=x)",
        "ui.select('a', [x, (x, x), (x, [(x, x)])], x)",
        "ui.check('a', x, hint=x)",
        "ui.radios('a', [(x, x)], x, x)",
        "ui.prompt_input('a', x, x, [x], note=x)",
        "ui.search('q', x, x, x)",
        "ui.filter_select('s', x, [(x, x)])",
        "ui.filter_chip('c', x, x)",
        "ui.filter_choice(x, 'c', [(x, x)])",
        "ui.segmented(x, [(x, x, True)])",
        "ui.tabs(x, [(x, x, True)])",
        "ui.load_more('more', x, x, '#rows', x)",
        "ui.menu_link(x, x)",
        "ui.menu_post(x, x, fields={'a': x})",
        "ui.dialog_link(x, x)",
        "ui.confirm('c', x, x, x, x, x, typed=x)",
        "ui.notice('info', x, x)",
        "ui.notice('info', x, x, inline=True)",
        "ui.toast('bad', x, x, x)",
        "ui.empty_state(x, x)",
        "ui.pairs([(x, x)])",
        "ui.facts([(x, x, x)])",
        "ui.highlighted([('text', x), ('variable', x), ('missing', x)])",
        "ui.rendered_part(x, [('variable', x)])",
    ],
)
def test_what_people_and_models_write_stays_text(draw, call):
    html = draw("{{ " + call + " }}", x=HOSTILE)
    assert "<img" not in html
    assert HOSTILE not in html
    assert not re.search(r"<[^>]*\sonerror=\"go", html)


def test_a_field_names_its_hint_and_its_error(draw):
    html = draw("{{ ui.field('slug', 'Slug', 'a b', error='No spaces.', hint='Part of the address.', required=True) }}")
    assert 'aria-describedby="slug-hint slug-error"' in html
    assert '<p class="field-hint" id="slug-hint">Part of the address.</p>' in html
    assert '<p class="field-error" id="slug-error" role="alert">No spaces.</p>' in html
    assert ' aria-invalid="true"' in html
    assert re.search(r"\srequired\b", html)


def test_a_field_without_an_error_says_nothing_of_one(draw):
    html = draw("{{ ui.field('slug', 'Slug') }}")
    assert "aria-invalid" not in html
    assert "aria-describedby" not in html
    assert 'value=""' in html


def test_a_text_that_begins_with_a_line_break_keeps_it(draw):
    html = draw("{{ ui.textarea('body', 'Body', value) }}", value="\n\nHello")
    assert ">\n\n\nHello</textarea>" in html, "the browser drops the first one"


def test_the_highlight_layer_holds_the_text_of_its_textarea(draw):
    html = draw("{{ ui.prompt_input('body', 'Body', value) }}", value="Hi {{name}}\n  there")
    assert '<pre aria-hidden="true">\nHi {{name}}\n  there\n</pre>' in html
    assert ">\nHi {{name}}\n  there</textarea>" in html


def test_the_chosen_option_is_selected_whatever_its_type(draw):
    html = draw("{{ ui.select('n', [('', 'Any'), ('30', '30 days'), ('More', [('90', '90 days')])], 'N', 90) }}")
    assert '<option value="90" selected>90 days</option>' in html
    assert html.count(" selected") == 1
    assert '<optgroup label="More">' in html


@pytest.mark.parametrize(
    "call", ["ui.post_button('Go', '/x')", "ui.menu_post('Go', '/x')", "ui.confirm('c', 'T', 't', '/x', 'Go', '/')"]
)
def test_each_form_of_the_macros_has_its_token(draw, call):
    assert re.search(r'name="csrf_token" value="[\w.-]{40,}"', draw("{{ " + call + " }}"))


def test_a_time_has_its_words_and_its_exact_value(draw):
    when = datetime(2026, 3, 18, 14, 3, 5, tzinfo=UTC)
    html = draw("{{ ui.time(when) }}", when=when)
    assert 'datetime="2026-03-18T14:03:05Z"' in html
    assert 'title="18 Mar 2026, 14:03 UTC"' in html
    assert html.endswith("ago</time>")
    assert draw("{{ ui.time(none) }}") == "never"
    assert draw("{{ ui.time(none, 'not yet') }}") == "not yet"


def test_a_bad_toast_is_an_alert_and_a_good_one_a_status(draw):
    assert 'role="alert"' in draw("{{ ui.toast('bad', 'No') }}")
    assert 'role="status"' in draw("{{ ui.toast('good', 'Yes') }}")


def test_the_last_page_takes_the_button_away(draw):
    more = draw("{{ ui.next_page('more', '/x?cursor=2', '/x/_more?cursor=2', '#rows') }}")
    assert 'hx-swap="outerHTML"' in more
    assert 'href="/x?cursor=2"' in more
    last = draw("{{ ui.next_page('more') }}")
    assert 'hx-swap="delete"' in last
    assert "<a" not in last


def test_a_dialog_that_destroys_begins_at_cancel(draw):
    html = draw("{{ ui.confirm('c', 'Delete?', 'For good.', '/delete', 'Delete', '/back') }}")
    assert re.search(r'<a href="/back"[^>]*\sautofocus', html)
    assert 'data-variant="destructive"' in html
    typed = draw("{{ ui.confirm('c', 'Delete?', 'For good.', '/delete', 'Delete', '/back', typed='acme') }}")
    assert re.search(r'<input[^>]*name="typed"[^>]*\sautofocus', typed)
    assert not re.search(r'<a href="/back"[^>]*\sautofocus', typed)
