/**
 * From an empty house to the first call, as a person clicks it, against a fixture begun with --empty. Takes a picture of each step,
 * and ends with 1 where a step does not come or the console complains.
 *
 *   node dev/first-call.mjs [--language ja] [--out pictures] [--base http://127.0.0.1:4702]
 */
import { mkdirSync } from "node:fs";
import { parseArgs } from "node:util";
import puppeteer from "puppeteer-core";

const { values: options } = parseArgs({ options: { language: { type: "string", default: "en" }, out: { type: "string", default: "pictures" }, base: { type: "string", default: "http://127.0.0.1:4702" } } });
mkdirSync(options.out, { recursive: true });
const browser = await puppeteer.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none"], defaultViewport: { width: 1280, height: 900 } });
const complaints = [];
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(15_000);
  page.on("console", (message) => (["error", "warn"].includes(message.type()) ? complaints.push(message.text()) : undefined));
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.evaluateOnNewDocument((language) => localStorage.setItem("sekisho.language", language), options.language);
  const picture = async (step) => (await new Promise((resolve) => setTimeout(resolve, 500)), page.screenshot({ path: `${options.out}/setup-${step}-${options.language}.png` }));
  await page.goto(`${options.base}/setup#printed-once`);
  await page.waitForSelector("input[autocomplete=name]");
  if (page.url().includes("printed-once")) complaints.push("the one-time word stays in the address");
  await picture(1);
  await page.type("input[autocomplete=name]", "青木 薫");
  await page.type("input[autocomplete=username]", "kaoru@example.jp");
  await page.type("input[autocomplete=new-password]", "open sesame again");
  await page.click("button[type=submit]");
  await page.waitForSelector("li[aria-current=step]:nth-child(2) button");
  await picture(2);
  await page.click("li[aria-current=step] button");
  await page.waitForSelector("li[aria-current=step]:nth-child(3) button");
  await page.click("li[aria-current=step] button");
  await page.waitForSelector("[data-secret]");
  await page.waitForSelector("li[aria-current=step]:nth-child(4) input");
  await page.evaluate(() => document.querySelector("li[aria-current=step] input").parentElement.querySelector("button").click());
  await page.waitForSelector("li[aria-current=step] a[href^='/calls/b7']", { timeout: 15_000 });
  await picture(4);
  await page.click("footer button");
  await page.waitForSelector("canvas");
  await picture(5);
} finally {
  await browser.close();
}
console.log(complaints.length === 0 ? "first call made" : complaints.join("\n"));
process.exitCode = complaints.length === 0 ? 0 : 1;
