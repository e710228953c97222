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
