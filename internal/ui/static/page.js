"use strict";

// The pages work without this script. It follows changes, counts times, sends forms without
// leaving the page, and has the keys.

const body = document.body;
const root = body.dataset.root;

// ---- times

function span(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return s + " s";
  if (s < 3600) return Math.floor(s / 60) + " min " + String(s % 60).padStart(2, "0") + " s";
  if (s < 172800) return Math.floor(s / 3600) + " h " + String(Math.floor(s % 3600 / 60)).padStart(2, "0") + " min";
  return Math.floor(s / 86400) + " d " + Math.floor(s % 86400 / 3600) + " h";
}

function tick() {
  const now = Date.now();
  for (const t of document.querySelectorAll("[data-since]")) {
    t.textContent = span((now - Date.parse(t.dataset.since)) / 1000);
  }
  for (const t of document.querySelectorAll("[data-until]")) {
    const left = (Date.parse(t.dataset.until) - now) / 1000;
    t.textContent = left > 0 ? span(left) : "none";
  }
}
if (body.hasAttribute("data-live")) {
  tick();
  setInterval(tick, 1000);
}

// ---- messages to the reader

const message = document.getElementById("message");
let hiding;
function say(text, bad) {
  message.textContent = text;
  message.className = bad ? "bad" : "good";
  message.hidden = false;
  clearTimeout(hiding);
  if (!bad) hiding = setTimeout(() => { message.hidden = true; }, 6000);
}
message.addEventListener("click", () => { message.hidden = true; });

// ---- changes

// keep carries what the reader has opened and typed into an element that replaces another.
function keep(from, to) {
  for (const d of from.querySelectorAll("details[open][id]")) {
    const same = to.querySelector("#" + CSS.escape(d.id));
    if (same) same.open = true;
  }
  for (const f of from.querySelectorAll("textarea[id], input[id]")) {
    const same = to.querySelector("#" + CSS.escape(f.id));
    if (!same) continue;
    if (f.type === "checkbox") same.checked = f.checked; else same.value = f.value;
  }
  if (from.tagName === "SELECT") {
    to.value = from.value;
    if (to.value !== from.value) to.append(new Option(from.value, from.value, true, true));
  }
}

function patchRegion(r) {
  const region = document.querySelector('[data-region="' + CSS.escape(r.id) + '"]');
  if (!region) return;
  const following = "follow" in region.dataset && window.innerHeight + window.scrollY > document.documentElement.scrollHeight - 120;
  const active = document.activeElement;
  const at = active && region.contains(active) ? { id: active.id, key: active.closest("[data-key]")?.dataset.key, href: active.getAttribute("href"), from: active.selectionStart, to: active.selectionEnd } : null;
  const have = new Map();
  for (const e of [...region.children]) {
    if (e.dataset.key && r.order.includes(e.dataset.key)) have.set(e.dataset.key, e); else e.remove();
  }
  let before = null;
  for (const key of [...r.order].reverse()) {
    let e = have.get(key);
    if (r.set && key in r.set) {
      const t = document.createElement("template");
      t.innerHTML = r.set[key];
      const fresh = t.content.firstElementChild;
      if (!fresh) continue;
      if (e) { keep(e, fresh); e.replaceWith(fresh); } else { fresh.classList.add("fresh"); }
      e = fresh;
    }
    if (!e) continue;
    if (e.parentNode !== region || e.nextElementSibling !== before) region.insertBefore(e, before);
    before = e;
  }
  if (at && !region.contains(document.activeElement)) {
    const same = at.id ? document.getElementById(at.id) : region.querySelector('[data-key="' + CSS.escape(at.key || "") + '"] a.go') ;
    if (same) {
      same.focus({ preventScroll: true });
      if (at.from != null && same.setSelectionRange) same.setSelectionRange(at.from, at.to);
    }
  }
  if (following) window.scrollTo(0, document.documentElement.scrollHeight);
}

const pulse = document.getElementById("pulse");
let source = null;
let version = body.dataset.version;

function state(text, ok) {
  if (!pulse) return;
  if (pulse.textContent !== text) pulse.textContent = text;
  pulse.classList.toggle("on", ok);
}

function follow() {
  if (source || !body.hasAttribute("data-live")) return;
  source = new EventSource(root + "events?of=" + encodeURIComponent(body.dataset.self) + "&version=" + encodeURIComponent(version));
  source.addEventListener("ready", () => state("live", true));
  source.addEventListener("patch", (e) => {
    version = e.lastEventId;
    for (const r of JSON.parse(e.data).regions) patchRegion(r);
    reveal(document);
    tick();
    state("live", true);
    body.dataset.patches = String(1 + Number(body.dataset.patches || 0));
  });
  source.addEventListener("fault", (e) => {
    const fault = JSON.parse(e.data);
    state("not read", false);
    say(fault.text, true);
    if (fault.gone) { source.close(); source = null; }
  });
  source.onerror = () => {
    state("not connected", false);
    if (source && source.readyState === EventSource.CLOSED) { // the server refused: try again later
      source = null;
      setTimeout(() => { if (!document.hidden) follow(); }, 5000);
    }
  };
}
function unfollow() {
  if (source) source.close();
  source = null;
  state("paused", false);
}
// A browser has few connections to one server: a page that is not seen takes none.
document.addEventListener("visibilitychange", () => document.hidden ? unfollow() : follow());
window.addEventListener("pagehide", unfollow);
window.addEventListener("pageshow", (e) => { if (e.persisted) follow(); });
if (!document.hidden) follow();

