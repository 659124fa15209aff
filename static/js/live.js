// What a server cannot do: know the connection's state, show browser
// notifications, and take away what the reader has done with.
(() => {
  const root = document.documentElement;

  // -- The connection, as html[data-live], for people (CSS) and for tests.
  document.addEventListener("htmx:ws:after:connection", () => {
    root.dataset.live = "live";
    delete root.dataset.closed;
  });
  document.addEventListener("htmx:ws:close", ({ detail }) => {
    root.dataset.live = "offline";
    // These are not tried again: the server says why, or the page said too much (1009).
    if (detail.code >= 4400 || detail.code === 1009) root.dataset.closed = detail.code;
  });
  // A page out of the back/forward cache has lost its socket and its state.
  addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

  // -- Toasts leave when their time is over (the clock is a CSS animation, which
  // stops under the pointer) or when they are dismissed.
  addEventListener("animationend", ({ target, animationName }) => {
    if (animationName === "toast-out") target.closest(".toast")?.remove();
  });
  addEventListener("click", ({ target }) => {
    if (target.closest?.("[data-dismiss]")) target.closest(".toast").remove();
  });

  // -- Which document this tab shows, for all tabs of this browser: a visible tab
  // holds a shared lock of that name, and the browser frees it whatever happens.
  const showing = document.querySelector("[data-showing]")?.dataset.showing;
  let hide = () => {};
  const tell = () => {
    hide();
    if (!showing || document.visibilityState !== "visible") return;
    navigator.locks?.request(`visible:${showing}`, { mode: "shared" }, () =>
      new Promise((resolve) => { hide = resolve; }));
  };
  document.addEventListener("visibilitychange", tell);
  tell();

  // -- Browser notifications: asked for on a click only; the server says what.
  const state = () => { root.dataset.notify = self.Notification?.permission ?? "unsupported"; };
  addEventListener("click", async ({ target }) => {
    if (!target.closest?.("[data-notify-ask]") || !self.Notification) return;
    await Notification.requestPermission();
    state();
  });
  state();
  const notify = async ({ dataset }) => {
    const held = (await navigator.locks?.query())?.held ?? [];
    if (held.some(({ name }) => name === `visible:${dataset.tag}`)) return;
    const { title, body, tag, url } = dataset;
    const shown = new Notification(title.trim(), { body, tag });
    shown.onclick = () => { focus(); location.assign(url); };
  };
  document.addEventListener("htmx:ws:after:message:incoming", () => {
    for (const element of document.querySelectorAll("[data-testid=notification]:not([data-shown])")) {
      element.dataset.shown = "";
      if (self.Notification?.permission === "granted") notify(element);
    }
  });
})();
