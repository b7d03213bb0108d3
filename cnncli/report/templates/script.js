"use strict";
// Tables are sorted by a click on a heading, numbers as numbers; a second click turns the order around.
const number = (text) => parseFloat(text.replace(/[,\u00a0 %]/g, "").replace("\u2212", "-"));
for (const table of document.querySelectorAll("table.sheet")) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = (row) => row.cells[column].textContent.trim();
      const rows = [...body.rows];
      const numeric = rows.every((row) => text(row) === "" || !Number.isNaN(number(text(row))));
      const compare = (a, b) =>
        numeric ? (number(text(a)) || 0) - (number(text(b)) || 0) : text(a).localeCompare(text(b));
      rows.sort((a, b) => (down ? -compare(a, b) : compare(a, b)));
      body.append(...rows);
    });
  });
}
// The classes of a confusion matrix in another order, on both sides.
for (const select of document.querySelectorAll("select.order")) {
  const table = select.closest("div").querySelector("table.matrix");
  const rows = [...table.tBodies[0].rows];
  const count = (cell) => parseInt(cell.textContent, 10) || 0;
  const cells = (row) => [...row.cells].filter((cell) => cell.dataset.n !== undefined);
  const sizes = rows.map((row) => cells(row).reduce((sum, cell) => sum + count(cell), 0));
  const wrong = rows.map((row, i) => sizes[i] - count(cells(row)[i]));
  select.addEventListener("change", () => {
    const key = { given: (i) => -i, wrong: (i) => wrong[i], size: (i) => sizes[i] }[select.value];
    const order = rows.map((_, i) => i).sort((a, b) => key(b) - key(a));
    for (const row of [table.tHead.rows[0], ...rows]) {
      const byNumber = Object.fromEntries(cells(row).map((cell) => [cell.dataset.n, cell]));
      row.append(...order.map((i) => byNumber[i]));
    }
    table.tBodies[0].append(...order.map((i) => rows[i]));
  });
}
