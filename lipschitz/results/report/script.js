"use strict";
// Sorts and filters the tables of all scores. Without it they show every row.
const numberIn = (text) => {
  if (text === "none found" || text === "infinite") return Infinity;
  return text === "" ? NaN : parseFloat(text);
};

for (const section of document.querySelectorAll(".all")) {
  const table = section.querySelector("table");
  const body = table.tBodies[0];
  const headers = [...table.tHead.rows[0].cells];
  const rows = [...body.rows];
  const status = section.querySelector("[role=status]");
  const input = section.querySelector("input");

  const compare = (column, isNumber, direction) => (one, two) => {
    const [a, b] = [one, two].map((row) => row.cells[column].textContent);
    if (!isNumber) return direction * a.localeCompare(b);
    const [x, y] = [a, b].map(numberIn);
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y); // empty: last
    return x === y ? 0 : direction * (x < y ? -1 : 1);
  };

  const sort = (column) => {
    const header = headers[column];
    const falls = header.ariaSort === "ascending";
    for (const each of headers) each.ariaSort = null;
    header.ariaSort = falls ? "descending" : "ascending";
    rows.sort(compare(column, header.classList.contains("n"), falls ? -1 : 1));
    body.append(...rows);
  };

  const filter = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      row.text ??= [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
      row.hidden = !words.every((word) => row.text.includes(word));
      shown += !row.hidden;
    }
    status.textContent = `${shown} of ${rows.length} rows`;
  };

  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = header.textContent;
    button.addEventListener("click", () => sort(column));
    header.replaceChildren(button);
  });
  let pending;
  input.addEventListener("input", () => {
    clearTimeout(pending);
    pending = setTimeout(filter, 100);
  });
  status.textContent = `${rows.length} of ${rows.length} rows`;
  section.querySelector(".controls").hidden = false;
}
