// No module, as browsers load no modules from a file: it says so where the page was opened as one, or nothing starts.
"use strict";

addEventListener("DOMContentLoaded", () => {
  const status = document.getElementById("status");
  if (location.protocol === "file:") {
    document.body.dataset.state = "failed";
    status.className = "error";
    status.textContent =
      "This page was opened as a file, and browsers let no file load a network. In the page's folder run " +
      "“python -m http.server”, and open http://localhost:8000 instead.";
  }
  setTimeout(() => {
    if (status.textContent !== "Loading …" || document.body.dataset.state) return;
    status.className = "error";
    status.textContent =
      "The page's own programs did not start. Load it again; if that does not help, this browser is too old (Chrome, " +
      "Edge, Firefox and Safari of 2023 or later work), or the server sends .js files with a wrong type.";
  }, 15000);
});
