// Shows what the link asks for, and sends files one by one. Text nodes only.
"use strict";

const token = location.pathname.split("/").pop();
const path = `/api/v1/document-requests/by-token/${encodeURIComponent(token)}`;
const by = (id) => document.getElementById(id);
const LABELS = {
  "lab-results": "Lab results", imaging: "Imaging", vaccines: "Vaccines", allergies: "Allergies",
  prescriptions: "Prescriptions", conditions: "Conditions", procedures: "Procedures", vitals: "Vital signs",
  documents: "Documents", encounters: "Visits", "care-plans": "Care plans", insurance: "Insurance",
  "family-history": "Family history", "social-history": "Social history", diet: "Diet and nutrition",
  demographics: "Personal details", other: "Other",
};
let most = 0;

function fact(name, value) {
  if (!value) return;
  const term = document.createElement("dt");
  const text = document.createElement("dd");
  term.textContent = name;
  text.textContent = value;
  by("facts").append(term, text);
}

function said(status, name, words) {
  const line = document.createElement("li");
  line.dataset.status = status;
  line.textContent = `${name}: ${words}`;
  by("sent").append(line);
}

async function problem(answer) {
  const body = await answer.json().catch(() => ({}));
  switch (body.code) {
    case "document_request.closed": return "This request takes no more documents.";
    case "document_request.full": return "This request has as many documents as it takes.";
    case "document_request.file": return "This kind of file cannot be taken. Send a PDF, an image, text, FHIR or C-CDA.";
    case "body.too_large": return "The file is too large.";
    case "request.limited": return "Too many at once. Wait a little, and send it again.";
    default: return body.title || "It could not be sent. Try again.";
  }
}

async function open() {
  let answer;
  try {
    answer = await fetch(path);
  } catch {
    by("state").textContent = "The server could not be reached. Reload this page.";
    return;
  }
  if (!answer.ok) {
    by("state").textContent = answer.status === 410
      ? "This request is closed. It takes no more documents."
      : answer.status === 404
        ? "This link is incomplete or unknown. Open it from the mail again."
        : await problem(answer);
    return;
  }
  const asked = await answer.json();
  const from = asked.asker_organization ? `${asked.asker_name}, ${asked.asker_organization}` : asked.asker_name;
  by("state").textContent = `${from} asks you for documents about a patient.`;
  fact("Patient", asked.patient_name);
  fact("Born", asked.patient_date_of_birth);
  fact("Wanted", asked.types.length ? asked.types.map((type) => LABELS[type] || type).join(", ") : "Whatever you have");
  fact("Since", asked.since);
  fact("Until", new Date(asked.expires_at).toLocaleString());
  by("message").textContent = asked.message;
  most = asked.max_document_bytes;
  by("limits").textContent =
    `Each file at most ${Math.floor(most / 1048576)} MB; ${asked.max_documents - asked.documents} more can be sent.`;
  by("asked").hidden = false;
  by("send").hidden = false;
}

async function send(file) {
  if (file.size > most) {
    said("refused", file.name, "The file is too large.");
    return;
  }
  const form = new FormData();
  const sender = by("sender").value.trim();
  if (sender) form.append("sender", sender);
  form.append("file", file);
  try {
    const answer = await fetch(`${path}/documents`, { method: "POST", body: form });
    if (!answer.ok) {
      said("refused", file.name, await problem(answer));
      return;
    }
    const done = await answer.json();
    said("sent", file.name, done.created > 0 ? "Sent." : "Was sent before.");
  } catch {
    said("refused", file.name, "The server could not be reached. Try again.");
  }
}

by("send").addEventListener("submit", async (event) => {
  event.preventDefault();
  by("button").disabled = true;
  for (const file of by("files").files) await send(file);
  by("files").value = "";
  by("button").disabled = false;
});

open();
