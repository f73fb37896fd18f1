// Pages and pictures with hostile names in a browser by other hands: nothing of a name runs, loads, or becomes markup.
//
//   node inert.mjs TASK.json
//
// The task is a list of { page, twin, texts, search, image }: a page, or a picture, and one of the same shape whose names are harmless.
// Seen: no script of a name runs (each would call `hostile`), no dialog, no request but for the page itself, nothing on the
// console, no violation of the page's policy, no sort of element (by name, attributes and class) that the twin does not have, and
// of those that do anything no more than there: rows may be more, since what a text looks like is a finding too. Of
// the report, each text is looked for by its folder, and must stand in the row as the text that it is. Prints a line of JSON for each.
//
// Needs `playwright-core` ($NODE_MODULES says where it lies) and Chromium ($CHROMIUM, else from PATH).
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";

const require = createRequire(path.join(path.resolve(process.env.NODE_MODULES || "node_modules"), "x.js"));
const { chromium } = require("playwright-core");
const executablePath = process.env.CHROMIUM || execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];

async function opened(context, file, faults) {
  const url = pathToFileURL(path.resolve(file)).href;
  const tab = await context.newPage();
  tab.on("console", (message) => faults.push(`console: ${message.text()}`));
  tab.on("pageerror", (error) => faults.push(`error: ${error}`));
  tab.on("dialog", (dialog) => { faults.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  tab.on("request", (request) => { if (request.url() !== url) faults.push(`request: ${request.url().slice(0, 200)}`); });
  tab.on("popup", () => faults.push("a window was opened"));
  tab.on("framenavigated", (frame) => { if (frame.url() !== url && frame.url() !== "about:blank") faults.push(`frame: ${frame.url().slice(0, 200)}`); });
  await tab.addInitScript(() => {
    window.ran = [];
    window.hostile = (number) => window.ran.push(`hostile(${number})`);
    addEventListener("securitypolicyviolation", (event) => window.ran.push(`violation of ${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
  });
  await tab.goto(url, { waitUntil: "load" });
  return tab;
}

// Every element that there is, by what can do something: how often each sort stands in the page.
const shape = () => {
  const counts = {};
  for (const element of document.querySelectorAll("*")) {
    const attributes = Array.from(element.attributes, (one) => one.name).sort().join(" ");
    const sort = `${element.namespaceURI.split("/").pop()} ${element.localName} [${attributes}] ${element.getAttribute("class") || ""}`;
    counts[sort] = (counts[sort] || 0) + 1;
  }
  return counts;
};

// Elements and attributes that only show.
const SHOWS = /^(xhtml|svg) (b|br|caption|circle|code|dd|del|details|dl|dt|em|g|h3|ins|li|ol|p|path|pre|rect|span|strong|summary|table|tbody|td|text|th|thead|title|tr|tspan|ul) \[((aria-label|class|d|data-of|height|marker-end|open|rx|scope|tabindex|width|x|y)( |\]))*\]? /;

async function touched(tab) {
  await tab.evaluate(() => {
    for (const one of document.querySelectorAll("details")) one.open = true;
    for (const one of document.querySelectorAll("[tabindex], input, button, summary, a")) one.focus?.();
    for (const one of document.querySelectorAll("*")) one.dispatchEvent(new MouseEvent("mouseover", { bubbles: true }));
  });
  await tab.waitForTimeout(100);
}

// Rows are found by the folder with the text's number, and chosen, so that all that is known of them is shown.
async function searched(tab, texts, faults) {
  let seen = 0;
  for (const [number, text] of texts) {
    const found = await tab.evaluate(([word]) => {
      const input = document.querySelector("#objects-search");
      input.value = word;
      input.dispatchEvent(new Event("input", { bubbles: true }));
      const rows = Array.from(document.querySelectorAll("#objects tbody tr:not(.space)"));
      rows[0]?.querySelector("button").click();
      return rows.map((row) => row.querySelector("th").textContent);
    }, [`/Shared/h${number}/`]);
    if (found.includes(`/Shared/h${number}/${text}`)) seen += 1;
    else faults.push(`text ${number} is not shown as ${JSON.stringify(text)}, but as ${JSON.stringify(found)}`);
  }
  return seen;
}

async function looked({ page, twin, texts, search, image }, context) {
  const faults = [];
  const tab = await opened(context, page, faults);
  if (search) await tab.waitForSelector("html[data-ready=yes]");
  await touched(tab);
  const here = await tab.evaluate(shape);
  const whole = await tab.evaluate(() => document.documentElement.textContent);
  const other = await opened(context, twin, faults);
  if (search) await other.waitForSelector("html[data-ready=yes]");
  await touched(other);
  const there = await other.evaluate(shape);
  for (const [sort, count] of Object.entries(here)) {
    if (!(sort in there) || (count > there[sort] && !SHOWS.test(sort))) faults.push(`${count} of <${sort}>, and ${there[sort] || 0} where names are harmless`);
  }
  for (const [number, text] of texts || []) if (!whole.includes(text)) faults.push(`text ${number} is not shown: ${JSON.stringify(text)}`);
  const seen = search ? await searched(tab, search, faults) : undefined;
  faults.push(...await tab.evaluate(() => window.ran));
  if (image) {
    const holder = `${page}.html`;
    fs.writeFileSync(holder, `<!DOCTYPE html><title>x</title><img src="${path.basename(page)}">`);
    const shown = await context.newPage();
    shown.on("request", (request) => { if (![holder, page].some((file) => request.url() === pathToFileURL(path.resolve(file)).href)) faults.push(`image: request: ${request.url()}`); });
    await shown.goto(pathToFileURL(path.resolve(holder)).href, { waitUntil: "load" });
    if (!(await shown.evaluate(() => document.images[0].naturalWidth > 0))) faults.push("no browser can draw it");
    await shown.close();
  }
  await tab.close();
  await other.close();
  return { page, elements: Object.values(here).reduce((sum, count) => sum + count, 0), seen, faults: Array.from(new Set(faults)).slice(0, 20) };
}

const browser = await chromium.launch({ executablePath, args });
try {
  const context = await browser.newContext();
  for (const task of JSON.parse(fs.readFileSync(process.argv[2], "utf8"))) console.log(JSON.stringify(await looked(task, context)));
} finally {
  await browser.close();
}
