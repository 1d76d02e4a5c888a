// Lists /dev/mail.json as text; links become links when they are ours.
"use strict";

const list = document.getElementById("mails");

const element = (name, text) => {
  const node = document.createElement(name);
  if (text !== undefined) node.textContent = text;
  return node;
};

function body(text) {
  const box = element("pre");
  for (const part of text.split(/(https?:\/\/\S+)/)) {
    if (/^https?:\/\//.test(part)) {
      const link = element("a", part);
      link.href = part;
      link.rel = "noreferrer";
      box.append(link);
    } else {
      box.append(part);
    }
  }
  return box;
}

async function load() {
  const answer = await fetch("/dev/mail.json");
  const mails = await answer.json();
  list.replaceChildren();
  if (mails.length === 0) list.append(element("p", "Nothing has been sent yet."));
  for (const mail of mails) {
    const box = element("details");
    box.append(element("summary", `${mail.subject}: ${mail.to} (${mail.sent_at})`), body(mail.text));
    list.append(box);
  }
}

document.getElementById("reload").addEventListener("click", load);
load();
