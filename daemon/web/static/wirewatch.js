// Brings the page up to date without moving it: the same page is fetched again and its parts are put in place.
// Without JavaScript the page reloads itself (see <noscript> in base.html).
"use strict";

const EVERY = 10000;

async function refresh() {
  if (document.hidden) return;
  let next;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    next = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    document.body.classList.add("away");
    return;
  }
  document.body.classList.remove("away");
  const opened = new Set([...document.querySelectorAll("details[open]")].map((part) => part.id));
  for (const part of document.querySelectorAll("[data-live]")) {
    const fresh = next.getElementById(part.id);
    if (!fresh || fresh.isEqualNode(part) || part.contains(document.activeElement)) continue;
    for (const details of fresh.querySelectorAll("details")) details.open = opened.has(details.id);
    part.replaceWith(document.adoptNode(fresh));
  }
  document.title = next.title;
}

setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