// ---- forms

document.addEventListener("submit", async (e) => {
  const form = e.target;
  if (!form.classList.contains("act")) return;
  e.preventDefault();
  const button = e.submitter;
  const data = new URLSearchParams(new FormData(form));
  if (button && button.name) data.set(button.name, button.value);
  const buttons = [...form.querySelectorAll("button")];
  buttons.forEach((b) => { b.disabled = true; });
  try {
    // form.action is the button of that name
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body: data, headers: { Accept: "application/json" }, redirect: "error" });
    const result = await answer.json();
    say(result.text, !result.ok);
    if (result.ok) {
      form.closest("details")?.removeAttribute("open");
      form.reset();
    }
  } catch {
    say("The server does not answer: nothing is known to have been done. Look again before you repeat it.", true);
  }
  buttons.forEach((b) => { b.disabled = false; });
});

// ---- filters

const filters = document.getElementById("filters");
if (filters && body.hasAttribute("data-files")) {
  // Pages that are files have all rows: they are filtered here, and the address keeps how.
  filters.classList.add("scripted");
  const rows = [...document.querySelectorAll("#list tbody tr")];
  const left = document.getElementById("left");
  const show = () => {
    const q = new URLSearchParams(location.hash.slice(1));
    for (const e of filters.elements) if (e.name) e.value = q.get(e.name) || "";
    let n = 0;
    for (const row of rows) {
      let ok = true;
      for (const [name, value] of q) {
        if (!value) continue;
        ok = ok && (name === "q" ? row.dataset.text.includes(value.toLowerCase()) : (row.dataset[name] || "").split("\n").includes(value));
      }
      row.hidden = !ok;
      if (ok) n++;
    }
    left.hidden = n === rows.length;
    left.textContent = n + " of " + rows.length + " meet the conditions.";
    document.querySelector(".pager")?.toggleAttribute("hidden", n !== rows.length);
  };
  const apply = () => {
    const q = new URLSearchParams();
    for (const [name, value] of new FormData(filters)) if (value) q.append(name, value);
    location.hash = q.toString();
  };
  filters.addEventListener("input", apply);
  filters.addEventListener("submit", (e) => { e.preventDefault(); apply(); });
  window.addEventListener("hashchange", show);
  show();
} else if (filters) {
  filters.classList.add("scripted");
  const apply = () => {
    const q = new URLSearchParams();
    for (const [name, value] of new FormData(filters)) if (value) q.append(name, value);
    const text = q.toString();
    location.assign(filters.action.split("?")[0] + (text ? "?" + text : ""));
  };
  filters.addEventListener("change", (e) => { if (e.target.tagName === "SELECT") apply(); });
  filters.addEventListener("submit", (e) => { e.preventDefault(); apply(); });
}

// ---- copying

function reveal(within) {
  if (!navigator.clipboard) return;
  for (const b of within.querySelectorAll("button.copy[hidden]")) b.hidden = false;
}
reveal(document);
document.addEventListener("click", async (e) => {
  const b = e.target.closest("button.copy");
  if (!b) return;
  try {
    await navigator.clipboard.writeText(document.getElementById(b.dataset.copy).textContent);
    say("Copied.");
  } catch {
    say("The browser does not permit copying.", true);
  }
});

// ---- keys

const keys = document.getElementById("keys");
const keysButton = document.getElementById("keys-button");
keysButton.hidden = false;
keysButton.addEventListener("click", () => keys.showModal());

function step(by) {
  const all = [...document.querySelectorAll("a.go")].filter((a) => a.offsetParent);
  if (!all.length) {
    const messages = [...document.querySelectorAll(".message")];
    if (!messages.length) return;
    let i = messages.findIndex((m) => m.getBoundingClientRect().top > 60);
    if (i < 0) i = messages.length;
    if (by > 0 && messages[i] && messages[i].getBoundingClientRect().top < 90) i++;
    if (by < 0) i--;
    messages[Math.min(Math.max(i, 0), messages.length - 1)].scrollIntoView({ block: "start" });
    return;
  }
  const at = all.indexOf(document.activeElement);
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1)];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

let prefix = 0;
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
  if (e.target.closest("input, textarea, select, dialog")) {
    if (e.key === "Escape" && e.target.id === "search") e.target.blur();
    return;
  }
  const go = { c: 'nav a[href]:nth-of-type(1)', w: 'nav a[href]:nth-of-type(2)', r: 'nav a[href]:nth-of-type(3)' };
  if (prefix && Date.now() - prefix < 1500 && go[e.key]) {
    document.querySelector("header " + go[e.key]).click();
    e.preventDefault();
    return;
  }
  prefix = e.key === "g" ? Date.now() : 0;
  switch (e.key) {
    case "j": step(1); break;
    case "k": step(-1); break;
    case "/": {
      const search = document.getElementById("search");
      if (search) { search.focus(); search.select(); } else { document.querySelector("header nav a").click(); }
      break;
    }
    case "u": document.getElementById("up")?.click(); break;
    case "?": keys.showModal(); break;
    default: return;
  }
  e.preventDefault();
});
