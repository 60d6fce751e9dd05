// Keys, the command palette, select-all and the search of foreign keys. Each page works without it.
"use strict";
(() => {
  const base = document.body.dataset.admin;
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const json = async (url) => {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    return response.ok ? response.json() : [];
  };
  const later = (work) => {
    let timer;
    return () => { clearTimeout(timer); timer = setTimeout(work, 150); };
  };

  // the command palette
  const palette = document.getElementById("palette");
  const typed = document.getElementById("palette_q");
  const found = document.getElementById("palette_found");
  const open = () => { palette.showModal(); typed.select(); look(); };
  const look = async () => {
    const rows = await json(`${base}/search?q=${encodeURIComponent(typed.value)}`);
    found.replaceChildren(...rows.map((row) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = row.url;
      link.textContent = `${row.label} · ${row.kind}`;
      item.append(link);
      return item;
    }));
  };
  typed.addEventListener("input", later(look));
  typed.addEventListener("keydown", (event) => {
    const first = found.querySelector("a");
    if (event.key === "Enter" && first) { event.preventDefault(); location.assign(first.href); }
  });
  const opener = document.querySelector(".palette-open");
  opener.hidden = false;
  opener.addEventListener("click", open);

  // keys: / palette, j and k rows, e first link of a row, s save
  let row = -1;
  const links = all(".row-link");
  const step = (by) => {
    if (!links.length) return;
    row = Math.max(0, Math.min(links.length - 1, row + by));
    links[row].focus();
  };
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.matches?.("input, textarea, select") || palette.open;
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = { "/": open, j: () => step(1), k: () => step(-1), s: () => document.querySelector(".edit button")?.focus() };
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });

  // select all rows of the page
  const box = document.querySelector(".select-all");
  if (box) {
    box.hidden = false;
    box.addEventListener("change", () => all("input[name=key]").forEach((one) => { one.checked = box.checked; }));
  }

  // choices of foreign keys are searched while typing
  for (const finder of all(".finder")) {
    const field = finder.dataset.field;
    const select = document.getElementById(`id_${field}`);
    const search = finder.querySelector("input");
    if (!select) continue;
    const fill = async () => {
      const list = location.pathname.split("/").slice(0, 3).join("/");
      const rows = await json(`${list}/choices/${field}?q=${encodeURIComponent(search.value)}`);
      const kept = select.selectedOptions[0];
      const options = rows.filter((one) => one.value !== kept?.value).map((one) => new Option(one.label, one.value));
      const empty = all("option", select).filter((option) => option.value === "" && option !== kept);
      select.replaceChildren(...empty, ...(kept ? [kept] : []), ...options);
    };
    search.addEventListener("input", later(fill));
    finder.addEventListener("submit", (event) => { event.preventDefault(); fill(); });
  }

  // a long action shows its progress
  if (document.querySelector("[data-running]")) setTimeout(() => location.assign(location.href), 2000);
})();
