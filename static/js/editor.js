// What only the browser can do for an editor: keep the text until the server has
// it, say so, and stop the typing before somebody else may write.
(() => {
  const [kept, form] = ["#kept", "#editor"].map((id) => document.querySelector(id));
  const NAMES = ["fence", "version", "sequence", "text"];
  // One text for each stay. A browser may forbid its storage, and it can be full.
  const attempt = (act) => { try { return act(localStorage) ?? true; } catch { return false; } };
  const read = (key) => attempt((storage) => JSON.parse(storage.getItem(key)));
  const forget = (key, sequence) => read(key).sequence <= Number(sequence) && attempt((storage) => storage.removeItem(key));
  const own = kept.dataset.kept + form?.elements.fence.value;
  // Those of other stays are handed in, one after the other.
  const handIn = () => {
    const isOther = (key) => `${key}-`.startsWith(kept.dataset.kept) && key !== own && read(key).sequence;
    kept.dataset.key = attempt((storage) => Object.keys(storage).find(isOther) ?? "");
    for (const name of NAMES) kept.elements[name].value = read(kept.dataset.key)[name] ?? "";
    if (kept.elements.sequence.value) kept.requestSubmit();
  };
  addEventListener("load", handIn);
  const state = () => document.querySelector("#save-state");
  const isKept = () => Number(state().dataset.sequence) >= Number(form.elements.sequence.value);
  const show = (waiting) => Object.assign(state().dataset, { state: waiting, waiting });
  let isStored = true;
  const isOffline = () => isStored && document.documentElement.dataset.live === "offline";
  // An answer that the network cut short may arrive as an empty one: it is none,
  // and must not take the place of what the form needs.
  const isNone = ({ text, hx }) => !text && !hx?.redirect;
  const sender = (ctx) => ctx.target?.id === "save-state" ? form : ctx.sourceElement === kept && kept;
  document.addEventListener("htmx:after:request", (event) =>
    sender(event.detail.ctx) && isNone(event.detail.ctx) && event.preventDefault());
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    const from = sender(ctx), status = isNone(ctx) ? 0 : ctx.response.status;
    if (from && (!status || status >= 500 || [400, 401, 403, 404, 413, 429].includes(status))) {
      if (from === form) show(isOffline() ? "offline" : [400, 413].includes(status) ? "refused" : "unsaved");
      setTimeout(() => from.dispatchEvent(new Event("retry")), 1000 * (ctx.response?.headers.get("Retry-After") || 2));
    } else if (from === kept && status < 300) {
      forget(kept.dataset.key, kept.elements.sequence.value);
      setTimeout(handIn);
    } else if (from === form && isKept()) forget(own, state().dataset.sequence);
    else if (from === form && state().dataset.sequence) show("saving");
  });
  if (!form) return;
  const { sequence, text } = form.elements;
  form.addEventListener("input", () => {
    sequence.value = Math.max(Date.now(), Number(sequence.value) + 1);
    const now = JSON.stringify(Object.fromEntries(NAMES.map((name) => [name, form.elements[name].value])));
    isStored = attempt((storage) => storage.setItem(own, now));
    show(isOffline() ? "offline" : "saving");
  });
  // What the server has is not sent again when the next trigger fires.
  document.addEventListener("htmx:config:request", (event) =>
    event.target.closest("#autosave") && isKept() && event.preventDefault());
  if (read(own).sequence > Number(sequence.value)) {
    for (const name of NAMES) form.elements[name].value = read(own)[name];
    addEventListener("load", () => text.dispatchEvent(new Event("input", { bubbles: true })));
  }
  // The server tells of each renewal of the pen. A line can hang without a sign, so
  // without the next one the typing ends, before the pen does and others may write.
  const pen = () => form.querySelector("[data-renewed]")?.dataset ?? {};
  let [renewed, heard] = [pen().renewed, Date.now()];
  document.addEventListener("htmx:ws:after:message:incoming", () =>
    pen().renewed !== renewed && ([renewed, heard] = [pen().renewed, Date.now()]));
  if (renewed) setInterval(() => {
    text.readOnly = form.querySelector("[data-testid=pen]")?.dataset.state !== "mine" || Date.now() - heard > pen().lasts;
  }, 500);
})();
