/* Shows that a message is here, says to the lender that it was shown, and opens the account when it is tapped. */
self.addEventListener("push", function (event) {
  var m = event.data ? event.data.json() : null;
  if (!m) return;
  var look = { body: m.body, tag: m.tag, lang: m.lang, icon: "/static/icon.svg", data: { url: m.url } };
  event.waitUntil(self.registration.showNotification(m.title, look).then(function () {
    return fetch("/push/shown", { method: "POST", body: JSON.stringify({ receipt: m.receipt }) }).catch(function () {});
  }));
});
self.addEventListener("notificationclick", function (event) {
  event.notification.close();
  event.waitUntil(self.clients.openWindow(event.notification.data.url));
});
