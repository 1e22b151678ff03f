// What the terminal's own script leaves out: the focus, and why a tab has ended. Loaded before it.
"use strict";

window.WebSocket = class extends WebSocket {
  constructor(...place) {
    super(...place);
    this.addEventListener("open", () => document.querySelector(".xterm-helper-textarea").focus());
    this.addEventListener("close", (end) => {
      const words = end.reason || (end.wasClean ? "" : "mlcycle web does not answer any more: has it ended?");
      if (words) document.getElementById("why").textContent = words;
      const again = document.getElementById("again");
      again.addEventListener("click", () => window.location.reload());
      requestAnimationFrame(() => again.focus());
    });
  }

  send(data) {
    // The terminal tells of its focus when there is nobody left to tell.
    if (this.readyState === WebSocket.OPEN) super.send(data);
  }
};
