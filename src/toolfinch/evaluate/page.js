
"use strict";
// The failing cases: searched, filtered, shown fifty at a time. Everything is put on the page as text.
(() => {
  const STEP = 50;
  const FACETS = { suite: "suite", caller: "caller", scenario: "scenario", failure: "kind of failure" };
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("data").textContent);
  const [form, list, more, status] = ["filters", "list", "more", "status"].map(at);
  const chosen = { q: "", suite: "", caller: "", scenario: "", failure: "" };
  const selects = {};
  let found = [];
  let terms = null;

  for (const c of data.cases) {
    c.scenario ||= "none";
    c.names = data.tools[c.tools];
  }
  const failedBy = new Map();
  for (const c of data.cases) {
    const key = JSON.stringify([c.suite, c.id]);
    if (!failedBy.has(key)) failedBy.set(key, []);
    failedBy.get(key).push(c);
  }

  function element(tag, kind, ...children) {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    made.append(...children);
    return made;
  }

  const spaced = (name) => name.replaceAll("_", " ");
  const number = (n) => n.toLocaleString("en");
  const label = (facet, value) => (facet === "failure" ? spaced(value) : value);

  // Lower-case copies are made when a search first needs them.
  const lowered = {};
  const lower = (key, text) => (lowered[key] ??= text().toLowerCase());

  /** Which cases hold every word of the search, anywhere. A turn is read once, however many cases have it. */
  function searched() {
    const words = chosen.q.toLowerCase().split(/\s+/).filter(Boolean);
    let cases = data.cases.map((_, i) => i);
    for (const word of words) {
      const turns = data.turns.map(([role, text], i) => lower("t" + i, () => role + "\n" + text).includes(word));
      const prompts = data.prompts.map((prompt) => prompt.some((turn) => turns[turn]));
      cases = cases.filter((i) => {
        const c = data.cases[i];
        const own = () => [c.id, c.why, spaced(c.failure), c.expected, c.got, ...c.names].join("\n");
        return prompts[c.prompt] || lower("c" + i, own).includes(word);
      });
    }
    const parts = words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    terms = parts.length ? new RegExp("(" + parts.join("|") + ")", "i") : null;
    return cases.map((i) => data.cases[i]);
  }

  /** A count beside each choice says how many cases it would leave, the other choices as they are. */
  function filter() {
    const counts = {};
    const sums = {};
    for (const facet in FACETS) [counts[facet], sums[facet]] = [new Map(), 0];
    found = [];
    for (const c of searched()) {
      const against = Object.keys(FACETS).filter((facet) => chosen[facet] && c[facet] !== chosen[facet]);
      if (!against.length) found.push(c);
      for (const facet in FACETS) {
        if (against.length > 1 || (against.length === 1 && against[0] !== facet)) continue;
        counts[facet].set(c[facet], (counts[facet].get(c[facet]) ?? 0) + 1);
        sums[facet] += 1;
      }
    }
    for (const facet in selects) {
      for (const option of selects[facet].options) {
        const n = option.value ? (counts[facet].get(option.value) ?? 0) : sums[facet];
        option.textContent = `${option.value ? label(facet, option.value) : "all"} (${number(n)})`;
      }
      selects[facet].value = chosen[facet];
      selects[facet].classList.toggle("active", Boolean(chosen[facet]));
    }
    form.elements.q.value = chosen.q;
    form.elements.q.classList.toggle("active", Boolean(chosen.q));
    form.elements.clear.disabled = !Object.values(chosen).some(Boolean);
    list.replaceChildren();
    show();
    if (found.length === 1) list.firstChild.open = true;
  }

  function show() {
    const from = list.childElementCount;
    list.append(...found.slice(from, from + STEP).map(row));
    const shown = list.childElementCount;
    more.hidden = shown === found.length;
    more.textContent = `Show ${Math.min(STEP, found.length - shown)} more`;
    const of = found.length === data.cases.length ? "" : ` (of ${number(data.cases.length)} in all)`;
    const only = shown === found.length ? "" : `, the first ${number(shown)} shown`;
    status.textContent = found.length
      ? `${number(found.length)} case${found.length === 1 ? "" : "s"}${of}${only}`
      : "No case matches. Fewer words or filters will find some.";
    return list.children[from];
  }

  /** Text with the searched words marked. */
  function marked(text) {
    if (!terms) return [text];
    return text.split(terms).map((part, i) => (i % 2 ? element("mark", "", part) : part));
  }

  /** Two texts, in each the part set apart by which they differ; nothing, where most of them does. */
  function compared(a, b) {
    const word = /[\w.:@-]/;
    const least = Math.min(a.length, b.length);
    let start = 0;
    while (start < least && a[start] === b[start]) start += 1;
    let end = 0;
    while (end < least - start && a.at(-1 - end) === b.at(-1 - end)) end += 1;
    while (start && word.test(a[start - 1])) start -= 1;
    while (end && word.test(a.at(-end))) end -= 1;
    if (a === b || (start + end) * 2 < Math.max(a.length, b.length)) return [marked(a), marked(b)];
    return [a, b].map((text) => {
      const stop = text.length - end;
      const middle = element("span", "differs", ...marked(text.slice(start, stop)));
      return [...marked(text.slice(0, start)), middle, ...marked(text.slice(stop))];
    });
  }

  function row(c) {
    const where = [c.caller, c.suite, c.scenario, c.id].join(" · ");
    const made = element(
      "details",
      "case",
      element(
        "summary",
        "",
        element("span", "kind", spaced(c.failure)),
        element("span", "why", ...marked(c.why)),
        element("span", "where", ...marked(where)),
      ),
    );
    made.addEventListener("toggle", () => made.open && made.childElementCount === 1 && made.append(body(c)));
    return made;
  }

  function body(c) {
    const talk = element("div", "talk");
    talk.tabIndex = 0;
    talk.setAttribute("role", "region");
    talk.setAttribute("aria-label", "Prompt");
    for (const turn of data.prompts[c.prompt]) {
      const [role, text] = data.turns[turn];
      if (!role) {
        talk.append(element("p", "left-out", text));
        continue;
      }
      const kind = role.startsWith("tool") ? "text tool" : "text";
      talk.append(element("p", "role", role), element("p", kind, ...marked(text)));
    }
    const names = element("ul", "names", ...c.names.map((name) => element("li", "", ...marked(name))));
    const others = failedBy.get(JSON.stringify([c.suite, c.id])).filter((other) => other !== c);
    const also = others.map((other) => {
      const link = element("a", "", `${other.caller}: ${spaced(other.failure)}`);
      link.href = "#" + new URLSearchParams({ q: c.id, suite: c.suite, caller: other.caller });
      return element("li", "", link);
    });
    const [expected, got] = compared(c.expected, c.got);
    const made = element(
      "div",
      "body",
      element("div", "", element("h4", "", "Prompt"), talk),
      element(
        "div",
        "",
        element("h4", "", "Expected"),
        element("pre", "expected", ...expected),
        element("h4", "", "Got"),
        element("pre", "got", ...got),
        element("h4", "", "Why"),
        element("p", "", ...marked(c.why)),
        element("p", "meaning-of", `${spaced(c.failure)}: ${data.meaning[c.failure]}`),
        element("h4", "", `Tools (${c.names.length})`),
        names,
        ...(also.length ? [element("h4", "", "The same case failed with"), element("ul", "also", ...also)] : []),
      ),
    );
    // What is decided stands at the end of a long prompt.
    requestAnimationFrame(() => (talk.scrollTop = talk.scrollHeight));
    return made;
  }

  /** The choices in the address, so that a link to the page keeps them; a mere `#cost` is no choice. */
  function read() {
    if (location.hash.length > 1 && !location.hash.includes("=")) return false;
    const params = new URLSearchParams(location.hash.slice(1));
    for (const key in chosen) chosen[key] = params.get(key) ?? "";
    for (const facet in FACETS) {
      const known = data.cases.some((c) => c[facet] === chosen[facet]);
      if (!known) chosen[facet] = "";
    }
    return location.hash.length > 1;
  }

  function write() {
    const params = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value));
    history.replaceState(null, "", params.size ? "#" + params : location.pathname + location.search);
  }

  function change(key, value) {
    chosen[key] = value;
    write();
    filter();
  }

  for (const [facet, name] of Object.entries(FACETS)) {
    const counts = new Map();
    for (const c of data.cases) counts.set(c[facet], (counts.get(c[facet]) ?? 0) + 1);
    if (counts.size < 2) continue;
    const values = [...counts.keys()];
    if (facet === "failure") values.sort((a, b) => counts.get(b) - counts.get(a));
    if (facet === "scenario") values.sort();
    const select = element("select", "", ...["", ...values].map((value) => new Option(value, value)));
    select.name = facet;
    select.addEventListener("change", () => change(facet, select.value));
    selects[facet] = select;
    form.append(element("label", "", name[0].toUpperCase() + name.slice(1), select));
  }
  const clear = element("button", "", "Clear");
  clear.type = "button";
  clear.name = "clear";
  clear.addEventListener("click", () => {
    for (const key in chosen) chosen[key] = "";
    write();
    filter();
    form.elements.q.focus();
  });
  form.append(clear);
  form.addEventListener("submit", (event) => event.preventDefault());
  let waiting = 0;
  form.elements.q.addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => change("q", event.target.value), 150);
  });
  more.addEventListener("click", () => show().querySelector("summary").focus());
  addEventListener("hashchange", () => {
    if (!read()) return;
    filter();
    at("cases").scrollIntoView();
  });
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not(.case)")) part.open = true;
  });

  form.hidden = false;
  const linked = read();
  filter();
  if (linked) at("cases").scrollIntoView();
})();
