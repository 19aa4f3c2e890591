"""How the time of templates grows, and what one preview costs beside Python's own string.Template; prints ratios of one run."""

from __future__ import annotations

import string
import sys
import time
from collections.abc import Callable

from aiapp.prompt_templates.text import including
from aiapp.prompt_templates.text.rendering import parse, render, render_prompt, segments

PREVIEW_CHARACTERS = 20_000
NAMES = ("product", "customer", "ticket", "tone", "words")


def best_of(times: int, call: Callable[[], object]) -> float:
    """Return the shortest of `times` runs of `call`, in seconds of this process"""
    shortest = float("inf")
    for _ in range(times):
        start = time.process_time()
        call()
        shortest = min(shortest, time.process_time() - start)
    return shortest


def growth(piece: str) -> None:
    """Print the time for 100,000 pieces and how it grows to 400,000 (linear is 4.0; the promise for `{{` is < 200 ms)."""
    small, large = piece * 100_000, piece * 400_000
    seconds = best_of(5, lambda: parse(small))
    ratio = best_of(5, lambda: parse(large)) / seconds
    sys.stdout.write(f"parse 100,000 x {piece!r:<10} {seconds * 1000:7.1f} ms   x4 the text: x{ratio:.1f} the time\n")


def preview() -> None:
    """Print the time of rendering and marking a 20 KB template, as a ratio to string.Template on the same text."""
    sentence = "Dear {{customer}}, about {{product}}: {{ticket}} Answer in a {{tone}} voice, at most {{words}} words. "
    template = (sentence * (PREVIEW_CHARACTERS // len(sentence) + 1))[:PREVIEW_CHARACTERS]
    values = {name: f"the value of {name}, which is a little longer" for name in NAMES}
    peer = string.Template(template.replace("{{", "${").replace("}}", "}"))
    ours = best_of(50, lambda: (render(template, values), segments(template, values)))
    theirs = best_of(50, lambda: peer.safe_substitute(values))
    sys.stdout.write(
        f"preview of 20 KB: {ours * 1000:.2f} ms (target: <= 50)   {ours / theirs:.1f} x string.Template, which only fills\n"
    )


def included() -> None:
    """Print the time of the same preview where the text is put together of 100 includes, three deep."""
    sentence = "Dear {{customer}}, about {{product}}: {{ticket}} Answer in a {{tone}} voice, at most {{words}} words. "
    sources: dict[str, including.Source | str] = {"line": including.Source(sentence)}
    sources["block"] = including.Source("{{> line}}\n" * 10)
    sources["letter"] = including.Source("{{> block}}\n" * 5)
    template = "{{> letter}}" * (PREVIEW_CHARACTERS // len(sentence) // 50 + 1)
    values = {name: f"the value of {name}, which is a little longer" for name in NAMES}
    library = including.Library(sources)

    def shown() -> None:
        render_prompt("", template, [], values, library=library)
        for part in including.expand([template], library).parts:
            segments(part, values)

    sys.stdout.write(f"the same text of includes: {best_of(50, shown) * 1000:.2f} ms (target: <= 50)\n")


if __name__ == "__main__":
    for hostile in ("{{", "{{a", "{{a}}", "\\{{", "{{a.", "{{> a", "{{ "):
        growth(hostile)
    preview()
    included()
