import { render } from "@testing-library/react";
import { describe, expect, it } from "vitest";

import { Markdown, safeHost } from "@/features/playground/markdown";

const hostile = [
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "![x](https://evil.example/leak.png)",
  "![x](data:image/svg+xml;base64,PHN2Zz4=)",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](data:text/html,<script>alert(1)</script>)",
  "[x](vbscript:msgbox(1))",
  "<a href='javascript:alert(1)'>x</a>",
  "<svg onload=alert(1)>",
  "<iframe src=//evil.example></iframe>",
  "```html\n<script>alert(1)</script>\n```",
  "[x]: javascript:alert(1)\n\n[x]",
  "<javascript:alert(1)>",
  "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
  "> <style>*{display:none}</style>",
  "1. <object data=x>",
  "[![x](https://evil.example/a.png)](https://evil.example)",
  "&lt;script&gt;alert(1)&lt;/script&gt;",
];

describe("what a model wrote", () => {
  it.each(hostile)("runs and loads nothing: %s", (text) => {
    const { container } = render(<Markdown text={text} />);
    expect(container.querySelectorAll("script, img, svg[onload], iframe, object, embed, style, link, form, video, audio").length).toBe(0);
    for (const element of container.querySelectorAll("*")) for (const { name } of element.attributes) expect(name).not.toMatch(/^on|^style$|^src/);
    for (const link of container.querySelectorAll("a")) {
      expect(link.getAttribute("href")).toMatch(/^https?:/);
      expect(link.getAttribute("rel")).toContain("noopener");
    }
  });
  it("shows the host of a link", () => {
    const { container } = render(<Markdown text="[read](https://example.org/a)" />);
    expect(container.textContent).toContain("(example.org)");
  });
  it("draws lists, bold, code and tables", () => {
    const { container } = render(<Markdown text={"1. **a**\n2. `b`\n\n| h |\n|---|\n| c |"} />);
    expect(container.querySelectorAll("ol > li, strong, code, table td").length).toBe(5);
  });
  it("knows web addresses only", () => expect(["https://a.example/x", "http://a", "/relative", "mailto:a@b", "javascript:1"].map(safeHost)).toEqual(["a.example", "a", null, null, null]));
});
