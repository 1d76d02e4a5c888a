// The sealed journey with the WebAssembly core against a running server:
//   node scripts/check-sealed.cjs <binary> <folder of the node build>
// Somebody registers, imports, shares with a provider and by a link; the
// provider and the link's reader open it. A practitioner opens charts, and those
// they are about take them over. Everything that crosses is kept, and
// searched for what must never cross. What the core compiled natively wrote,
// the one compiled to WebAssembly opens, and the other way round: assisted
// requests run the same core inside the server.
const assert = require("node:assert/strict");
const { spawn, execFileSync } = require("node:child_process");
const { mkdtempSync, rmSync, readFileSync } = require("node:fs");
const { createServer } = require("node:net");
const { tmpdir } = require("node:os");
const { join, resolve } = require("node:path");

const [binary, folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("usage: node scripts/check-sealed.cjs <binary> <folder of the node build>");
  process.exit(2);
}
const core = require(resolve(folder, "chartkey_wasm.js"));

const PASSWORD = "quiet lake walks at seven";
const NEW_PASSWORD = "orchard fence in october";
const SECONDS = 1000;

// Every word of the import that is at least eight characters long and that
// nobody writes but this file.
const BUNDLE = {
  resourceType: "Bundle",
  type: "collection",
  entry: [
    {
      fullUrl: "urn:uuid:1",
      resource: {
        resourceType: "Observation", id: "obs-potassium-77", status: "final",
        category: [{ coding: [{ system: "http://terminology.hl7.org/CodeSystem/observation-category", code: "laboratory" }] }],
        code: { coding: [{ system: "http://loinc.org", code: "6298-4" }], text: "Potassium serum quantitative" },
        performer: [{ reference: "urn:uuid:4" }],
        effectiveDateTime: "2026-03-01T07:31:00Z",
        valueQuantity: { value: 4.1, unit: "millimole per litre" },
      },
    },
    { fullUrl: "urn:uuid:2", resource: { resourceType: "Condition", id: "cond-asthma-78", code: { coding: [{ system: "http://snomed.info/sct", code: "195967001" }], text: "Asthma bronchiale" } } },
    { fullUrl: "urn:uuid:3", resource: { resourceType: "MedicationRequest", id: "med-salbutamol-79", status: "active", intent: "order", medicationCodeableConcept: { text: "Salbutamol inhaler 100 micrograms" } } },
    { fullUrl: "urn:uuid:4", resource: { resourceType: "Practitioner", id: "prac-leopoldina-80", name: [{ text: "Doctor Leopoldina Weiss" }] } },
  ],
};
// Words of the protocol itself, which may cross.
const COMMON = new Set(["laboratory", "collection", "http://loinc.org"]);

function words(value, into = new Set()) {
  if (typeof value === "string") {
    if (value.length >= 8 && !COMMON.has(value)) into.add(value);
  } else if (Array.isArray(value)) for (const item of value) words(item, into);
  else if (typeof value === "object" && value !== null) for (const item of Object.values(value)) words(item, into);
  return into;
}

// --- the server ------------------------------------------------------------

