// The matrix beyond what every page does: the picture leads to the cases, arrows go from server to server.
(() => {
  if (!page) return;

  // --- the picture

  const tiles = document.querySelector(".tiles");
  const { margin, step, across, band } = Object.fromEntries(
    Object.entries(tiles.dataset).map(([name, value]) => [name, Number(value)]));

  function caseAt(svg, event) {
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    const column = Math.floor(((event.clientX - box.left) * scale - margin) / step);
    const row = Math.floor((event.clientY - box.top) * scale / band);
    if (column < 0 || column >= across) return null;
    return document.getElementById(svg.dataset.cases.split(" ")[row * across + column] ?? "");
  }

  for (const svg of page.all("svg", tiles)) {
    svg.addEventListener("pointermove", (event) => {
      const found = caseAt(svg, event);
      svg.querySelector("title").textContent = found ? `${found.id} ${told(found)}` : "";
    });
    svg.addEventListener("click", (event) => {
      const found = caseAt(svg, event);
      if (found) go(found.id);
    });
  }

  function told(found) {
    return page.all("summary .cell[aria-label]", found).map((each) => each.getAttribute("aria-label")).join(", ");
  }

  // The address of a case drops the filters that would hide it.
  function go(id) {
    const hash = `#${encodeURIComponent(id)}`;
    if (location.hash === hash) page.follow();
    else location.hash = hash;
  }

  // --- from cell to cell, and from a cell to its answer

  document.addEventListener("click", (event) => {
    const cell = event.target.closest("a.cell");
    if (!cell || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    cell.closest(".case").open = true;
    const answer = document.getElementById(decodeURIComponent(cell.hash.slice(1)));
    answer.focus({ preventScroll: true });
    answer.scrollIntoView({ block: "nearest" });
  });

  document.addEventListener("keydown", (event) => {
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const summary = document.activeElement.closest(".case > summary");
    if (!way || !summary || event.ctrlKey || event.metaKey || event.altKey) return;
    const stops = [summary, ...page.all("a.cell", summary)];
    stops[stops.indexOf(document.activeElement) + way]?.focus();
    event.preventDefault();
  });
})();
