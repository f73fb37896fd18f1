// The report in a browser by other hands: headless Chromium opens the page as a person would.
//
//   node report.mjs PAGE [--search WORD] [--row NAME] [--shots FOLDER]
//
// Seen: no error and no violation of the page's policy on the console, no request but for the page itself, nothing a name holds
// is run or read as markup, search and sort by keyboard, nothing that cannot be seen or scrolled to on a screen, a phone and paper, no serious finding of axe-core in light, dark and narrow, and a page that
// says what matters without scripts. Prints what it measured as JSON; ends with 1 and the reasons if something is not so.
//
// Needs `playwright-core` and `axe-core` ($NODE_MODULES says where they lie), Chromium ($CHROMIUM, else from PATH) and pdftotext.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";

const modules = path.resolve(process.env.NODE_MODULES || "node_modules");
const require = createRequire(path.join(modules, "x.js"));
const { chromium } = require("playwright-core");
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const [page, ...rest] = process.argv.slice(2);
const option = (name) => (rest.includes(name) ? rest[rest.indexOf(name) + 1] : undefined);
const shots = option("--shots");
const failures = [];
const told = { page };
const expect = (so, what) => { if (!so) failures.push(what); };
const browser = process.env.CHROMIUM || execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
const url = pathToFileURL(path.resolve(page)).href;

// As a person without a network: whatever would leave is noted, and does not.
async function opened(context, where) {
  const tab = await context.newPage();
  tab.on("console", (message) => expect(!["error", "warning"].includes(message.type()), `${where}: console: ${message.text()}`));
  tab.on("pageerror", (error) => failures.push(`${where}: ${error}`));
  tab.on("dialog", (dialog) => { failures.push(`${where}: a script of a name ran: ${dialog.message()}`); dialog.dismiss(); });
  tab.on("request", (request) => expect(request.url() === url, `${where}: a request left: ${request.url()}`));
  await tab.goto(url, { waitUntil: "load" });
  return tab;
}

// Colours and order are judged with all tools of the page switched on; what it finds is named by its rule and its element.
async function accessible(tab, where) {
  await tab.evaluate(axe);
  const found = await tab.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  for (const one of found.violations.filter((one) => ["serious", "critical", "moderate"].includes(one.impact))) {
    failures.push(`${where}: ${one.impact}: ${one.id}: ${one.help}: ${one.nodes.slice(0, 3).map((node) => node.target.join(" ")).join(" | ")}`);
  }
  return found.passes?.length;
}

async function shot(tab, name, options = {}) {
  if (shots) await tab.screenshot({ path: path.join(shots, `${name}.png`), ...options });
}

// Nothing is lost beside its box: what is wider can be scrolled to, and the box says what it is and takes the keyboard; every cell
// that says something is to be seen, the name of a row above all.
async function fits(tab, where, paper) {
  const lost = await tab.evaluate((paper) => {
    const lost = [];
    const width = document.documentElement.clientWidth;
    const name = (one) => `${one.closest("[id]")?.id}: ${one.tagName} ${one.textContent.trim().slice(0, 30)}`;
    for (const box of document.querySelectorAll(".wide, .scroll, .scrolled, pre")) {
      const more = box.scrollWidth - box.clientWidth;
      if (more > 1 && (paper || box.tabIndex < 0 || !box.getAttribute("aria-label"))) lost.push(`${name(box)}: ${more} pixels`);
    }
    for (const cell of document.querySelectorAll("tbody th, tbody td")) {
      if (!cell.textContent.trim() || cell.closest("[hidden]") || cell.matches(".zero")) continue;
      const { left, right, width: wide, height } = cell.getBoundingClientRect();
      const scrolls = cell.closest(".wide, .scroll");
      const reached = !paper && scrolls && scrolls.scrollWidth > scrolls.clientWidth;
      if (wide < 8 || height < 8 || (!reached && (left < -1 || right > width + 1))) lost.push(name(cell));
      if (cell.tagName === "TH" && cell.closest(".live") && wide < 120) lost.push(`${name(cell)} has ${Math.round(wide)} pixels`);
    }
    return lost;
  }, Boolean(paper));
  expect(lost.length === 0, `${where}: cannot be seen: ${lost.slice(0, 5).join(" | ")}`);
}

// On paper every table is whole, and what is folded up or told of a row besides is there.
async function printed(tab, file) {
  const wanted = await tab.evaluate(() => {
    const all = (what) => Array.from(document.querySelectorAll(what), (one) => one.textContent);
    const last = Array.from(document.querySelectorAll(".wide"), (box) => box.querySelector("tbody tr:last-child > :last-child")?.textContent || "");
    return [...all(".matrix thead th"), ...all("details summary + *  li"), ...last];
  });
  await tab.pdf({ path: file, format: "A4" });
  const squeezed = (text) => text.replace(/[\s\u00ad-]+/g, "");
  const paper = squeezed(execFileSync("pdftotext", ["-layout", file, "-"], { encoding: "utf8", maxBuffer: 1 << 28 }));
  const plain = squeezed(execFileSync("pdftotext", ["-raw", file, "-"], { encoding: "utf8", maxBuffer: 1 << 28 }));
  const lacks = wanted.map(squeezed).filter((words) => !paper.includes(words) && !plain.includes(words));
  expect(lacks.length === 0, `on paper there is no ${lacks.slice(0, 5).join(" | ")}`);
  for (const words of ["andallbelowit(", "viagroup"]) expect(plain.includes(words), `on paper nothing is told of people: ${words}`);
}

