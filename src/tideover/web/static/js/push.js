/* Lets this browser show messages. The section stays hidden where the browser cannot. */
(function () {
  var box = document.querySelector("[data-push]");
  if (!box || !("serviceWorker" in navigator) || !("PushManager" in window)) return;
  var on = box.querySelector("[data-push-on]"), off = box.querySelector("[data-push-off]");
  var form = box.querySelector("form");
  function say(name) {
    ["done", "denied"].forEach(function (n) { box.querySelector("[data-push-" + n + "]").hidden = n !== name; });
  }
  function show(subscription) { on.hidden = !!subscription; off.hidden = !subscription; }
  function bytes(text) {
    var raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(raw, function (c) { return c.charCodeAt(0); });
  }
  function send(subscription, more) {
    var keys = subscription.toJSON().keys, body = new FormData(form);
    body.set("endpoint", subscription.endpoint);
    body.set("p256dh", keys.p256dh);
    body.set("auth", keys.auth);
    if (more) body.set("off", "1");
    return fetch(box.dataset.address, { method: "POST", body: body }).then(function (answer) {
      if (!answer.ok) throw new Error(String(answer.status));
    });
  }
  navigator.serviceWorker.register("/sw.js").then(function (worker) {
    return worker.pushManager.getSubscription().then(function (subscription) {
      box.hidden = false;
      show(subscription);
      on.addEventListener("click", function () {
        worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(box.dataset.push) })
          .then(function (s) { return send(s).then(function () { show(s); say("done"); }); })
          .catch(function () { say("denied"); });
      });
      off.addEventListener("click", function () {
        worker.pushManager.getSubscription().then(function (s) {
          if (!s) return show(null);
          return send(s, true).then(function () { return s.unsubscribe(); }).then(function () { show(null); say("done"); });
        }).catch(function () { say("denied"); });
      });
    });
  });
})();
