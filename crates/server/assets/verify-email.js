// The token stands in the fragment, so it reaches no server log. It is sent
// when somebody presses the button, not when a mail scanner opens the page.
"use strict";

const state = document.getElementById("state");
const button = document.getElementById("confirm");
const token = new URLSearchParams(location.hash.slice(1)).get("token");

history.replaceState(null, "", location.pathname);

if (!token) {
  state.textContent = "This link is incomplete. Open it from the mail again.";
  button.hidden = true;
}

button.addEventListener("click", async () => {
  button.disabled = true;
  try {
    const answer = await fetch("/api/auth/verify-email", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ token }),
    });
    button.hidden = true;
    state.textContent = answer.ok
      ? "Thank you. Your address is verified, and you can sign in."
      : "This link has been used or has expired. Sign in to have a new one sent.";
  } catch {
    button.disabled = false;
    state.textContent = "The server could not be reached. Try again.";
  }
});
