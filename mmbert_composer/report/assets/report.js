// The table of languages: type to filter, click a heading to sort. Without scripts it is a plain table.
const table = document.getElementById("languages");
const filter = document.getElementById("filter");
if (table && filter) {
  const body = table.tBodies[0];
  filter.hidden = false;
  filter.addEventListener("input", () => {
    const wanted = filter.value.toLowerCase();
    for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  table.querySelectorAll("thead th").forEach((head, column) => {
    head.firstElementChild.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const isText = head.classList.contains("text") && body.rows[0]?.cells[column].dataset.value === undefined;
      const compare = isText ? (a, b) => a.localeCompare(b) : (a, b) => (a === "" ? 1 : b === "" ? -1 : a - b);
      const rows = [...body.rows].sort((a, b) => compare(key(a), key(b)) * (down ? -1 : 1));
      body.append(...rows);
    });
  });
}
