/**
 * Does the grave acts as a person would, against a fixture: wrong and right password, a session that ends under one's hands, a key made, tried
 * and revoked, a provider tested. With --slow it also measures how soon each act shows a change, which must be within 100 ms.
 *
 *   node dev/fixture-server.mjs --port 4704 --slow 1500 &  node dev/acts.mjs [--base http://127.0.0.1:4704]
 */
import { parseArgs } from "node:util";
import puppeteer from "puppeteer-core";

const { values: options } = parseArgs({ options: { base: { type: "string", default: "http://127.0.0.1:4704" } } });
const browser = await puppeteer.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"], defaultViewport: { width: 1280, height: 900 } });
const faults = [];
const shown = {};
try {
  const page = await browser.newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => (message.type() === "error" && !/401|live/.test(message.text()) ? faults.push(message.text()) : undefined));
  await page.evaluateOnNewDocument(() => localStorage.setItem("sekisho.language", "en"));
  const said = (text) => page.waitForFunction((wanted) => document.body.innerText.includes(wanted), {}, text);
  /** Clicks the visible button with this name, inside a dialog if one is open, and measures until anything changes in the page. */
  const press = async (name) => {
    await page.waitForFunction((wanted) => [...(document.querySelector("[role=dialog]") ?? document).querySelectorAll("button")].some((each) => each.innerText.trim().startsWith(wanted) && !each.disabled), {}, name);
    shown[name] = await page.evaluate(
      (wanted) =>
        new Promise((resolve) => {
          const button = [...(document.querySelector("[role=dialog]") ?? document).querySelectorAll("button")].find((each) => each.innerText.trim().startsWith(wanted) && !each.disabled);
          const began = performance.now();
          new MutationObserver((_, watcher) => (watcher.disconnect(), requestAnimationFrame(() => resolve(performance.now() - began)))).observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
          button.click();
        }),
      name,
    );
  };
  const fill = async (selector, text) => (await page.waitForSelector(selector), await page.click(selector, { count: 3 }), page.type(selector, text));

  await page.goto(`${options.base}/calls?status=failed`);
  await page.waitForSelector("input[type=password]");
  await fill("input[type=email]", "kaoru@example.jp");
  await fill("input[autocomplete='current-password']", "wrong");
  await press("Log in");
  await said("The e-mail or the password is wrong.");
  await fill("input[autocomplete='current-password']", "open sesame again");
  await press("Log in");
  await page.waitForSelector("[role=table]");
  if (!page.url().endsWith("/calls?status=failed")) faults.push(`after the login: ${page.url()}`);

  await page.goto(`${options.base}/keys?create=1`);
  await fill("[role=dialog] input", "web-chat");
  await page.evaluate(() => fetch("/api/auth/logout", { method: "POST" }));
  await said("Your session ended");
  await page.waitForFunction(() => document.querySelector("[role=dialog] input[type=email]") !== null);
  const dialogs = await page.$$("[role=dialog]");
  const over = dialogs.at(-1);
  await (await over.$("input[type=email]")).type("kaoru@example.jp");
  await (await over.$("input[autocomplete='current-password']")).type("open sesame again");
  await (await over.$("button[type=submit]")).click();
  await page.waitForFunction(() => !document.body.innerText.includes("Your session ended"));
  if ((await page.$eval("[role=dialog] input", (field) => field.value)) !== "web-chat") faults.push("what was typed is lost");

  await press("Create key");
  await said("Shown once.");
  const secret = await page.$eval("[data-secret]", (element) => element.textContent);
  await press("Try it");
  await said("Passed.");
  await press("Copy key");
  await press("I have stored it");
  await page.waitForFunction(() => document.querySelector("[role=dialog]") === null);
  const kept = await page.evaluate(() => JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + location.href + document.body.innerText);
  if (kept.includes(secret)) faults.push("the secret stays in the browser");

  await page.waitForFunction(() => [...document.querySelectorAll("[role=row]")].some((row) => row.innerText.includes("web-chat")));
  await page.evaluate(() => [...document.querySelectorAll("[role=row]")].find((row) => row.innerText.includes("web-chat")).click());
  await press("Revoke…");
  await fill("[role=dialog] input", "web-chat");
  await press("Revoke web-chat");
  await said("is dead on every worker");

  await page.goto(`${options.base}/providers/openai`);
  await press("Test");
  await said("It answered in");
} catch (error) {
  faults.push(String(error));
} finally {
  await browser.close();
}
console.log(Object.entries(shown).map(([name, ms]) => `${name}: ${ms.toFixed(0)} ms`).join("\n"));
for (const [name, ms] of Object.entries(shown)) if (ms > 100) faults.push(`${name} shows nothing for ${ms.toFixed(0)} ms`);
console.log(faults.length === 0 ? "all acts done" : faults.join("\n"));
process.exitCode = faults.length === 0 ? 0 : 1;
