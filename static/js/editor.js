// What only the browser can do for an editor: keep the text until the server has
// it, say so, and stop the typing before somebody else may write.
(() => {
  const kept = document.querySelector("#kept");
  const form = document.querySelector("#editor");
  const NAMES = ["fence", "version", "sequence", "text"];
  const stored = JSON.parse(localStorage.getItem(kept.dataset.kept));
  const forget = () => localStorage.removeItem(kept.dataset.kept);
  if (stored && stored.fence !== form?.elements.fence.value) {
    for (const name of NAMES) kept.elements[name].value = stored[name];
    document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
      if (ctx.sourceElement === kept && ctx.response?.status < 300) forget();
    });
    addEventListener("load", () => kept.requestSubmit());
  }
  if (!form) return;
  const { sequence, text } = form.elements;
  const state = () => document.querySelector("#save-state");
  const isKept = () => Number(state().dataset.sequence) >= Number(sequence.value);
  const show = (waiting) => Object.assign(state().dataset, { state: waiting, waiting });
  const isOffline = () => document.documentElement.dataset.live === "offline";
  form.addEventListener("input", () => {
    sequence.value = Math.max(Date.now(), Number(sequence.value) + 1);
    const now = NAMES.map((name) => [name, form.elements[name].value]);
    localStorage.setItem(kept.dataset.kept, JSON.stringify(Object.fromEntries(now)));
    show(isOffline() ? "offline" : "saving");
  });
  // What the server has is not sent again when the next trigger fires.
  document.addEventListener("htmx:config:request", (event) =>
    isKept() && event.target.closest("#autosave") && event.preventDefault());
  // An answer that the network cut short may arrive as an empty one: it is none,
  // and must not take the place of what the form needs.
  const isNone = ({ text, hx }) => !text && !hx?.redirect;
  document.addEventListener("htmx:after:request", (event) =>
    event.detail.ctx.target?.id === "save-state" && isNone(event.detail.ctx) && event.preventDefault());
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx.target?.id !== "save-state") return;
    const status = isNone(ctx) ? 0 : ctx.response.status;
    if (!status || status >= 500 || [401, 403, 404, 429].includes(status)) {
      show(isOffline() ? "offline" : "unsaved");
      setTimeout(() => form.dispatchEvent(new Event("retry")), 1000 * (ctx.response?.headers.get("Retry-After") || 2));
      return;
    }
    if (isKept()) forget();
    else if (state().dataset.sequence) show("saving");
  });
  if (stored?.sequence > Number(sequence.value) && stored.fence === form.elements.fence.value) {
    for (const name of NAMES) form.elements[name].value = stored[name];
    addEventListener("load", () => text.dispatchEvent(new Event("input", { bubbles: true })));
  }
  // The server tells of each renewal of the pen. A line can hang without a sign, so
  // without the next one the typing ends, before the pen does and others may write.
  const pen = () => form.querySelector("[data-renewed]")?.dataset ?? {};
  let [renewed, heard] = [pen().renewed, Date.now()];
  document.addEventListener("htmx:ws:after:message:incoming", () => {
    if (pen().renewed !== renewed) [renewed, heard] = [pen().renewed, Date.now()];
  });
  setInterval(() => {
    const lost = (form.querySelector("[data-testid=pen]")?.dataset.state ?? "theirs") === "theirs";
    text.readOnly = lost || Date.now() - heard > pen().lasts;
  }, 500);
})();
