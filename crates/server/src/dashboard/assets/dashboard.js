// Renews the page when something happens, and shows times in the browser's own zone. Pages are complete without it.
(() => {
  "use strict";
  const pad = (number) => String(number).padStart(2, "0");

  const localTimes = (root) => {
    for (const element of root.querySelectorAll("time[datetime]")) {
      const at = new Date(element.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      const day = `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
      const minute = `${pad(at.getHours())}:${pad(at.getMinutes())}`;
      const forms = { minute, day: `${day.slice(5)} ${minute}` };
      element.textContent = forms[element.dataset.form] || `${day} ${minute}:${pad(at.getSeconds())}`;
      element.title = element.dateTime;
    }
  };
  localTimes(document);

  const live = document.body.dataset.live;
  if (!live || !window.EventSource) return;
  const sign = document.querySelector(".live");
  const show = (on) => {
    if (!sign) return;
    sign.hidden = false;
    sign.dataset.state = on ? "on" : "off";
    sign.title = on ? sign.dataset.on : sign.dataset.off;
  };

  // One reading at a time; what happens meanwhile makes one more. A page whose list is in use is not replaced.
  let reading = false;
  let again = false;
  const inUse = () => document.activeElement && document.activeElement.closest("main select, main input, main textarea");
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
      const old = document.getElementById("content");
      if (!fresh || inUse()) return;
      localTimes(fresh);
      const focused = document.activeElement && old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
      old.replaceChildren(...fresh.childNodes);
      if (focused) old.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
      document.body.dataset.renewed = String(Number(document.body.dataset.renewed || 0) + 1);
    } catch { /* the next event tries again */ } finally {
      reading = false;
      if (again && !document.hidden && !inUse()) renew();
    }
  };
  document.addEventListener("focusout", () => { if (again) setTimeout(renew, 0); });

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
