"use strict";
// Tables of any length: all rows are data, and as many as are seen are elements. Whatever a name holds becomes text by
// `textContent`; nothing is ever read as markup, and nothing is fetched.
(() => {
  const SPARE = 12;
  const LIMIT = 1000000; // rows of one table that are shown: browsers end at some height
  const number = new Intl.NumberFormat("en");
  const make = (name, text, attributes) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    return element;
  };
  const size = (bytes) => {
    if (bytes < 1024) return bytes + " B";
    let value = bytes / 1024, unit = 0;
    for (; value >= 1023.95 && unit < 4; unit++) value /= 1024;
    return value.toFixed(1) + " " + ["KiB", "MiB", "GiB", "TiB", "PiB"][unit];
  };
  const time = (ms) => new Date(ms).toISOString().slice(0, 19).replace("T", " ");
  const shown = (column, value) => {
    if (value === null || value === undefined) return "";
    if (column.words) return column.words[value];
    if (column.sort === "size") return size(value);
    if (column.sort === "time") return time(value);
    if (column.sort === "number") return number.format(value);
    return value;
  };

  function live(box) {
    const data = JSON.parse(document.getElementById(box.id + "-data").textContent);
    const { columns, rows } = data;
    const table = box.querySelector("table");
    const body = table.tBodies[0];
    const cut = box.querySelector(".cut");
    const plain = Array.from(body.rows);
    const seen = columns.map((column, at) => at).filter((at) => !columns[at].detail);
    const texts = columns.map((column, at) => at).filter((at) => !columns[at].sort);
    const hay = rows.map((row) => texts.map((at) => shown(columns[at], row[at])).join("\n").toLowerCase());
    let found = rows.map((row, at) => at);
    const ranked = found.slice();
    let sorted = { at: -1, down: false };
    let active = 0;

    const form = make("form", undefined, { class: "search", role: "search", "aria-label": box.dataset.name });
    const input = make("input", undefined, { type: "search", id: box.id + "-search", autocomplete: "off", spellcheck: "false" });
    form.append(make("label", "Search " + box.dataset.name, { for: input.id }), input);
    const filter = columns.findIndex((column) => column.words && column.words.length > 1);
    let select = null;
    if (filter >= 0) {
      select = make("select", undefined, { id: box.id + "-filter" });
      select.append(make("option", "all", { value: "" }));
      columns[filter].words.forEach((word, at) => select.append(make("option", word, { value: at })));
      form.append(make("label", columns[filter].title, { for: select.id }), select);
    }
    const status = make("p", undefined, { class: "status", role: "status" });
    form.append(status);
    form.addEventListener("submit", (event) => event.preventDefault());
    const scroll = make("div", undefined, { class: "scroll", role: "group", "aria-label": box.dataset.name, tabindex: "0" });
    table.before(form, scroll);
    scroll.append(table);
    const detail = make("dl", undefined, { class: "detail", "aria-live": "polite" });
    scroll.after(detail);
    if (cut) cut.hidden = true;
    box.classList.add("on");

    const above = make("tr", undefined, { class: "space", "aria-hidden": "true" });
    const below = make("tr", undefined, { class: "space", "aria-hidden": "true" });
    const alive = new Map();
    body.replaceChildren(above, below);
    let height = 32;

    function line(index) {
      const row = rows[found[index]];
      const tr = make("tr", undefined, { "aria-rowindex": index + 2 });
      for (const at of seen) {
        const text = shown(columns[at], row[at]);
        const cell = make(columns[at].head ? "th" : "td");
        if (columns[at].head) cell.scope = "row";
        if (columns[at].sort) cell.classList.add("n");
        if (columns[at].less) cell.classList.add("less");
        if (columns[at].head) {
          const button = make("button", text, { type: "button", title: text, tabindex: "-1" });
          button.dataset.index = index;
          cell.append(button);
        } else {
          cell.textContent = text;
          cell.title = text;
        }
        tr.append(cell);
      }
      return tr;
    }

    // Rows come and go one by one: what has the focus stays where it is, and so does the place in the list.
    function draw(anew) {
      const count = Math.min(found.length, LIMIT);
      if (anew) {
        alive.forEach((row) => row.remove());
        alive.clear();
      }
      const first = Math.max(0, Math.floor(scroll.scrollTop / height) - SPARE);
      const last = Math.min(count, first + Math.ceil(scroll.clientHeight / height) + 2 * SPARE);
      above.style.height = first * height + "px";
      below.style.height = (count - last) * height + "px";
      above.hidden = first === 0;
      below.hidden = last === count;
      let next = below;
      for (let index = last - 1; index >= first; index--) {
        if (!alive.has(index)) {
          alive.set(index, line(index));
          next.before(alive.get(index));
        }
        next = alive.get(index);
      }
      // What goes, goes last: were the list shorter in between, it would jump.
      let lost = false;
      for (const [index, row] of alive) {
        if (index >= first && index < last) continue;
        lost ||= row.contains(document.activeElement);
        row.remove();
        alive.delete(index);
      }
      if (lost) scroll.focus({ preventScroll: true });
      const stop = active >= first && active < last ? active : first;
      for (const [index, row] of alive) row.querySelector("button").tabIndex = index === stop ? 0 : -1;
      const real = alive.get(first);
      if (real && Math.abs(real.offsetHeight - height) > 0.5 && real.offsetHeight > 0) {
        height = real.offsetHeight;
        draw();
      }
    }

    // All rows are put in order, and not what was found of them: a search then only leaves out.
    function order() {
      const { at, down } = sorted;
      const words = columns[at].words && columns[at].words.map((word) => word.toLowerCase());
      const key = rows.map((row) => {
        const value = row[at];
        return value === null || value === undefined ? (columns[at].sort ? -1 : "") : words ? words[value] : columns[at].sort ? value : value.toLowerCase();
      });
      const sign = down ? -1 : 1;
      ranked.sort((one, other) => (key[one] < key[other] ? -sign : key[one] > key[other] ? sign : one - other));
    }

    function search() {
      const began = performance.now();
      const wanted = input.value.toLowerCase().split(/\s+/).filter((word) => word);
      const only = select && select.value !== "" ? Number(select.value) : -1;
      found = [];
      for (const index of ranked) {
        if (only >= 0 && rows[index][filter] !== only) continue;
        const text = hay[index];
        if (wanted.every((word) => text.includes(word))) found.push(index);
      }
      active = 0;
      scroll.scrollTop = 0;
      table.setAttribute("aria-rowcount", found.length + 1);
      status.textContent = number.format(found.length) + " of " + number.format(rows.length);
      if (found.length > LIMIT) status.textContent += ", the first " + number.format(LIMIT) + " are listed";
      draw(true);
      box.dataset.took = (performance.now() - began).toFixed(1);
    }

    function tell(index) {
      const row = rows[found[index]];
      const parts = [];
      columns.forEach((column, at) => {
        const text = shown(column, row[at]);
        if (text !== "") parts.push(make("dt", column.title), make("dd", text));
      });
      detail.replaceChildren(...parts);
    }

    function go(index) {
      active = Math.max(0, Math.min(Math.min(found.length, LIMIT) - 1, index));
      const head = table.tHead.offsetHeight, top = active * height;
      if (top < scroll.scrollTop) scroll.scrollTop = top;
      if (top + height + head > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top + height + head - scroll.clientHeight;
      draw();
      alive.get(active)?.querySelector("button").focus({ preventScroll: true });
    }

    Array.from(table.tHead.rows[0].cells).forEach((cell, place) => {
      const at = seen[place];
      const button = make("button", cell.textContent, { type: "button" });
      cell.replaceChildren(button);
      cell.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        sorted = { at, down: sorted.at === at ? !sorted.down : false };
        for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
        cell.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
        const began = performance.now();
        order();
        search();
        box.dataset.sorted = (performance.now() - began).toFixed(1);
      });
    });
    body.addEventListener("click", (event) => {
      const row = event.target.closest("tr:not(.space)");
      const button = row && row.querySelector("button");
      if (!button) return;
      active = Number(button.dataset.index);
      tell(active);
    });
    body.addEventListener("keydown", (event) => {
      const page = Math.max(1, Math.floor(scroll.clientHeight / height) - 2);
      const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
      if (!(event.key in steps)) return;
      event.preventDefault();
      const step = steps[event.key];
      go(step === Infinity ? found.length - 1 : step === -Infinity ? 0 : active + step);
    });
    let waiting = 0;
    scroll.addEventListener("scroll", () => {
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(() => draw());
    });
    input.addEventListener("input", search);
    if (select) select.addEventListener("change", search);
    addEventListener("beforeprint", () => { body.replaceChildren(...plain); if (cut) cut.hidden = false; });
    addEventListener("afterprint", () => { if (cut) cut.hidden = true; alive.clear(); body.replaceChildren(above, below); draw(true); });
    search();
  }
  for (const box of document.querySelectorAll(".live")) live(box);
  document.documentElement.dataset.ready = "yes";
})();
