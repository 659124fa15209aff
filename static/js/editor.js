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
  const show = (waiting) => Object.assign(state().dataset, { state: waiting, waiting });
  let [unanswered, closed] = [0, 0];
  form.addEventListener("input", () => {
    sequence.value = Math.max(Date.now(), Number(sequence.value) + 1);
    const now = NAMES.map((name) => [name, form.elements[name].value]);
    localStorage.setItem(kept.dataset.kept, JSON.stringify(Object.fromEntries(now)));
    unanswered ||= Date.now();
    show(closed ? "offline" : "saving");
  });
  // An answer that the network cut short may arrive as an empty one: it is none,
  // and must not take the place of what the form needs.
  const isNone = ({ text, hx }) => !text && !hx?.redirect;
  document.addEventListener("htmx:after:request", (event) =>
    event.detail.ctx.target?.id === "save-state" && isNone(event.detail.ctx) && event.preventDefault());
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ctx.target?.id !== "save-state") return;
    const status = isNone(ctx) ? 0 : ctx.response.status;
    if (!status || status >= 500 || [401, 403, 404].includes(status)) {
      show(closed ? "offline" : "unsaved");
      setTimeout(() => form.dispatchEvent(new Event("retry")), 2000);
      return;
    }
    unanswered = 0;
    const seen = Number(state().dataset.sequence);
    if (seen >= Number(sequence.value)) forget();
    else if (seen) show("saving");
  });
  if (stored?.sequence > Number(sequence.value) && stored.fence === form.elements.fence.value) {
    for (const name of NAMES) form.elements[name].value = stored[name];
    addEventListener("load", () => text.dispatchEvent(new Event("input", { bubbles: true })));
  }
  // The lease lives 30 s from the server's last sign of us, which came at most
  // 10 s before the line was cut: at 20 s nobody else can be writing yet.
  document.addEventListener("htmx:ws:close", () => { closed ||= Date.now() - 10_000; });
  document.addEventListener("htmx:ws:after:connection", () => { closed = 0; });
  setInterval(() => {
    const since = Math.min(unanswered || Infinity, closed || Infinity);
    const lost = (form.querySelector("[data-testid=pen]")?.dataset.state ?? "theirs") === "theirs";
    text.readOnly = lost || Date.now() - since > 20_000;
  }, 500);
})();
