// The page without this script is whole: it is read again every 15 seconds by the browser. With it, what has changed is
// put into its place without losing the reader's own, filters act as one types, charts tell their values, and times can
// be shown in the reader's zone.
"use strict";
(() => {
  const EVERY = 15_000;
  let etag = null;
  const kept = (() => { try { return localStorage; } catch (_) { return null; } })();  // it may be forbidden
  let isLocal = kept?.getItem("zone") === "local";

  // Times.
  const zone = document.getElementById("zone");
  const shown = new WeakMap();
  function times() {
    for (const each of document.querySelectorAll("time[datetime]")) {
      if (!shown.has(each)) shown.set(each, each.textContent);
      const at = new Date(Number(each.getAttribute("datetime")) * 1000);
      each.textContent = isLocal ? at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }) : shown.get(each);
      each.title = isLocal ? shown.get(each) : at.toLocaleString();
    }
    if (zone) {
      zone.hidden = false;
      zone.textContent = isLocal ? "Times here" : "Times in UTC";
      zone.title = isLocal ? "Show times in UTC" : "Show times in your own zone";
    }
  }
  zone?.addEventListener("click", () => {
    isLocal = !isLocal;
    kept?.setItem("zone", isLocal ? "local" : "utc");
    times();
  });

  // What has changed.
  const SEARCH = 'form.filter[role="search"]';
  // Somebody is writing something that is not for a search: a note, say.
  function isWriting() {
    const fields = [...document.querySelectorAll("main form :is(input, select, textarea)")].filter((each) => !each.closest(SEARCH));
    return fields.some((each) => each === document.activeElement
      || (each.matches("select") ? [...each.options].some((one) => one.selected !== one.defaultSelected)
        : each.matches("[type=checkbox]") ? each.checked !== each.defaultChecked : each.value !== each.defaultValue));
  }
  let asked = 0;
  async function refresh(address = location.href, { force = false } = {}) {
    const number = ++asked;
    try {
      const headers = etag && !force ? { "if-none-match": etag } : {};
      const answer = await fetch(address, { headers, redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect") {
        document.querySelector("header .state-of").textContent = "You are logged out: load the page again.";
        return;
      }
      if (number !== asked || !answer.ok) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (number !== asked || (isWriting() && !force)) return;
      etag = answer.headers.get("etag");
      swap(next);
    } catch (_) {
      // The engine is away: what is shown says as of when.
    }
  }
  function place(each) {
    if (!each || each === document.body) return null;
    const href = each.getAttribute("href");
    return each.id ? `#${CSS.escape(each.id)}` : href ? `${each.localName}[href="${CSS.escape(href)}"]` : null;
  }
  function swap(next) {
    const open = [...document.querySelectorAll("main details")].map((each) => each.open);
    const focused = document.activeElement, where = place(focused);
    const pushed = [...document.querySelectorAll("figure.time")].map((each) => each.scrollLeft);
    for (const part of ["header .state-of", "main"]) {
      const old = document.querySelector(part), fresh = next.querySelector(part);
      if (!old || !fresh) continue;
      const form = old.querySelector(SEARCH), other = fresh.querySelector(SEARCH);
      if (form && other) replaceAround(old, form, fresh, other);
      else old.replaceChildren(...fresh.childNodes);
    }
    document.querySelectorAll("main details").forEach((each, index) => { each.open = open[index] ?? each.open; });
    document.querySelectorAll("figure.time").forEach((each, index) => { each.scrollLeft = pushed[index] ?? each.scrollWidth; });
    if (where && !document.contains(focused)) document.querySelector(where)?.focus({ preventScroll: true });
    times();
  }

  // All but the form, in which somebody is typing: an element that is moved loses the focus.
  function replaceAround(old, form, fresh, other) {
    const section = form.parentElement, given = other.parentElement;
    const after = (each) => { const found = []; while ((each = each.nextSibling)) found.push(each); return found; };
    after(form).forEach((each) => each.remove());
    form.after(...after(other));
    const counted = form.querySelector("span.quiet"), now = other.querySelector("span.quiet");
    if (counted) counted.textContent = now?.textContent ?? "";
    else if (now) form.append(now);
    const nodes = [...fresh.childNodes], at = nodes.indexOf(given);
    for (const each of [...old.childNodes]) if (each !== section) each.remove();
    section.before(...nodes.slice(0, at));
    section.after(...nodes.slice(at + 1));
  }
  if (!document.querySelector('meta[name="stays"]')) setInterval(() => { if (!document.hidden && !isWriting()) refresh(); }, EVERY);

  // Filters.
  let waiting = null;
  function filtered(form) {
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(form)) if (value !== "" && !(name === "sort" && value === "worst")) query.append(name, value);
    const address = `${location.pathname}${query.size ? "?" : ""}${query}`;
    history.replaceState(null, "", address);
    refresh(address, { force: true });
  }
  document.addEventListener("input", (event) => {
    const form = event.target.closest(SEARCH);
    if (!form) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => filtered(form), event.target.type === "search" ? 200 : 0);
  });
  document.addEventListener("submit", (event) => {
    if (!event.target.matches(SEARCH)) return;
    event.preventDefault();
    filtered(event.target);
  });

  // A note outlives the session that ends while it is written: it stays in this tab until the engine has it.
  const drafts = (() => { try { return sessionStorage; } catch (_) { return null; } })();
  const draftOf = (form) => `note ${form.getAttribute("action")}`;
  const keep = (name, value) => { try { drafts?.setItem(name, value); } catch (_) { /* no room: then it is as without a script */ } };
  const form = document.querySelector("form.note-form");
  if (form && location.hash === "#noted" && drafts?.getItem("sent") === draftOf(form)) drafts.removeItem(draftOf(form));
  if (location.hash === "#noted") history.replaceState(null, "", location.pathname);
  drafts?.removeItem("sent");
  if (form) {
    const [text, kind] = JSON.parse(drafts?.getItem(draftOf(form)) ?? "null") ?? ["", false];
    if (text && !form.text.value) {
      form.text.value = text;
      form.kind.checked = kind;
    }
  }
  document.addEventListener("input", (event) => {
    const form = event.target.closest("form.note-form");
    if (form) keep(draftOf(form), JSON.stringify([form.text.value, form.kind.checked]));
  });
  document.addEventListener("submit", (event) => {
    if (event.target.matches("form.note-form")) keep("sent", draftOf(event.target));
    if (event.target.matches('form[action="/logout"]')) drafts?.clear();
  });

  // Values of charts.
  const SVG = "http://www.w3.org/2000/svg";
  function tip(svg) {
    let found = svg.querySelector("g.tip");
    if (!found) {
      found = document.createElementNS(SVG, "g");
      found.setAttribute("class", "tip");
      svg.append(found);
    }
    return found;
  }
  function point(svg, event) {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    const series = [...svg.querySelectorAll("g.series[data-hover]")].map((each) => JSON.parse(each.dataset.hover));
    const near = series.map((points) => points.reduce((best, each) => (!best || Math.abs(each[0] - place.x) < Math.abs(best[0] - place.x) ? each : best), null)).filter(Boolean);
    const group = tip(svg);
    group.replaceChildren();
    if (!near.length) return;
    const at = new Date(near[0][2] * 1000);
    const when = isLocal ? at.toLocaleString() : `${at.toISOString().slice(0, 16).replace("T", " ")} UTC`;
    const lines = [when, ...near.map((each) => each[3])];
    const width = Math.max(...lines.map((each) => each.length)) * 6.4 + 14;
    const x = Math.min(Math.max(near[0][0] + 10, 2), svg.viewBox.baseVal.width - width - 4);
    const add = (name, attributes, text) => {
      const each = document.createElementNS(SVG, name);
      for (const [key, value] of Object.entries(attributes)) each.setAttribute(key, value);
      if (text) each.textContent = text;
      group.append(each);
    };
    add("line", { class: "mark", x1: near[0][0], x2: near[0][0], y1: 34, y2: 196 });
    for (const each of near) add("circle", { class: "at", cx: each[0], cy: each[1], r: 3.5 });
    add("rect", { class: "paper", x, y: 36, width, height: lines.length * 16 + 8, rx: 4 });
    lines.forEach((each, index) => add("text", { class: index ? "ink" : "pale", x: x + 7, y: 52 + index * 16, "font-size": 11 }, each));
  }
  document.addEventListener("pointermove", (event) => {
    const svg = event.target.closest?.("figure.chart svg");
    document.querySelectorAll("g.tip").forEach((each) => { if (each.ownerSVGElement !== svg) each.remove(); });
    if (svg) point(svg, event);
  });

  document.querySelectorAll("figure.time").forEach((each) => { each.scrollLeft = each.scrollWidth; });
  times();
})();
