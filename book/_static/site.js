// Small mends, on every page: search without a server, and boxes that scroll.
"use strict";
(() => {
  // Opened from a file, a browser may not fetch the pages it would summarise.
  if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS === "object") {
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
  }

  // What is wider than its column scrolls in its own box, also by keyboard.
  const boxes = "mjx-container, .pst-scrollable-table-container, .highlight pre, .cell_output pre, .math";
  function mendBoxes() {
    for (const math of document.querySelectorAll("mjx-container:not([display])")) {
      math.classList.remove("wide-math");
      const room = math.closest("p, li, td, dd, div, figcaption").clientWidth;
      math.classList.toggle("wide-math", math.offsetWidth > room);
    }
    for (const box of document.querySelectorAll(boxes)) {
      const scrolls = box.scrollWidth > box.clientWidth + 1 && box.clientWidth > 0;
      const visible = getComputedStyle(box).overflowX === "visible";
      if (scrolls && !visible) box.tabIndex = 0;
      else if (box.matches("mjx-container, .pst-scrollable-table-container")) box.removeAttribute("tabindex");
    }
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const table of document.querySelectorAll("article table")) {
      if (table.parentElement.matches(".pst-scrollable-table-container")) continue;
      const wrap = document.createElement("div");
      wrap.className = "pst-scrollable-table-container";
      table.replaceWith(wrap);
      wrap.append(table);
    }
    // Names that the theme leaves out, for those who do not see the page.
    const sidebar = document.getElementById("pst-primary-sidebar");
    sidebar?.setAttribute("role", "complementary");
    sidebar?.setAttribute("aria-label", "Book");
    for (const summary of document.querySelectorAll(".bd-links summary")) {
      const link = summary.closest("li").querySelector("a");
      summary.setAttribute("aria-label", `Pages under ${link.textContent.trim()}`);
    }
    for (const entry of document.querySelectorAll('[role="list"] > .citation')) {
      entry.setAttribute("role", "listitem");
    }
    for (const icon of document.querySelectorAll('[class*="fa-"]')) {
      icon.setAttribute("aria-hidden", "true");
    }
  });
  window.addEventListener("load", () => {
    const typeset = window.MathJax?.startup?.promise ?? Promise.resolve();
    typeset.then(mendBoxes);
    window.addEventListener("resize", mendBoxes);
  });
})();
