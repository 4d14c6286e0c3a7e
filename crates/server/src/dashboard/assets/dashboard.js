// Renews the page when something happens, and shows times in one zone. Pages are complete without it.
(() => {
  "use strict";
  const main = () => document.getElementById("content");

  // One zone a page: the chosen one, else the browser's. A part of a page may name another one.
  const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const zoneOf = (element) => element.closest("[data-zone]")?.dataset.zone || browserZone;
  const formats = new Map();
  const format = (zone) => {
    if (!formats.has(zone)) {
      const options = { timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, timeZoneName: "longOffset" };
      try { formats.set(zone, new Intl.DateTimeFormat("en-CA", options)); } catch { formats.set(zone, format(browserZone)); }
    }
    return formats.get(zone);
  };
  const inZone = (at, zone) => Object.fromEntries(format(zone).formatToParts(at).map((part) => [part.type, part.value]));
  const offset = (zone) => inZone(new Date(), zone).timeZoneName.replace("GMT", "UTC");
  const shown = (at, zone, form) => {
    const part = inZone(at, zone);
    const day = `${part.year}-${part.month}-${part.day}`;
    const minute = `${part.hour}:${part.minute}`;
    const second = `${day} ${minute}:${part.second}`;
    return { minute, day: `${day.slice(5)} ${minute}`, ms: `${second}.${part.fractionalSecond}` }[form] || second;
  };
  const STAMP = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;
  const localTimes = (root) => {
    for (const element of root.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const zone = zoneOf(element.isConnected ? element : document.body);
      element.textContent = shown(at, zone, element.dataset.form);
      element.title = `${shown(at, zone, "ms")} ${zone} (${offset(zone)})`;
    }
    for (const title of root.querySelectorAll("svg title, [data-due]")) {
      const name = title.dataset?.due ? "due" : "";
      const zone = zoneOf(document.body);
      if (name) title.title = `${shown(new Date(title.dataset.due), zone, "ms")} ${zone}`;
      else title.textContent = title.textContent.replace(STAMP, (text) => shown(new Date(text), zone, "day"));
    }
  };
  const nameZone = () => {
    const zone = zoneOf(document.body);
    for (const element of document.querySelectorAll("[data-zone-name]")) element.textContent = `${zone} (${offset(zone)})`;
    for (const select of document.querySelectorAll("[data-submits]")) {
      select.addEventListener("change", () => select.form.requestSubmit());
      select.form.querySelector("button")?.setAttribute("hidden", "");
    }
  };
  localTimes(document);
  nameZone();

  // Boxes: the number of those that are ticked, and one that ticks all.
  const boxes = () => [...document.querySelectorAll("input.tick")];
  const count = () => {
    const ticked = boxes().filter((box) => box.checked).length;
    for (const element of document.querySelectorAll("[data-selected]")) {
      element.textContent = ticked > 0 ? element.dataset.selected.replace("{0}", String(ticked)) : "";
    }
    for (const all of document.querySelectorAll("[data-all]")) {
      all.closest("label").hidden = boxes().length === 0;
      all.checked = ticked > 0 && ticked === boxes().length;
      all.indeterminate = ticked > 0 && ticked < boxes().length;
    }
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-all]")) for (const box of boxes()) box.checked = event.target.checked;
    if (event.target.matches?.("[data-all], input.tick")) count();
  });
  count();

  // The values under the pointer, in lines next to it: the browser's own hint comes late and cannot be read on a phone.
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  tip.setAttribute("aria-hidden", "true");
  document.body.append(tip);
  const showTip = (event) => {
    const column = event.target.closest?.(".plot g");
    const title = column?.querySelector("title");
    if (!title) { tip.hidden = true; return; }
    tip.replaceChildren(...title.textContent.split(" · ").map((text) => Object.assign(document.createElement("div"), { textContent: text })));
    tip.hidden = false;
    const left = Math.min(event.clientX + 14, document.documentElement.clientWidth - tip.offsetWidth - 8);
    const below = event.clientY + 16 + tip.offsetHeight < document.documentElement.clientHeight;
    tip.style.setProperty("left", `${Math.max(8, left)}px`);
    tip.style.setProperty("top", `${below ? event.clientY + 16 : event.clientY - tip.offsetHeight - 10}px`);
  };
  document.addEventListener("pointermove", showTip);
  document.addEventListener("pointerdown", showTip);

  // Keys: see the help. They are silent while a text is written.
  const help = document.getElementById("help");
  const isWriting = (element) => element?.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select");
  const rows = () => [...document.querySelectorAll("main tbody a.key, main .queue a.key")];
  const step = (by) => {
    const all = rows();
    const at = all.findIndex((row) => row === document.activeElement || row.closest("tr, li")?.contains(document.activeElement));
    const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + by))];
    next?.focus();
    next?.scrollIntoView({ block: "nearest" });
  };
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (isWriting(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (help?.open) return;
    const goes = Date.now() - going < 1500;
    going = 0;
    const link = goes && document.querySelector(`nav [data-key="${CSS.escape(event.key)}"]`);
    if (link) link.click();
    else if (event.key === "g") going = Date.now();
    else if (event.key === "?") help?.showModal();
    else if (event.key === "/") document.querySelector("header input[type=search]")?.focus();
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "x") {
      const box = document.activeElement?.closest("tr, li")?.querySelector("input.tick");
      if (!box) return;
      box.checked = !box.checked;
      count();
    } else return;
    event.preventDefault();
  });
  for (const opener of document.querySelectorAll("[data-opens]")) {
    opener.hidden = false;
    opener.addEventListener("click", () => document.getElementById(opener.dataset.opens)?.showModal());
  }

  const live = document.body.dataset.live;
  if (!live || !window.EventSource) return;
  const sign = document.querySelector(".live");
  const show = (on) => {
    if (!sign) return;
    sign.hidden = false;
    sign.dataset.state = on ? "on" : "off";
    sign.title = on ? sign.dataset.on : sign.dataset.off;
  };

  // What the reader has done to the page stays: ticked boxes, open details, the focus, and the row at the top of the window.
  const nameOf = (element) => {
    if (element.id) return `#${CSS.escape(element.id)}`;
    if (element.matches("input, button, select") && element.name) return `[name="${CSS.escape(element.name)}"][value="${CSS.escape(element.value)}"]`;
    return element.hasAttribute("href") ? `[href="${CSS.escape(element.getAttribute("href"))}"]` : null;
  };
  const remember = (old) => {
    const top = rows().find((row) => row.getBoundingClientRect().bottom > 0);
    const active = old.contains(document.activeElement) ? document.activeElement : null;
    return {
      ticked: new Set(boxes().filter((box) => box.checked).map((box) => box.value)),
      open: new Set([...old.querySelectorAll("details")].flatMap((details, at) => (details.open ? [details.id || at] : []))),
      focused: active && nameOf(active),
      row: top && { name: nameOf(top), at: top.getBoundingClientRect().top },
    };
  };
  const restore = (old, was) => {
    for (const box of boxes()) box.checked = was.ticked.has(box.value);
    [...old.querySelectorAll("details")].forEach((details, at) => { if (was.open.has(details.id || at)) details.open = true; });
    if (was.focused) old.querySelector(was.focused)?.focus({ preventScroll: true });
    const row = was.row?.name && window.scrollY > 0 && old.querySelector(was.row.name);
    if (row) window.scrollBy({ top: row.getBoundingClientRect().top - was.row.at, behavior: "instant" });
    count();
  };

  // One reading at a time; what happens meanwhile makes one more. A page is not replaced while its text is marked or a field of it is in use.
  let reading = false;
  let again = false;
  const isMarked = () => { const marked = document.getSelection(); return marked && !marked.isCollapsed && main().contains(marked.anchorNode); };
  const inUse = () => isMarked() || (main().contains(document.activeElement) && isWriting(document.activeElement));
  const renew = async () => {
    if (document.hidden || inUse()) { again = true; return; }
    if (reading) { again = true; return; }
    reading = true;
    again = false;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.redirected) { location.reload(); return; }
      if (!answer.ok) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("content");
      const old = main();
      if (!fresh) return;
      if (inUse()) { again = true; return; }
      const was = remember(old);
      old.replaceChildren(...fresh.childNodes);
      localTimes(old);
      restore(old, was);
      tip.hidden = true;
      document.body.dataset.renewed = String(Number(document.body.dataset.renewed || 0) + 1);
    } catch { /* the next event tries again */ } finally {
      reading = false;
      if (again && !document.hidden && !inUse()) renew();
    }
  };
  const renewIfMissed = () => { if (again) setTimeout(renew, 0); };
  document.addEventListener("focusout", renewIfMissed);
  document.addEventListener("selectionchange", () => { if (again && !inUse()) renewIfMissed(); });

  // Only while the page is visible: a browser has six connections to a server, and each open page would keep one.
  let events = null;
  let begun = false;
  const follow = () => {
    if (document.hidden) {
      events?.close();
      events = null;
    } else if (!events) {
      events = new EventSource(live);
      events.addEventListener("hello", () => { show(true); if (begun) renew(); begun = true; });
      events.addEventListener("change", renew);
      events.onerror = () => show(false);
    }
  };
  document.addEventListener("visibilitychange", follow);
  follow();
})();
