"""What happens inside a page, written down where ``expect`` can see it.

The product's policy forbids evaluated scripts, so nothing can be polled there;
each observer writes into an attribute of ``<html>`` instead.
"""

from __future__ import annotations

from playwright.sync_api import Locator

from e2e.people import Person

#: Every value the counter of active people has had: html[data-test-counts="1 2"].
COUNTS = """
addEventListener("DOMContentLoaded", () => {
  const seen = [];
  const look = () => {
    const count = document.querySelector("[data-testid=active-users]")?.dataset.count ?? "none";
    if (seen.at(-1) === count) return;
    seen.push(count);
    document.documentElement.dataset.testCounts = seen.join(" ");
  };
  new MutationObserver(look).observe(
    document.body, { subtree: true, childList: true, attributes: true });
  look();
});
"""

#: Every state that the badge of each document has had, "none" while there is no badge:
#: html[data-test-badges="7:free>editing 8:reading"].
BADGES = """
addEventListener("DOMContentLoaded", () => {
  const seen = new Map();
  const look = () => {
    const badges = [...document.querySelectorAll("[data-testid=lock-badge]")];
    const now = new Map(badges.map(({ dataset }) => [dataset.document, dataset.state]));
    for (const number of new Set([...seen.keys(), ...now.keys()])) {
      const [states, state] = [seen.get(number) ?? [], now.get(number) ?? "none"];
      if (states.at(-1) !== state) seen.set(number, [...states, state]);
    }
    document.documentElement.dataset.testBadges =
      [...seen].map(([number, states]) => `${number}:${states.join(">")}`).join(" ");
  };
  new MutationObserver(look).observe(
    document.body, { subtree: true, childList: true, attributes: true });
  look();
});
"""

#: Browser notifications: html[data-test-notified="tag title|…"], and whether the
#: page has asked for the permission: html[data-test-asked]. They are outside the page,
#: where no test can click; the event "test-click" of the document clicks the last one.
NOTIFICATIONS = """
(() => {
  const shown = [];
  window.Notification = class extends window.Notification {
    constructor(title, options) {
      super(title, options);
      shown.push(`${options.tag} ${title}`);
      document.documentElement.dataset.testNotified = shown.join("|");
      document.addEventListener("test-click", () => this.dispatchEvent(new Event("click")));
    }
    static requestPermission() {
      document.documentElement.dataset.testAsked = "yes";
      return super.requestPermission();
    }
  };
})();
"""

#: When the editor stopped taking typing, and when the pen became free, as far as the
#: page knows, in milliseconds: html[data-test-stopped], html[data-test-freed]; and how
#: many renewals it has heard of: html[data-test-renewals].
PEN_TIMES = """
addEventListener("DOMContentLoaded", () => {
  const root = document.documentElement;
  const once = (name, is) => { if (is && !root.dataset[name]) root.dataset[name] = Date.now(); };
  const renewals = new Set();
  const look = () => {
    renewals.add(document.querySelector("[data-renewed]")?.dataset.renewed);
    root.dataset.testRenewals = renewals.size;
    once("testStopped", document.querySelector("#id_text")?.readOnly);
    once("testFreed", document.querySelector("[data-testid=pen]")?.dataset.state === "free");
  };
  new MutationObserver(look).observe(
    document.body, { subtree: true, childList: true, attributes: true });
  look();
});
"""

#: How long after the connection was lost the line about it could be seen, in
#: milliseconds: html[data-test-banner].
BANNER = """
addEventListener("DOMContentLoaded", () => {
  const root = document.documentElement;
  const banner = document.querySelector("[data-connection=lost]");
  let lost;
  new MutationObserver(() => {
    if (root.dataset.live === "offline") lost ??= performance.now();
  }).observe(root, { attributeFilter: ["data-live"] });
  setInterval(() => {
    if (root.dataset.testBanner || !banner.checkVisibility({ visibilityProperty: true })) return;
    root.dataset.testBanner = Math.round(performance.now() - lost);
  }, 20);
});
"""

#: Every text that a document has had: html[data-test-texts="One. | One. Two."].
TEXTS = """
addEventListener("DOMContentLoaded", () => {
  const seen = [];
  const look = () => {
    const text = document.querySelector("[data-testid=document-text]")?.innerText.trim() ?? "none";
    if (seen.at(-1) === text) return;
    seen.push(text);
    document.documentElement.dataset.testTexts = seen.join(" | ");
  };
  new MutationObserver(look).observe(
    document.body, { subtree: true, childList: true, characterData: true });
  look();
});
"""

#: When states of a draft came in to somebody who watches, in milliseconds:
#: html[data-test-pushes="1200 2300"].
PUSHES = """
(() => {
  const came = [];
  window.WebSocket = class extends window.WebSocket {
    constructor(...where) {
      super(...where);
      this.addEventListener("message", ({ data }) => {
        if (!data.includes('hx-target="#draft_text-')) return;
        came.push(Math.round(performance.now()));
        document.documentElement.dataset.testPushes = came.join(" ");
      });
    }
  };
})();
"""

#: A tab in the background, as far as the page can tell.
HIDDEN = 'Object.defineProperty(document, "visibilityState", { get: () => "hidden" });'


def html(person: Person) -> Locator:
    """Where observers write."""
    return person.page.locator("html")
