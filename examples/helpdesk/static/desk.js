// Asks before a page with something typed and not sent is left.
let isTyped = false;
document.addEventListener("input", (event) => {
  isTyped ||= event.target.matches("textarea");
});
document.addEventListener("submit", () => {
  isTyped = false;
});
window.addEventListener("beforeunload", (event) => {
  if (isTyped) event.preventDefault();
});
