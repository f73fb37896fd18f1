"use strict";
// Tables of any length: all rows are data, and as many as are seen are elements. Whatever a name holds becomes text by
// `textContent`; nothing is ever read as markup, and nothing is fetched.
(() => {
  const SPARE = 12;
  const LIMIT = 1000000; // rows of one table that are shown: browsers end at some height
  const PAPER = 250; // rows of one table that are printed: a search chooses others
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
    return Array.isArray(value) ? value.join("\n") : value;
  };
  // What is told of a row besides its cells, as terms and what they are; of a list each on a line.
  const told = (columns, row, wanted) => {
    const list = make("dl");
    columns.forEach((column, at) => {
      const value = row[at];
      if (!wanted(column) || shown(column, value) === "") return;
      const told = make("dd", Array.isArray(value) ? undefined : shown(column, value));
      if (Array.isArray(value)) {
        const items = make("ul");
        items.append(...value.map((one) => make("li", one)));
        told.append(items);
      }
      list.append(make("dt", column.title), told);
    });
    return list;
  };

  function live(box) {
    const data = JSON.parse(document.getElementById(box.id + "-data").textContent);
    const { columns, rows } = data;
    const table = box.querySelector("table");
    const body = table.tBodies[0];
    const cut = box.querySelector(".cut");
    const seen = columns.map((column, at) => at).filter((at) => !columns[at].detail);
    const texts = columns.map((column, at) => at).filter((at) => !columns[at].sort && !columns[at].words);
    // Rows share words, so words are searched once, and not in every row.
    const worded = columns.map((column, at) => at).filter((at) => columns[at].words);
    const words = columns.map((column) => column.words && column.words.map((word) => word.toLowerCase()));
    const hay = rows.map((row) => texts.map((at) => shown(columns[at], row[at])).join("\n").toLowerCase());
    let found = rows.map((row, at) => at);
    const ranked = found.slice();
    let sorted = { at: -1, down: false };
    let active = 0;
    let chosen = null; // the row of which more is told

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
    const detail = make("div", undefined, { class: "detail", id: box.id + "-detail", role: "region", "aria-label": "the one that was chosen of " + box.dataset.name, "aria-live": "polite" });
    scroll.after(detail);
    const tells = "Choose a name: what is known of it stands below the list.";
    detail.append(make("p", tells, { class: "soft" }));
    const printed = make("p", undefined, { class: "cut soft" });
    printed.hidden = true;
    box.append(printed);
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
        if (columns[at].words) cell.classList.add("w");
        cell.dataset.of = columns[at].title;
        if (columns[at].head) {
          const button = make("button", text, { type: "button", title: text, tabindex: "-1", "aria-controls": detail.id, "aria-expanded": String(row === chosen) });
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
      const { sort, ranks } = columns[at];
      const key = rows.map((row) => {
        const value = row[at];
        if (value === null || value === undefined) return sort ? Infinity : "\uffff"; // what is not known comes last
        return ranks ? ranks[value] : words[at] ? words[at][value] : sort ? value : value.toLowerCase();
      });
      const sign = down ? -1 : 1;
      ranked.sort((one, other) => (key[one] < key[other] ? -sign : key[one] > key[other] ? sign : one - other));
    }

    function search() {
      const began = performance.now();
      const wanted = input.value.toLowerCase().split(/\s+/).filter((word) => word);
      const only = select && select.value !== "" ? Number(select.value) : -1;
      found = [];
      const fits = wanted.map((word) => {
        const hits = worded.map((at) => [at, words[at].map((one) => one.includes(word))]).filter(([, hit]) => hit.includes(true));
        return (index) => hay[index].includes(word) || hits.some(([at, hit]) => hit[rows[index][at]]);
      });
      for (const index of ranked) {
        if (only >= 0 && rows[index][filter] !== only) continue;
        if (fits.every((fit) => fit(index))) found.push(index);
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
      chosen = rows[found[index]];
      detail.replaceChildren(told(columns, chosen, () => true));
      for (const [at, row] of alive) row.querySelector("button").setAttribute("aria-expanded", String(rows[found[at]] === chosen));
      detail.scrollIntoView({ block: "nearest" });
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
    // Paper has what was searched for, with all that is told of each row.
    const papers = (index) => {
      const row = line(index);
      const more = told(columns, rows[found[index]], (column) => column.detail);
      if (!more.children.length) return [row];
      const tr = make("tr", undefined, { class: "more" });
      tr.append(make("td", undefined, { colspan: seen.length }));
      tr.firstChild.append(more);
      return [row, tr];
    };
    const print = () => {
      const count = Math.min(found.length, PAPER);
      body.replaceChildren(...Array.from({ length: count }, (_, index) => papers(index)).flat());
      printed.hidden = count === rows.length;
      printed.textContent = "These are " + number.format(count) + " of " + number.format(rows.length) + (input.value ? ", searched for “" + input.value + "”." : ". On a screen all of them can be searched and sorted.");
    };
    addEventListener("beforeprint", print);
    addEventListener("afterprint", () => { printed.hidden = true; alive.clear(); body.replaceChildren(above, below); draw(true); });
    search();
  }
  for (const box of document.querySelectorAll(".live")) live(box);
  // What is folded up prints unfolded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = Array.from(document.querySelectorAll("details:not([open])"));
    for (const one of folded) one.open = true;
  });
  addEventListener("afterprint", () => { for (const one of folded) one.open = false; });
  document.documentElement.dataset.ready = "yes";
})();
