// Opens a shared record with the key in the link's fragment. The fragment
// reaches no server by itself; the key is sent in a header when the reader
// presses the button, never in an address. Everything shown is text.
"use strict";

const at = (id) => document.getElementById(id);
const token = location.pathname.split("/").pop();
const api = `/api/records/shared/${encodeURIComponent(token)}`;
const key = location.hash.slice(1);
let visit = null;
let passcode = "";

const LABELS = {
  "lab-results": "Laboratory results", imaging: "Imaging", vaccines: "Vaccines", allergies: "Allergies",
  prescriptions: "Medicines", conditions: "Problems", procedures: "Procedures", vitals: "Vital signs",
  documents: "Documents", encounters: "Visits and stays", "care-plans": "Care plans", insurance: "Insurance",
  "family-history": "Family history", "social-history": "Social history", diet: "Diet",
  demographics: "About the patient", other: "Other",
};
// What matters most in an emergency comes first.
const ORDER = [
  "conditions", "allergies", "prescriptions", "vaccines", "lab-results", "vitals", "procedures", "imaging",
  "encounters", "documents", "care-plans", "diet", "family-history", "social-history", "demographics",
  "insurance", "other",
];

function make(tag, text, name) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  if (name) element.className = name;
  return element;
}

function say(text, isWarning) {
  at("lead").textContent = text;
  at("lead").className = isWarning ? "warn" : "";
}

function time(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text
    : date.toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" });
}

function headers(more) {
  const all = new Headers(more);
  all.set("x-share-key", key);
  const reader = at("reader").value.trim();
  if (reader) all.set("x-share-recipient", encodeURIComponent(reader));
  if (passcode) all.set("x-share-passcode", `utf-8''${encodeURIComponent(passcode)}`);
  if (visit) all.set("x-share-view", visit);
  return all;
}

function over(status) {
  at("open").hidden = true;
  at("ask").hidden = false;
  say(status === "REVOKED"
    ? "This link was ended by the person who shared it. If you still need the records, you can ask for a new link."
    : "This link is past its time and no longer opens. If you still need the records, you can ask for a new link.", true);
}

async function refused(answer) {
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 410) return over(body.status);
  if (body.code === "share.passcode") {
    at("passcode-part").hidden = false;
    at("passcode").focus();
    const left = body.remainingAttempts;
    const wrong = passcode !== "";
    passcode = "";
    at("passcode").value = "";
    return say(wrong
      ? `That is not the passcode. ${left === 1 ? "One try is" : `${left} tries are`} left before the link closes for good.`
      : "This link needs a passcode. The sender told it to you in another way.", wrong);
  }
  const words = {
    "share.key": "The key in this link is not right. Open the link again exactly as you got it.",
    "share.unknown": "There is no such link. Open it again exactly as you got it.",
    "share.scheduled": "This link does not open yet.",
    "patient.assisted_off": "The person who shares lets records be opened in your own program only, and not by this server. Use the full viewer.",
    "request.limited": "Too many tries. Please wait a few minutes.",
  };
  say(words[body.code] || "The records could not be opened. Please try again in a moment.", true);
}

async function look() {
  if (!/^[A-Za-z0-9_-]{43}$/.test(key)) {
    return say("This link is incomplete: its key is missing. Open it again exactly as you got it.", true);
  }
  const answer = await fetch(api);
  if (!answer.ok) return refused(answer);
  const state = await answer.json();
  if (state.validFrom) return say(`This link opens on ${time(state.validFrom)}.`);
  say(`Somebody shared part of a medical record with you. It can be opened until ${time(state.expiryDate)}.`);
  at("passcode-part").hidden = !state.needsPasscode;
  at("open").hidden = false;
  at("reader").focus();
}

async function open(event) {
  event.preventDefault();
  const button = at("open").querySelector("button");
  passcode = at("passcode").value;
  button.disabled = true;
  say("Opening…");
  try {
    const answer = await fetch(api, { headers: headers() });
    if (answer.ok) show(await answer.json());
    else await refused(answer);
  } catch {
    say("The server could not be reached. Please try again.", true);
  } finally {
    button.disabled = false;
  }
}

