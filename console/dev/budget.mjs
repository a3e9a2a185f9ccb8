/** Holds the weight of a first visit: scripts, styles and type that every person loads, as they travel (brotli). Ends with 1 above the budget. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
/** Kilobytes. At 10 Mbit/s the first is a fifth of a second, well inside the 1.5 s of a cold first paint. */
const budget = { first: 230, screen: 60 };

const weigh = (name) => brotliCompressSync(readFileSync(dist + name)).length / 1000;
const index = readFileSync(`${dist}index.html`, "utf8");
const first = [...index.matchAll(/(?:src|href)="\/(assets\/[^"]+\.(?:js|css))"/g)].map((match) => match[1]);
const language = readdirSync(`${dist}assets`).find((name) => /^ja-.*\.js$/.test(name));
const sum = [...first, `assets/${language}`].reduce((total, name) => total + weigh(name), 0);
const screens = readdirSync(`${dist}assets`).filter((name) => name.endsWith(".js") && !first.includes(`assets/${name}`)).map((name) => [name, weigh(`assets/${name}`)]).sort((a, b) => b[1] - a[1]);
console.log(`first load ${sum.toFixed(1)} kB of ${budget.first}; largest part loaded later ${screens[0][0]} ${screens[0][1].toFixed(1)} kB of ${budget.screen}`);
if (/<script(?![^>]*src=)|<style|style="/.test(index)) throw new Error("index.html holds something inline, which the policy refuses");
process.exitCode = sum > budget.first || screens[0][1] > budget.screen ? 1 : 0;
