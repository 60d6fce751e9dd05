// Files are dropped on their field, too large ones are named before they are sent, and a bar shows how far the form is. Without this script the form
// works as it is.
"use strict";
(() => {
  const size = (bytes) => (bytes < 1048576 ? `${Math.round(bytes / 1024)} KB` : `${Math.round(bytes / 104857.6) / 10} MB`);

  const judge = (input) => {
    const most = Number(input.dataset.most);
    const large = [...input.files].find((file) => file.size > most);
    input.setCustomValidity(large ? `${large.name} is larger than ${size(most)}.` : "");
    if (large) input.reportValidity();
  };

  const drop = (event) => {
    const field = event.target.closest?.(".field");
    const input = field && field.querySelector("input[type=file]");
    if (!input || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    field.classList.toggle("drop", event.type === "dragover");
    if (event.type !== "drop") return;
    const files = new DataTransfer();
    [...event.dataTransfer.files].slice(0, input.multiple ? undefined : 1).forEach((file) => files.items.add(file));
    input.files = files.files;
    judge(input);
  };

  const enable = (form) => {
    form.querySelectorAll("progress.upload").forEach((bar) => bar.remove());
    form.querySelectorAll("button").forEach((button) => (button.disabled = false));
  };

  const say = (form, text) => {
    enable(form);
    const said = form.querySelector("p[role=alert]") || form.appendChild(document.createElement("p"));
    said.setAttribute("role", "alert");
    said.textContent = text;
  };

  const go = (next) => {
    const target = new URL(next, location);
    const isHere = target.pathname + target.search === location.pathname + location.search;
    location.assign(target);
    // a fragment alone loads nothing
    if (isHere && target.hash) history.go(0);
  };

  // The answer is the next page, or this one again with errors. The form is never sent twice.
  const answer = (request, form) => {
    const next = request.getResponseHeader("x-location");
    if (next) return go(next);
    const [old, page] = [document.querySelector("main"), request.response];
    const main = page && page.querySelector("main");
    if (!old || !main) return say(form, `The site answered with ${request.status}. Load the page again to see its state.`);
    old.replaceWith(document.importNode(main, true));
    document.title = page.title || document.title;
    const focus = document.querySelector("main [aria-invalid]") || document.querySelector("main");
    if (focus.matches("main")) focus.tabIndex = -1;
    focus.focus();
  };

  const send = (event) => {
    const [form, button] = [event.target, event.submitter];
    const files = [...form.querySelectorAll("input[type=file]")].some((input) => input.files.length > 0);
    if (!files || event.defaultPrevented) return;
    const action = button?.getAttribute("formaction") || form.getAttribute("action") || location.href;
    const body = new FormData(form, button);
    event.preventDefault();
    const bar = form.appendChild(document.createElement("progress"));
    bar.className = "upload";
    bar.setAttribute("aria-label", "Sending");
    const request = new XMLHttpRequest();
    request.open("POST", action);
    request.responseType = "document";
    request.setRequestHeader("x-wants-location", "1");
    request.upload.addEventListener("progress", (sent) => {
      if (sent.lengthComputable) [bar.max, bar.value] = [sent.total, sent.loaded];
    });
    request.upload.addEventListener("load", () => bar.removeAttribute("value"));
    request.addEventListener("load", () => answer(request, form));
    request.addEventListener("error", () => say(form, "The form was not sent: the connection broke. Please try again."));
    request.send(body);
    form.querySelectorAll("button").forEach((one) => (one.disabled = true));
  };

  if (window.palisadeUploads) return;
  window.palisadeUploads = true;
  for (const type of ["dragover", "dragleave", "drop"]) document.addEventListener(type, drop);
  document.addEventListener("change", (event) => event.target.matches("input[type=file]") && judge(event.target));
  document.addEventListener("submit", send);
  window.addEventListener("pageshow", (event) => event.persisted && document.querySelectorAll("form").forEach(enable));
})();
