/* Small helps; every page works without this file. */
document.addEventListener("change", function (event) {
  var range = event.target.closest("[data-first-day]");
  if (!range) return;
  var day = new Date(range.dataset.firstDay + "T00:00:00Z");
  day.setUTCDate(day.getUTCDate() + Number(range.value));
  var field = range.form.elements.as_of;
  field.value = day.toISOString().slice(0, 10);
  range.form.requestSubmit();
});
/* After a swap say in one sentence what is shown now. */
document.addEventListener("htmx:after:swap", function () {
  var say = document.querySelector("[data-say]"), said = document.getElementById("said");
  if (say && said) said.textContent = say.dataset.say;
});
/* Single keys, only with the focus in a region that has them, never while something is typed; settings switch them off. */
document.addEventListener("keydown", function (event) {
  var region = event.target.closest("[data-keys]");
  if (!region || document.documentElement.dataset.shortcuts === "off") return;
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input:not([type=radio]),select,textarea")) return;
  if (event.key === "j" || event.key === "k") {
    var rows = Array.prototype.slice.call(region.querySelectorAll("[data-row]"));
    var row = rows[rows.indexOf(document.activeElement) + (event.key === "j" ? 1 : -1)];
    if (row) row.focus();
  } else {
    var act = /^[a-z]$/.test(event.key) && (region.querySelector("[data-key=" + event.key + "]") || document.querySelector("[data-key=" + event.key + "]"));
    if (!act) return;
    act.click();
  }
  event.preventDefault();
});
/* Who goes from case to case keeps the keys: the list at the row that was open, a case at its region. */
document.addEventListener("DOMContentLoaded", function () {
  if (!/\/queue([/?]|$)/.test(document.referrer)) return;
  var here = document.querySelector("[data-here]") || document.querySelector("[data-row]") || document.querySelector("[data-keys]");
  if (here) here.focus();
});
/* A page that is paper: its own print button. */
document.addEventListener("click", function (event) {
  if (event.target.closest("[data-print]")) window.print();
});
