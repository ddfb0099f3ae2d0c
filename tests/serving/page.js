// Runs the page's script on a document of a few lines; prints what it shows and sends.
"use strict";
const [script, schema, text] = require("fs").readFileSync(0, "utf8").split("\0");
const form = Object.assign(element("form"), {elements: []});
const found = {fields: form};

function element(tag) {
  return {
    tag, hidden: true, children: [], files: [], parts: {}, textContent: "",
    addEventListener() {},
    appendChild(child) {
      if (child.tag === "input" || child.tag === "select") form.elements.push(child);
      this.children.push(child);
      return child;
    },
    querySelector(name) { return this.parts[name] ??= element(name); },
    replaceChildren() { this.children = []; },
  };
}

const document = {
  addEventListener() {},
  createElement: element,
  getElementById: (id) => found[id] ??= element(id),
};
const sent = [];
const fetch = async (_, {body}) => {
  sent.push(JSON.parse(body).instances);
  return {json: async () => ({predictions: [{error: "none"}]})};
};
document.getElementById("about").textContent = JSON.stringify({schema: JSON.parse(schema), options: {top_k: 1}});
new Function("document", "fetch", script)(document, fetch);
const event = {preventDefault() {}, target: {querySelector: () => ({value: text})}};
for (const field of form.elements) field.value = text;
if (!form.hidden) form.onsubmit(event);
if (found.values && !found.values.hidden) found.values.onsubmit(event);
console.log(JSON.stringify({
  shown: ["drop", "fields", "values"].filter((id) => found[id] && !found[id].hidden),
  sent,
  words: found.drop?.parts.span?.textContent,
  trouble: found.trouble?.textContent,
}));
