// Says how strong a new password is while it is typed. It is judged here, in the browser, and sent nowhere until the form is: the site judges it then, by
// lists that this page does not have.
"use strict";
(() => {
  const line = document.getElementById("strength");
  const field = document.getElementById("id_" + line.dataset.for);
  const meter = document.getElementById("strength_meter");
  const said = document.getElementById("strength_said");
  const words = ["Too short", "Weak", "Could be longer", "Good", "Strong"];
  const runs = ["abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "01234567890"];

  // Characters that repeat, or go on like the alphabet or a keyboard, tell an attacker nothing new.
  const goesOn = (one, next) => one === next || runs.some((run) => run.includes(one + next) || run.includes(next + one));
  const surprises = (text) => [...text].filter((c, at, all) => at === 0 || !goesOn(all[at - 1], c));

  const known = () => [...document.querySelectorAll("input[autocomplete=username], input[type=email]")]
    .flatMap((input) => input.value.toLowerCase().split(/[^\p{L}\p{N}]+/u)).filter((part) => part.length > 2);

  const strength = (password) => {
    let text = password.toLowerCase();
    for (const part of known()) text = text.replaceAll(part, "");
    const letters = surprises(text);
    const bits = letters.length * Math.log2(Math.max(2, Math.min(40, new Set(letters).size * 2)));
    if ([...password].length < 8) return 0;
    return bits < 30 ? 1 : bits < 45 ? 2 : bits < 60 ? 3 : 4;
  };

  field.addEventListener("input", () => {
    line.hidden = field.value === "";
    meter.value = strength(field.value);
    said.textContent = words[meter.value];
  });
})();