function freePort() {
  return new Promise((done) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

async function startServer() {
  const data = mkdtempSync(join(tmpdir(), "chartkey-sealed-"));
  const url = `http://127.0.0.1:${await freePort()}`;
  const env = { PATH: process.env.PATH, DATA_DIR: join(data, "data"), CHARTKEY_ENV: "development", LOG_FORMAT: "json", APP_URL: url };
  const child = spawn(resolve(binary), ["serve", "--listen", url.slice("http://".length)], { cwd: data, env, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  const ready = new Promise((done, failed) => {
    const late = setTimeout(() => failed(new Error(`the server did not get ready:\n${log}`)), 60 * SECONDS);
    child.stderr.on("data", (bytes) => {
      log += bytes;
      if (log.includes('"message":"ready"') || log.includes('"message":"listening"')) {
        clearTimeout(late);
        done();
      }
    });
    child.on("exit", () => failed(new Error(`the server ended:\n${log}`)));
  });
  await ready;
  const admin = (...args) => execFileSync(resolve(binary), args, { cwd: data, env });
  const stop = async () => {
    const ended = new Promise((done) => child.on("exit", done));
    child.kill("SIGTERM");
    await ended;
    rmSync(data, { recursive: true, force: true });
  };
  return { url, admin, stop, database: join(data, "data", "chartkey.db"), log: () => log };
}

// --- what crosses ------------------------------------------------------------

const crossed = [];

/** Carries requests for one client, and keeps all of it. */
function carrier(url) {
  const own = { token: null };
  own.carry = async (method, path, body, headers) => {
    const all = Object.fromEntries(headers);
    if (own.token) all.authorization = `Bearer ${own.token}`;
    crossed.push(`${method} ${path} ${JSON.stringify(all)}`);
    if (body) crossed.push(Buffer.from(body).toString("latin1"));
    const response = await fetch(url + path, { method, headers: all, body });
    const answer = new Uint8Array(await response.arrayBuffer());
    crossed.push(Buffer.from(answer).toString("latin1"));
    return { status: response.status, body: answer };
  };
  return own;
}

async function json(url, method, path, { token, body, type = "application/json" } = {}) {
  const headers = { accept: "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = type;
  const response = await fetch(url + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  const text = await response.text();
  assert(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text === "" ? null : JSON.parse(text);
}

async function eventually(what, look) {
  for (let tries = 0; tries < 200; tries += 1) {
    const seen = await look();
    if (seen) return seen;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`waited in vain for ${what}`);
}

async function verifyEmail(url, email) {
  const token = await eventually("the verification mail", async () => {
    const mails = await json(url, "GET", "/dev/mail.json");
    const text = mails.filter((mail) => JSON.stringify(mail.to).includes(email)).map((mail) => mail.text).join("\n");
    return /token=([A-Za-z0-9_-]+)/.exec(text)?.[1];
  });
  await json(url, "POST", "/api/auth/verify-email", { body: { token } });
}

/** Somebody with a vault of their own. */
async function signIn(url, email, password, memory) {
  const own = carrier(url);
  const vault = new core.Vault(own.carry, memory);
  const said = JSON.parse(await vault.signIn(email, password));
  own.token = said.access_token;
  return { vault, own, id: said.account.id, patient: said.patient_id, said };
}

async function refused(promise) {
  try {
    await promise;
  } catch (why) {
    return why.code;
  }
  throw new Error("it was not refused");
}

/** A provider whom an administrator verified. */
async function provide(url, root, provider) {
  const making = new core.Vault(carrier(url).carry);
  const { account_id: id } = JSON.parse(await making.registerProvider(JSON.stringify(provider), PASSWORD));
  await verifyEmail(url, provider.email);
  await json(url, "POST", `/api/admin/providers/${id}/verification`, { token: root.access_token, body: { decision: "approve" } });
  return id;
}

/** A patient who registered and confirmed their address, signed in. */
async function arrive(url, email, name) {
  await new core.Vault(carrier(url).carry).registerPatient(JSON.stringify({ email, name }), PASSWORD);
  await verifyEmail(url, email);
  return signIn(url, email, PASSWORD);
}

// --- charts -----------------------------------------------------------------

const HISTORY = "Coeliac disease since childhood";
const DIET = "Gluten-free, and no pork";

/** A sealed practitioner opens charts; those they are about take them over. */
async function charts({ url, root, step }) {
  await provide(url, root, { email: "dora@practice.example", name: "Dora Diet", type: "Dietician", license_number: "D-1", license_country: "DE" });
  let dora = await signIn(url, "dora@practice.example", PASSWORD);
  const open = async (name, email) => {
    const chart = await dora.vault.createChart(JSON.stringify({ name, email, date_of_birth: "1990-05-06" }));
    const cover = JSON.stringify({ patient_name: name, sender: "Dora Diet", recipient: "Dora Diet" });
    // Whoever was interrupted begins again: there is one grant all the same.
    await dora.vault.keepAccess(chart, cover);
    await dora.vault.keepAccess(chart, cover);
    assert.equal(JSON.parse(await dora.vault.openPatient(chart)).grants.length, 1);
    return chart;
  };
  const chart = await open("Cleo Chart", "cleo@example.org");
  await dora.vault.putChartText(chart, "medical_history", "Nothing is known yet", "Dora Diet");
  await dora.vault.putChartText(chart, "medical_history", HISTORY, "Dora Diet");
  await dora.vault.putChartText(chart, "medical_history", HISTORY, "Dora Diet");
  await dora.vault.putChartText(chart, "dietary_preferences", DIET, "Dora Diet");
  const [history] = JSON.parse(await dora.vault.listHeaders(chart)).headers.filter((header) => header.title === "Medical history");
  assert.deepEqual([history.version, history.record_type], [2, "conditions"]);
  assert.equal(JSON.parse(await dora.vault.chartText(chart, "medical_history")), HISTORY);
  assert.equal(await refused(dora.vault.chartText(chart, "shoe_size")), "vault.input");
  step("a practitioner opens a chart");

  const connection = await json(url, "POST", "/api/v1/connections", { token: dora.own.token, body: { kind: "fhir", direction: "destination", name: "Platform", base_url: "https://platform.example/r4", schedule: "manual" } });
  const about = { patient_id: chart, remote_patient_id: "77", authorization: { obtained_on: "2026-11-01", method: "paper" } };
  await dora.vault.attachDestination(JSON.stringify({ connection: connection.id, patient: chart, about }));
  await json(url, "POST", `/api/v1/patients/${chart}/sync`, { token: dora.own.token, body: { direction: "push" } });
  const owed = await eventually("what the destination is owed", async () => {
    const done = JSON.parse(await dora.vault.sealOwed(chart));
    return done.sealed > 0 ? done : null;
  });
  assert.deepEqual(owed, { sealed: 2, more: false });
  assert.deepEqual(JSON.parse(await dora.vault.sealOwed(chart)), { sealed: 0, more: false });
  step("puts its patient on a destination, and seals what that is owed");

  const lost = await dora.vault.claimSheet(chart);
  const sheet = await dora.vault.claimSheet(chart);
  const cleo = await arrive(url, "cleo@example.org", "Cleo");
  assert.equal(await refused(cleo.vault.claimBySheet(chart, lost)), "chart.invitation_unknown");
  assert.equal(await refused(cleo.vault.claimBySheet(chart, "nothing")), "vault.input");
  await cleo.vault.claimBySheet(chart, sheet);
  assert.equal(await refused(cleo.vault.claimBySheet(chart, sheet)), "chart.invitation_unknown");
  const taken = JSON.parse(await cleo.vault.openPatient(chart));
  assert.deepEqual([taken.generation, taken.managers], [2, [cleo.id]]);
  assert.equal(JSON.parse(await cleo.vault.chartText(chart, "medical_history")), HISTORY);
  assert.equal(await refused(dora.vault.claimSheet(chart)), "vault.no_key");
  await dora.vault.putChartText(chart, "dietary_preferences", `${DIET}, nor shellfish`, "Dora Diet");
  await cleo.vault.settle(chart);
  assert.equal(JSON.parse(await cleo.vault.chartText(chart, "dietary_preferences")), `${DIET}, nor shellfish`);
  step("whom it is about takes it over with the sheet, and the practitioner keeps a grant");

  const second = await open("Dan Chart", "dan@example.org");
  await dora.vault.putChartText(second, "medical_history", HISTORY, "Dora Diet");
  const third = await open("Eve Chart", "eve@example.org");
  const invitation = await eventually("the invitation", async () => {
    const mails = await json(url, "GET", "/dev/mail.json");
    const mail = mails.find((one) => JSON.stringify(one.to).includes("dan@example.org"));
    return /claim#invitation=([\w-]+)/.exec(mail?.text ?? "")?.[1];
  });
  const dan = await arrive(url, "dan@elsewhere.example", "Dan");
  const claim = await json(url, "POST", "/api/v1/claims", { token: dan.own.token, body: { invitation, date_of_birth: "1990-05-06" } });
  assert.deepEqual([claim.state, claim.email_matches], ["asked", false]);
  assert.equal(await refused(dan.vault.completeClaim(claim.id, second)), "patient.unknown");
  await dora.vault.confirmClaim(claim.id, second, dan.id);
  await dan.vault.completeClaim(claim.id, second);
  assert.equal(JSON.parse(await dan.vault.chartText(second, "medical_history")), HISTORY);
  step("another takes one over that the practitioner confirmed");

  const memory = dora.vault.memory();
  const code = await dora.vault.changeKeys("dora@practice.example", PASSWORD, JSON.stringify([chart, second, third]));
  assert.equal(await refused(dora.vault.changeKeys("dora@practice.example", PASSWORD, JSON.stringify([chart]))), "statement.moved");
  dora = await signIn(url, "dora@practice.example", PASSWORD, memory);
  for (const patient of [chart, second]) assert.equal(JSON.parse(await dora.vault.chartText(patient, "medical_history")), HISTORY);
  assert.equal(JSON.parse(await dora.vault.openPatient(third)).generation, 2);
  step("the practitioner changes their keys, and reads on");
  return [sheet, lost, code, HISTORY, DIET, "Nothing is known yet"];
}

// --- the journey ------------------------------------------------------------

const terms = (types, more = {}) => ({
  types,
  expires_at: new Date(Date.now() + 7 * 24 * 3600 * SECONDS).toISOString(),
  purpose: "TREAT",
  cover: { patient_name: "Ada", sender: "Ada", recipient: "Dr. Ng", message: "Please look at the laboratory sheet." },
  ...more,
});

async function journey({ url, admin, database }) {
  const steps = [];
  const step = (name) => {
    steps.push(name);
    console.log(`ok ${name}`);
  };
  const own = carrier(url);
  const registering = new core.Vault(own.carry);
  assert.equal(core.passwordProblem("short"), "password.too_short");
  assert.equal(core.passwordProblem(PASSWORD), undefined);
  const person = { email: "ada@example.org", name: "Ada", date_of_birth: "1980-02-29" };
  const registered = JSON.parse(await registering.registerPatient(JSON.stringify(person), PASSWORD));
  await verifyEmail(url, person.email);
  let ada = await signIn(url, person.email, PASSWORD);
  assert.deepEqual([ada.id, ada.patient], [registered.account_id, registered.patient_id]);
  await ada.vault.checkOwnKeys();
  step("registers and signs in");

  const bytes = new TextEncoder().encode(JSON.stringify(BUNDLE));
  const imported = JSON.parse(await ada.vault.importFhir(ada.patient, bytes, "application/fhir+json", "Ada"));
  assert.deepEqual([imported.created, imported.rejected.length], [3, 0]);
  const again = JSON.parse(await ada.vault.importFhir(ada.patient, bytes, "application/fhir+json", "Ada"));
  assert.deepEqual([again.created, again.unchanged], [0, 3]);
  await ada.vault.addText(ada.patient, "Slept badly after the spirometry", JSON.stringify({ title: "Diary of a patient" }));
  const file = new Uint8Array(70_000).map((_, at) => at % 251);
  await ada.vault.addFile(ada.patient, file, JSON.stringify({ file_name: "spirometry-scan.bin", content_type: "application/octet-stream", record_type: "imaging" }));
  step("imports, adds a text and a file");

  const list = JSON.parse(await ada.vault.listHeaders(ada.patient));
  assert.deepEqual([list.headers.length, list.unopened.length], [5, 0]);
  const found = JSON.parse(ada.vault.search(ada.patient, JSON.stringify({ text: "potassium" })));
  assert.equal(found.length, 1);
  const read = JSON.parse(await ada.vault.readRecord(ada.patient, found[0]));
  assert(read.verified && read.text.includes("millimole per litre"));
  const scan = list.headers.find((header) => header.body === "file");
  assert.deepEqual(await ada.vault.readContent(ada.patient, scan.id), file);
  const told = JSON.parse(await ada.vault.document(ada.patient));
  assert.equal(told.counts.records, 5);
  step("lists, searches, reads");

  // A provider whom an administrator verified.
  const provider = { email: "ng@clinic.example", name: "Dr. Ng", type: "Physician", license_number: "N-1", license_country: "DE" };
  admin("admin", "create", "--email", "root@example.org", "--password", PASSWORD);
  const root = await json(url, "POST", "/api/auth/login", { body: { email: "root@example.org", password: PASSWORD } });
  const ngId = await provide(url, root, provider);
  const ng = await signIn(url, provider.email, PASSWORD);
  assert.equal(await refused(ng.vault.listHeaders(ada.patient)), "patient.unknown");
  const met = JSON.parse(await ada.vault.fingerprint(ngId));
  assert(met.is_new && /^[0-9a-f]{64}$/.test(met.fingerprint));
  const grant = await ada.vault.grant(ada.patient, ngId, JSON.stringify(terms(["lab-results"], { write_types: ["lab-results"] })));
  const shown = JSON.parse(await ng.vault.listHeaders(ada.patient));
  assert.deepEqual(shown.headers.map((header) => header.record_type), ["lab-results"]);
  const note = { resourceType: "Observation", id: "by-ng", status: "final", category: BUNDLE.entry[0].resource.category, code: { text: "Ferritin by the provider" }, valueString: "normal range" };
  await ng.vault.importFhir(ada.patient, new TextEncoder().encode(JSON.stringify(note)), "application/fhir+json", "Dr. Ng");
  assert.equal(JSON.parse(await ada.vault.settle(ada.patient)).unadopted, 0);
  const after = JSON.parse(await ada.vault.listHeaders(ada.patient));
  const byNg = after.headers.find((header) => header.author === ngId);
  const readNote = JSON.parse(await ada.vault.readRecord(ada.patient, byNg.id));
  assert(readNote.verified && readNote.text.includes("Ferritin by the provider"));
  step("shares with a provider, who reads and writes");

  // A link.
  const asked = { terms: terms(["lab-results", "conditions"], { may_download: true }), words: { recipientName: "Dr. Ng", sendEmail: "none" }, app_url: url };
  const link = JSON.parse(await ada.vault.makeLink(ada.patient, JSON.stringify(asked)));
  const [address, key] = link.url.split("#");
  assert.equal(await ada.vault.linkUrl(ada.patient, link.grant, address.split("/").pop(), url), link.url);
  const visit = await core.Visit.open(carrier(url).carry, link.url, "Dr. Ng");
  const view = JSON.parse(visit.view());
  assert.deepEqual([view.headers.length, view.unopened.length, view.recipient], [3, 0, "Dr. Ng"]);
  const shared = JSON.parse(await visit.exportBundle());
  const text = JSON.stringify(shared);
  assert(text.includes("Asthma bronchiale") && !text.includes("Salbutamol"));
  assert(JSON.parse(await visit.document()).counts.records === 3);
  step("shares by a link, which opens");

  // Single records: few are asked for one by one, more come out of lists.
  const owned = JSON.parse(await ada.vault.listHeaders(ada.patient)).headers;
  const of = (records) => terms([...new Set(records.map((record) => record.record_type))], { records: records.map((record) => record.id) });
  for (const chosen of [owned.slice(0, 2), owned.slice(0, 5)]) {
    const some = JSON.parse(await ada.vault.makeLink(ada.patient, JSON.stringify({ terms: of(chosen), words: { sendEmail: "none" }, app_url: url })));
    const seen = await core.Visit.open(carrier(url).carry, some.url);
    const ids = JSON.parse(seen.view()).headers.map((record) => record.id);
    assert.deepEqual(ids.sort(), chosen.map((record) => record.id).sort());
    const { types, records } = of(chosen);
    // The same is told, though the reader gets it in another order.
    const told = (document) => document.match(/"title":"[^"]*"/g).sort();
    assert.deepEqual(told(await seen.document()), told(await ada.vault.preview(ada.patient, JSON.stringify({ types, records }))));
    assert.equal(JSON.parse(await seen.document()).counts.records, chosen.length);
    assert.equal(await refused(seen.countDownload()), "grant.no_download");
    await ada.vault.endGrant(ada.patient, some.grant);
  }
  const outside = { ...of(owned.slice(0, 5)), types: ["diet"] };
  assert.equal(await refused(ada.vault.makeLink(ada.patient, JSON.stringify({ terms: outside, words: {}, app_url: url }))), "vault.input");
  await visit.countDownload();
  assert.equal(await visit.refresh(), false);
  await ada.vault.addText(ada.patient, "Spirometry repeated", JSON.stringify({ title: "Ward round", record_type: "conditions" }));
  assert.equal(await visit.refresh(), true);
  assert((await visit.exportBundle()).includes("Ward round"));
  step("shares single records, and counts a copy that may be taken");

  // The same link as any viewer of SMART Health Links opens it.
  const health = core.HealthLink.parse(`https://viewer.example/#${link.shlink}`);
  const about = JSON.parse(health.about());
  assert(about.url.startsWith(`${url}/shl/`) && !about.needs_passcode && !about.single_file);
  const manifest = await json(url, "POST", new URL(about.url).pathname, { body: { recipient: "Elsewhere", embeddedLengthMax: 1_000_000 } });
  assert.equal(manifest.files.length, 2);
  for (const { embedded } of manifest.files) assert(JSON.parse(health.takeFile(embedded)).taken > 0);
  assert.deepEqual(JSON.parse(health.items()).map((item) => item.record_type).sort(), ["conditions", "lab-results", "lab-results"]);
  assert(health.document().includes("Asthma bronchiale") && health.resource(JSON.parse(health.items())[0].id).includes("resourceType"));
  const [{ embedded }] = manifest.files;
  const changed = `${embedded.slice(0, -9)}${embedded.at(-9) === "A" ? "B" : "A"}${embedded.slice(-8)}`;
  assert.equal(await refused(Promise.resolve().then(() => health.takeFile(changed))), "jwe.unopenable");
  step("is opened as a SMART Health Link too");

  // An account made here lets the server open nothing, whoever asks.
  const byKey = await fetch(`${url}/api/records/shared/${address.split("/").pop()}`, { headers: { "x-share-key": key } });
  assert.equal((await byKey.json()).code, "patient.assisted_off");
  // The core compiled natively runs inside the server, for an account that
  // lets it: what it writes, this one opens, and the other way.
  await json(url, "POST", "/api/patients/register", { body: { email: "bea@example.org", password: PASSWORD, name: "Bea" } });
  await verifyEmail(url, "bea@example.org");
  const bea = await json(url, "POST", "/api/auth/login", { body: { email: "bea@example.org", password: PASSWORD } });
  await json(url, "POST", "/api/records", { token: bea.access_token, body: { ...note, id: "native" }, type: "application/fhir+json" });
  const alsoBea = await signIn(url, "bea@example.org", PASSWORD);
  const opened = JSON.parse(await alsoBea.vault.listHeaders(alsoBea.patient));
  assert.deepEqual(opened.headers.map((header) => header.title), ["Ferritin by the provider"]);
  await alsoBea.vault.importFhir(alsoBea.patient, bytes, "application/fhir+json");
  const both = await json(url, "GET", "/api/records", { token: bea.access_token });
  assert.equal(both.items.length, 4);
  const made = await json(url, "POST", "/api/records/share", { token: bea.access_token, body: { recordTypes: ["conditions"], expiresInDays: 7, sendEmail: "none" } });
  const other = await core.Visit.open(carrier(url).carry, made.url);
  assert((await other.exportBundle()).includes("Asthma bronchiale"));
  step("native and WebAssembly open each other's records");

  await ada.vault.endGrant(ada.patient, grant);
  assert.equal(await refused(ng.vault.listHeaders(ada.patient)), "grant.ended");
  await ada.vault.endGrant(ada.patient, link.grant);
  assert.equal(await refused(core.Visit.open(carrier(url).carry, link.url)), "share.revoked");
  step("ends both");

  const memory = ada.vault.memory();
  await ada.vault.changePassword(person.email, PASSWORD, NEW_PASSWORD);
  ada.vault.lock();
  assert.equal(await refused(ada.vault.listHeaders(ada.patient)), "vault.locked");
  ada = await signIn(url, person.email, NEW_PASSWORD, memory);
  assert.equal(JSON.parse(await ada.vault.listHeaders(ada.patient)).headers.length, 7);
  const back = new core.Vault(carrier(url).carry, memory);
  const recovered = JSON.parse(await back.recover(person.email, registered.recovery_code, PASSWORD));
  assert.notEqual(recovered.recovery_code, registered.recovery_code);
  step("changes the password, comes back with the recovery code");

  const ofCharts = await charts({ url, root, step });

  // What must never cross, and never lie in the database.
  const secrets = [...ofCharts, PASSWORD, NEW_PASSWORD, key, registered.recovery_code, recovered.recovery_code, "Slept badly after", "Diary of a patient", "spirometry-scan", "Ferritin by", "Please look at the laboratory sheet"];
  const everything = crossed.join("\n");
  const stored = readFileSync(database).toString("latin1") + readFileSync(`${database}-wal`).toString("latin1");
  const clinical = [...words(BUNDLE)];
  assert(clinical.length > 8);
  for (const word of [...secrets, ...clinical]) {
    assert(!everything.includes(word), `${word} crossed in the clear`);
    assert(!stored.includes(word), `${word} lies in the database`);
  }
  step(`${crossed.length} messages, ${everything.length} bytes: nothing of it in the clear`);
  return steps.length;
}

async function main() {
  const server = await startServer();
  try {
    const passed = await journey(server);
    console.log(`${passed} passed, 0 failed`);
  } catch (why) {
    console.error(why);
    console.error(server.log().split("\n").slice(-15).join("\n"));
    console.log("0 passed, 1 failed");
    process.exitCode = 1;
  } finally {
    await server.stop();
  }
}

main();
