/**
 * Looks at every screen in a real Chromium against the fixture: takes pictures, and tells every console error, refused policy,
 * failed request, sideways scroll and serious finding of axe. Ends with 1 if there is any.
 *
 *   node dev/look.mjs [--only calls,keys] [--widths 375,1280] [--languages en,ja] [--themes light,dark] [--out pictures] [--base http://127.0.0.1:4701]
 */
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import puppeteer from "puppeteer-core";

const list = (text) => text.split(",").filter(Boolean);
const { values: options } = parseArgs({
  options: { only: { type: "string", default: "" }, widths: { type: "string", default: "1280" }, languages: { type: "string", default: "en" }, themes: { type: "string", default: "light" }, out: { type: "string", default: "pictures" }, base: { type: "string", default: "http://127.0.0.1:4701" }, axe: { type: "boolean", default: true } },
  allowNegative: true,
});

const settle = (page, ms = 700) => new Promise((resolve) => setTimeout(resolve, ms)).then(() => page.evaluate(() => document.fonts.ready.then(() => undefined)));

/** Each place: its address, and what to do there before the picture. */
const places = {
  login: { path: "/login", stranger: true },
  overview: { path: "/", wait: 2500 },
  calls: { path: "/calls" },
  "calls-drawer": { path: "/calls", act: async (page) => (await page.evaluate(() => document.querySelectorAll("[role=row][tabindex]")[4]?.click()), settle(page)) },
  apis: { path: "/apis" },
  "apis-drawer": { path: "/apis/assistant" },
  keys: { path: "/keys" },
  "keys-form": { path: "/keys?create=1" },
  "keys-drawer": { path: "/keys", act: async (page) => (await page.evaluate(() => document.querySelectorAll("[role=row][tabindex]")[1]?.click()), settle(page)) },
  providers: { path: "/providers" },
  "providers-form": { path: "/providers?add=1" },
  "providers-drawer": { path: "/providers/openai" },
  models: { path: "/models" },
  usage: { path: "/usage?range=7d" },
  playground: { path: "/playground?models=ollama/qwen3:8b,anthropic/claude-sonnet-4-5", act: async (page) => (await page.type("textarea[rows='2']", "関所とは何ですか。"), await page.keyboard.down("Control"), await page.keyboard.press("Enter"), await page.keyboard.up("Control"), settle(page, 3500)) },
  people: { path: "/people" },
  issuers: { path: "/people?tab=issuers" },
  "issuers-form": { path: "/people?tab=issuers&issuer=corp" },
  "people-drawer": { path: "/people/u3" },
  projects: { path: "/projects" },
  "projects-drawer": { path: "/projects/support" },
  audit: { path: "/audit" },
  "audit-drawer": { path: "/audit/117" },
  system: { path: "/system" },
  settings: { path: "/settings" },
  "settings-installation": { path: "/settings?tab=installation" },
  palette: { path: "/", act: async (page) => (await page.keyboard.down("Control"), await page.keyboard.press("k"), await page.keyboard.up("Control"), settle(page)) },
};

mkdirSync(options.out, { recursive: true });
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await puppeteer.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"] });
const found = [];
const chosen = list(options.only);
try {
  for (const language of list(options.languages))
    for (const theme of list(options.themes)) {
      const context = await browser.createBrowserContext();
      const page = await context.newPage();
      let here = "";
      page.on("console", (message) => {
        if (["error", "warn"].includes(message.type()) && !(here === "login" && /401/.test(message.text()))) found.push(`${here}: ${message.type()}: ${message.text()}`);
      });
      page.on("pageerror", (error) => found.push(`${here}: ${error.message}`));
      page.on("requestfailed", (request) => {
        if (request.failure()?.errorText !== "net::ERR_ABORTED") found.push(`${here}: ${request.url()} ${request.failure()?.errorText}`);
      });
      await page.evaluateOnNewDocument(
        (kept) => {
          for (const [name, value] of Object.entries(kept)) localStorage.setItem(`sekisho.${name}`, value);
        },
        { language, theme, "been-in": "yes" },
      );
      here = "login";
      await page.goto(`${options.base}/login`);
      await page.evaluate(() => fetch("/api/auth/logout", { method: "POST" }));
      for (const width of list(options.widths).map(Number)) {
        await page.setViewport({ width, height: width < 720 ? 812 : width > 2000 ? 2160 : 800, deviceScaleFactor: 1, hasTouch: width < 720 });
        for (const [name, place] of Object.entries(places)) {
          if (chosen.length > 0 && !chosen.includes(name)) continue;
          here = place.stranger ? "login" : `${name} ${language} ${theme} ${width}`;
          await page.evaluate((inside) => fetch(inside ? "/api/auth/login" : "/api/auth/logout", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ email: "kaoru@example.jp", password: "open sesame again" }) }), !place.stranger);
          await page.goto(options.base + place.path, { waitUntil: "networkidle2", timeout: 20_000 });
          await settle(page, place.wait);
          await place.act?.(page);
          await page.screenshot({ path: `${options.out}/${name}-${language}-${theme}-${width}.png` });
          const sideways = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
          if (sideways > 0) found.push(`${here}: scrolls sideways by ${sideways} px`);
          if (options.axe) {
            await page.evaluate(axe);
            const { violations } = await page.evaluate(() => window.axe.run({ resultTypes: ["violations"] }));
            for (const each of violations) found.push(`${here}: axe ${each.impact} ${each.id}: ${each.nodes.slice(0, 3).map((node) => `${node.target.join(" ")} ${(node.any[0]?.message ?? "").slice(0, 140)}`).join(" | ")} (${each.nodes.length})`);
          }
        }
      }
      await context.close();
    }
} finally {
  await browser.close();
}
console.log(found.length === 0 ? "nothing found" : [...new Set(found)].join("\n"));
process.exitCode = found.length === 0 ? 0 : 1;
