// Renders /api/openapi.json. Everything is put into the page as text.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

const element = (name, text, className) => {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  if (className) node.className = className;
  return node;
};

const nameOf = (ref) => ref.split("/").pop();

function describe(schema) {
  if (!schema) return "";
  if (schema.$ref) return nameOf(schema.$ref);
  if (schema.oneOf || schema.anyOf) return (schema.oneOf || schema.anyOf).map(describe).join(" | ");
  if (schema.allOf) return schema.allOf.map(describe).join(" & ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const kinds = Array.isArray(schema.type) ? schema.type : [schema.type || "any"];
  return kinds
    .map((kind) => (kind === "array" ? `[${describe(schema.items)}]` : schema.format ? `${kind} (${schema.format})` : kind))
    .join(" | ");
}

function table(rows) {
  const node = element("table");
  for (const row of rows) {
    const line = node.insertRow();
    row.forEach((cell, index) => {
      const place = line.insertCell();
      place.append(index === 0 ? element("code", cell) : element("span", cell));
    });
  }
  return node;
}

function contents(content) {
  return Object.entries(content || {}).map(([kind, media]) => [kind, describe(media.schema)]);
}

function renderCall(path, method, call) {
  const box = element("details");
  const head = element("summary");
  head.append(element("span", method.toUpperCase(), "method"), element("code", path), element("span", `  ${call.summary || ""}`, "quiet"));
  box.append(head);
  box.dataset.words = `${method} ${path} ${call.operationId} ${call.summary || ""} ${(call.tags || []).join(" ")}`.toLowerCase();
  box.id = call.operationId;
  box.append(element("p", call.description || call.summary || ""));
  const open = Array.isArray(call.security) && call.security.some((one) => Object.keys(one).length === 0);
  box.append(element("p", open ? "Public." : "Needs Authorization: Bearer.", "quiet"));
  if (call.parameters && call.parameters.length) {
    box.append(element("h3", "Parameters"));
    box.append(table(call.parameters.map((one) => [one.name, `${one.in}${one.required ? ", required" : ""}`, describe(one.schema), one.description || ""])));
  }
  if (call.requestBody) {
    box.append(element("h3", "Body"), table(contents(call.requestBody.content)));
  }
  box.append(element("h3", "Answers"));
  box.append(
    table(
      Object.entries(call.responses || {}).map(([status, answer]) => [
        status,
        answer.description || "",
        contents(answer.content).map((pair) => pair.join(": ")).join("; "),
      ]),
    ),
  );
  return box;
}

function renderShape(name, schema) {
  const box = element("details");
  box.id = `shape-${name}`;
  const head = element("summary");
  head.append(element("code", name), element("span", `  ${schema.description || ""}`, "quiet"));
  box.append(head);
  if (schema.properties) {
    const required = new Set(schema.required || []);
    box.append(
      table(
        Object.entries(schema.properties).map(([field, one]) => [
          field,
          `${describe(one)}${required.has(field) ? "" : ", optional"}`,
          one.description || "",
        ]),
      ),
    );
  } else {
    box.append(element("pre", JSON.stringify(schema, null, 2)));
  }
  return box;
}

async function start() {
  const about = document.getElementById("about");
  try {
    const answer = await fetch("/api/openapi.json");
    const api = await answer.json();
    about.textContent = `${api.info.description} Version ${api.info.version}.`;
    const calls = document.getElementById("calls");
    const groups = new Map();
    for (const [path, item] of Object.entries(api.paths)) {
      for (const method of METHODS) {
        if (!item[method]) continue;
        const tag = (item[method].tags || ["other"])[0];
        if (!groups.has(tag)) groups.set(tag, []);
        groups.get(tag).push(renderCall(path, method, item[method]));
      }
    }
    for (const [tag, boxes] of groups) {
      calls.append(element("h2", tag), ...boxes);
    }
    const shapes = document.getElementById("shapes");
    for (const [name, schema] of Object.entries((api.components || {}).schemas || {})) {
      shapes.append(renderShape(name, schema));
    }
    document.getElementById("filter").addEventListener("input", (event) => {
      const wanted = event.target.value.trim().toLowerCase();
      for (const box of calls.querySelectorAll("details")) {
        box.hidden = wanted !== "" && !box.dataset.words.includes(wanted);
      }
    });
  } catch {
    about.textContent = "The description of the API could not be loaded.";
  }
}

start();
