"""Times from what a person does on a page to what they see of it, taken in the page itself."""

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from playwright.sync_api import Page

WATCH: Final = """
(() => {
    const ACTS = 'button, a[href], select, input[type=checkbox], input[type=radio], ' +
        ['row', 'switch', 'radio', 'checkbox', 'menuitem', 'menuitemradio', 'tab', 'option'].map((role) => `[role=${role}]`).join(', ');
    const ATTRIBUTES = ['class', 'style', 'disabled', 'open', 'lang', 'data-state', 'data-theme',
        ...['busy', 'checked', 'selected', 'expanded', 'current', 'pressed'].map((name) => `aria-${name}`)];
    const acts = JSON.parse(sessionStorage.getItem('acts') ?? '[]');
    const keep = () => sessionStorage.setItem('acts', JSON.stringify(acts));
    let open = null, submits = null;
    performance.setResourceTimingBufferSize(5000);
    const seen = (node) => {
        const element = node.nodeType === 1 ? node : node.parentElement;
        const box = element?.getBoundingClientRect();
        return box !== undefined && box.width > 1 && box.height > 1 && element.closest('head') === null;
    };
    new MutationObserver((changes) => {
        if (open === null || open.found || !changes.some(({ target }) => seen(target))) return;
        const act = open;
        const now = performance.now();
        act.found = true;
        act.answered = performance.getEntriesByType('resource')
            .some(({ name, startTime, responseEnd }) => name.includes('/api/') && startTime >= act.since && responseEnd <= now);
        requestAnimationFrame(() => {
            act.ms = performance.now() - act.since;
            keep();
        });
    }).observe(document, { subtree: true, childList: true, characterData: true, attributeFilter: ATTRIBUTES });
    const begin = (event) => {
        const element = event.type === 'submit' ? event.target : event.target.closest?.(ACTS);
        if (element == null) return;
        // A select is opened by the browser; a form that its button submits is that button's act; a menu opens before its button is let go.
        if (element.matches('select') !== (event.type === 'change')) return;
        if ((event.type === 'pointerdown') !== (element.ariaHasPopup === 'menu')) return;
        if (event.type === 'submit' && submits === event.target) return void (submits = null);
        submits = event.type === 'click' && element.matches('[type=submit]') ? element.form : null;
        const words = (element.getAttribute('aria-label') ?? element.innerText ?? '').trim().split('\\n').slice(0, 2).join(' ');
        const name = `${location.pathname}: ${event.type} ${element.getAttribute('role') ?? element.localName} "${words.slice(0, 60)}"`;
        open = { name, since: event.timeStamp, wall: performance.timeOrigin + event.timeStamp, found: false, answered: false, ms: null };
        acts.push(open);
        keep();
    };
    for (const type of ['pointerdown', 'click', 'change', 'submit']) window.addEventListener(type, begin, { capture: true });
})();
"""
"""Notes each act and when the first thing that is to be seen changed after it. Nothing that a browser shows by itself counts: focus, hover,
what is typed."""


@dataclass(frozen=True)
class Act:
    """One act of a person."""

    name: str
    wall: float
    """When it was done; wall time in seconds."""
    ms: float | None
    """Until the frame in which something changed; None where nothing had before the next act."""
    answered: bool
    """Whether the server had answered something that was asked since the act when that changed: then it may have been waited for."""


def taken(page: "Page") -> list[Act]:
    """The acts in this window so far."""
    told: list[dict[str, Any]] = page.evaluate("JSON.parse(sessionStorage.getItem('acts') ?? '[]')")
    return [Act(each["name"], each["wall"] / 1000, each["ms"], each["answered"]) for each in told]


class Stalls:
    """Moments at which the machine had no time for this process either; what falls into one says nothing about a page."""

    BEAT: Final = 0.01
    LATE: Final = 0.03

    def __init__(self) -> None:
        self._found: list[tuple[float, float]] = []
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def _look(self) -> None:
        before = time.time()
        while not self._ended.wait(self.BEAT):
            now = time.time()
            if now - before > self.BEAT + self.LATE:
                self._found.append((before, now))
            before = now

    def within(self, act: Act) -> bool:
        """Whether the machine stood still between the act and what was seen of it."""
        until = act.wall + (act.ms or 0) / 1000
        return any(begin < until and end > act.wall for begin, end in self._found)
