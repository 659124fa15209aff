// A save arrives as a morph of the text: what it changed is marked for a moment,
// so that a reader finds it. The glow itself is CSS.
(() => {
  const blockOf = (node) =>
    (node instanceof Element ? node : node.parentElement)?.closest("article.prose > live-part");
  const column = document.querySelector(".document > .column");
  if (!column) return;

  new MutationObserver((records) => {
    for (const { type, target, addedNodes } of records) {
      const changed = type === "characterData" ? [target] : [target, ...addedNodes];
      for (const node of changed) blockOf(node)?.setAttribute("data-fresh", "");
    }
  }).observe(column, { subtree: true, childList: true, characterData: true });

  column.addEventListener("animationend", ({ target, animationName }) => {
    if (animationName === "fresh") target.closest("[data-fresh]")?.removeAttribute("data-fresh");
  });
})();