async function keyboard(tab) {
  await tab.keyboard.press("Tab");
  expect((await tab.evaluate(() => document.activeElement.className)) === "skip", "the first stop of the keyboard does not skip to the report");
  const stops = [];
  for (let step = 0; step < 60; step++) {
    await tab.keyboard.press("Tab");
    const stop = await tab.evaluate(() => {
      const at = document.activeElement;
      return { id: at.id, head: Boolean(at.closest("#objects thead")), row: Boolean(at.closest("#objects tbody")) };
    });
    stops.push(stop);
    if (stop.row) break;
  }
  expect(stops.some((stop) => stop.id === "objects-search"), "the keyboard does not reach the search");
  expect(stops.some((stop) => stop.head), "the keyboard does not reach the headings");
  expect(stops.at(-1).row, "the keyboard does not reach the rows");
  await tab.keyboard.press("End");
  await tab.waitForTimeout(100);
  const [last, rows] = await tab.evaluate(() => [Number(document.activeElement.dataset.index), Number(document.querySelector("#objects table").getAttribute("aria-rowcount"))]);
  expect(last === rows - 2, `the key End leads to row ${last} of ${rows - 1}`);
  await tab.keyboard.press("Home");
  await tab.waitForTimeout(100);
  await tab.keyboard.press("ArrowDown");
  expect((await tab.evaluate(() => document.activeElement.dataset.index)) === "1", "the arrows do not move along the rows");
  await tab.keyboard.press("Enter");
  expect((await tab.locator("#objects .detail dt").count()) > 2, "Enter does not tell more of a row");
}

async function table(tab) {
  const box = tab.locator("#objects");
  const heading = box.locator("thead th").nth(0);
  await heading.locator("button").focus();
  await tab.keyboard.press("Enter");
  expect((await heading.getAttribute("aria-sort")) === "ascending", "a heading does not sort upwards");
  await tab.keyboard.press("Enter");
  expect((await heading.getAttribute("aria-sort")) === "descending", "a heading does not sort downwards");
  told.sort_ms = Number(await box.getAttribute("data-sorted"));
  const elements = await box.locator("tbody tr").count();
  expect(elements < 200, `${elements} rows are elements`);
  const word = option("--search");
  if (word) {
    const search = box.locator("input[type=search]");
    await search.fill(word);
    told.search_ms = Number(await box.getAttribute("data-took"));
    told.found = await box.locator(".status").textContent();
    const names = await box.locator("tbody th").allTextContents();
    expect(names.some((name) => name.toLowerCase().includes(word.toLowerCase())), `the search for ${word} finds ${names.slice(0, 3)}`);
    await search.fill("no such thing in any workspace");
    expect((await box.locator("tbody th").count()) === 0, "a search for nothing finds something");
    await search.fill("");
  }
  const row = option("--row");
  if (row) {
    await box.locator("input[type=search]").fill(row);
    const names = await box.locator("tbody th").allTextContents();
    expect(names.some((name) => name.includes(row)), `${row} is not shown as text, but ${names.slice(0, 3)}`);
    await box.locator("input[type=search]").fill("");
  }
}

const started = { executablePath: browser, args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"] };
const profile = fs.mkdtempSync(path.join(os.tmpdir(), "lifeboat-browser-"));
const looks = [
  ["light", { colorScheme: "light", viewport: { width: 1280, height: 900 } }],
  ["dark", { colorScheme: "dark", viewport: { width: 1280, height: 900 } }],
  ["narrow", { colorScheme: "light", viewport: { width: 390, height: 844 } }],
];
try {
  for (const [name, look] of looks) {
    const context = await chromium.launchPersistentContext(path.join(profile, name), { ...started, ...look });
    const began = Date.now();
    const tab = await opened(context, name);
    await tab.waitForSelector("html[data-ready=yes]");
    told[`${name}_open_ms`] = Date.now() - began;
    const wide = await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    expect(wide <= 0, `${name}: the page is ${wide} pixels too wide`);
    expect(await tab.evaluate(() => document.querySelectorAll("script:not([type]), style, link, iframe, object, img, base").length === 2), `${name}: there is another script or style`);
    await accessible(tab, name);
    await fits(tab, name);
    await shot(tab, name);
    await shot(tab, `${name}-whole`, { fullPage: true });
    if (name === "light") {
      await keyboard(tab);
      await table(tab);
      await printed(tab, path.join(shots || profile, "print.pdf"));
      await tab.setViewportSize({ width: 703, height: 1000 }); // A4 less its margins
      await tab.emulateMedia({ media: "print" });
      await tab.evaluate(() => dispatchEvent(new Event("beforeprint")));
      await fits(tab, "on paper", true);
    }
    await context.close();
  }
  const context = await chromium.launchPersistentContext(path.join(profile, "plain"), { ...started, javaScriptEnabled: false, viewport: { width: 1280, height: 900 } });
  const tab = await opened(context, "without scripts");
  expect((await tab.locator(".card").count()) >= 6, "without scripts there is no summary");
  expect((await tab.locator("#objects tbody tr").count()) > 0, "without scripts there are no objects");
  expect((await tab.locator("#principals .more").count()) > 0, "without scripts nothing is told of people");
  await shot(tab, "plain");
  await context.close();
} finally {
  fs.rmSync(profile, { recursive: true, force: true });
}
console.log(JSON.stringify(told));
for (const failure of new Set(failures)) console.log(`FAILED: ${failure}`);
process.exitCode = failures.length ? 1 : 0;
