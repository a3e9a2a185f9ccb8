"""Texts that try to become a script, a picture or an address: two hundred of them, each different in kind or in disguise."""

from typing import Final

CANARY: Final = "http://127.0.0.9:9/canary"
"""Where each of them would betray itself: asking for it is the failure, and so is `alert`, which the visitor hears."""

_ACTS: Final = ("alert(1)", f"fetch('{CANARY}')", f"new Image().src='{CANARY}'", f"location='{CANARY}'", "document.title='owned'")

_SHAPES: Final = (
    "<script>{act}</script>",
    "<ScRiPt >{act}</sCrIpT>",
    "<scr<script>ipt>{act}</scr</script>ipt>",
    "<script/src={url}></script>",
    "<img src=x onerror={act}>",
    '<img src=x onerror="{act}">',
    "<img/src='{url}'/onload={act}>",
    "<svg onload={act}>",
    "<svg><script>{act}</script></svg>",
    "<svg><animate onbegin={act} attributeName=x dur=1s>",
    "<svg><use href='data:image/svg+xml,<svg onload={act}>'></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror={act}>",
    "<iframe src=javascript:{act}></iframe>",
    "<iframe srcdoc='<script>{act}</script>'></iframe>",
    "<object data='javascript:{act}'></object>",
    "<embed src='{url}'>",
    "<link rel=stylesheet href='{url}'>",
    "<style>@import '{url}';</style>",
    "<base href='{url}'>",
    "<meta http-equiv=refresh content='0;url={url}'>",
    "<body onload={act}>",
    "<details open ontoggle={act}>x</details>",
    "<input autofocus onfocus={act}>",
    "<video><source onerror={act}></video>",
    "<audio src='{url}' autoplay onerror={act}>",
    "<a href='javascript:{act}'>read me</a>",
    "<form action='{url}'><button>go</button></form>",
    "[read me](javascript:{act})",
    "[read me](JaVaScRiPt:{act})",
    "[read me](data:text/html,<script>{act}</script>)",
    "![seen]({url})",
    '![seen]({url} "onload={act}")',
    "[![seen]({url})]({url})",
    "```html\n<script>{act}</script>\n```",
    "`<img src=x onerror={act}>`",
    "| a |\n|---|\n| <img src=x onerror={act}> |",
    "$$\\href{{javascript:{act}}}{{x}}$$",
    "\"'><script>{act}</script>",
    "javascript:{act}",
    "<img src=x onerror=&#97;lert(1) data-x={act} data-y={url}>",
    "</textarea></title><img src='{url}' onerror={act}>",
    "{{{{constructor.constructor('{act}')()}}}}",
)

PAYLOADS: Final = tuple(shape.format(act=act, url=f"{CANARY}/{number}") for shape in _SHAPES for number, act in enumerate(_ACTS))