function show(shared) {
  visit = shared.view;
  at("start").hidden = true;
  at("record").hidden = false;
  document.title = `Shared records of ${shared.patient.name}`;
  at("whose").textContent = `Shared by ${shared.senderName || shared.patient.name}${shared.recipientName ? ` with ${shared.recipientName}` : ""}`;
  at("patient").textContent = shared.patient.name;
  at("born").hidden = !shared.patient.birthDate;
  at("born").textContent = `Born ${shared.patient.birthDate || ""}`;
  at("message").hidden = !shared.message;
  at("message").textContent = shared.message || "";
  at("until").textContent = `Open until ${time(shared.expiryDate)}.${shared.more ? " Only the newest 20,000 records are shown." : ""}`;
  at("downloads").hidden = !shared.allowDownload;
  const rank = (type) => (ORDER.indexOf(type) + 1) || ORDER.length + 1;
  const types = Object.keys(shared.records).sort((a, b) => rank(a) - rank(b));
  for (const type of types) group(type, shared.records[type]);
  at("patient").focus();
}

function group(type, records) {
  const label = LABELS[type] || type;
  const link = make("a", `${label} `);
  link.href = `#${type}`;
  link.append(make("span", String(records.length), "count"));
  link.addEventListener("click", (event) => {
    // The fragment holds the key: it stays as it is.
    event.preventDefault();
    at(type).scrollIntoView({ block: "start" });
  });
  at("contents").append(link);
  const section = make("section", undefined, "card");
  section.id = type;
  const heading = make("h2", label);
  heading.append(make("span", String(records.length), "count"));
  section.append(heading);
  section.append(records.length ? table(records) : make("p", "Nothing of this kind is in what was shared.", "quiet"));
  at("groups").append(section);
}

function table(records) {
  const element = make("table");
  const head = element.createTHead().insertRow();
  for (const title of ["What", "Result or status", "When"]) {
    const cell = make("th", title);
    cell.scope = "col";
    head.append(cell);
  }
  const body = element.createTBody();
  const sorted = [...records].sort((a, b) => (b.date || "").localeCompare(a.date || ""));
  for (const record of sorted) {
    const row = body.insertRow();
    const what = make("th", record.title);
    what.scope = "row";
    for (const kind of record.sensitivity) what.append(make("span", kind.replace(/-/g, " "), "tag"));
    what.append(...more(record));
    row.append(what);
    row.insertCell().textContent = record.value || (record.status || "").replace(/-/g, " ");
    const when = row.insertCell();
    when.className = "date";
    when.textContent = (record.date || "").slice(0, 10);
  }
  return element;
}

function more(record) {
  const text = record.content || (record.resource && JSON.stringify(record.resource, null, 2));
  if (!text) return record.fileName ? [make("p", `${record.fileName} (${record.contentType})`, "hint")] : [];
  const details = make("details");
  details.append(make("summary", record.content ? "Read the text" : "All details"));
  details.addEventListener("toggle", () => {
    if (details.open && details.childElementCount === 1) details.append(make("pre", text));
  });
  return [details];
}

async function download(button, accept, name) {
  const state = at("download-state");
  button.disabled = true;
  state.textContent = "Preparing the file…";
  try {
    const answer = await fetch(api, { method: "POST", headers: headers({ accept }) });
    if (!answer.ok) {
      state.textContent = answer.status === 410 ? "This link has ended meanwhile." : "The file could not be made. Please try again.";
      return;
    }
    const address = URL.createObjectURL(await answer.blob());
    const link = make("a");
    link.href = address;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60000);
    state.textContent = "Saved. Whoever can read the file can read what is in it.";
  } catch {
    state.textContent = "The server could not be reached. Please try again.";
  } finally {
    button.disabled = false;
  }
}

async function ask() {
  at("ask").disabled = true;
  const answer = await fetch(`${api}/ask`, { method: "POST" }).catch(() => null);
  say(answer && answer.ok
    ? "The person who shared was told that you ask for a new link."
    : "They could not be told now. Please try again later.", !(answer && answer.ok));
}

at("open").addEventListener("submit", open);
at("ask").addEventListener("click", ask);
at("pdf").addEventListener("click", () => download(at("pdf"), "application/pdf", "shared-records.pdf"));
at("fhir").addEventListener("click", () => download(at("fhir"), "application/fhir+json", "shared-records.json"));
look().catch(() => say("The server could not be reached. Please load this page again.", true));
