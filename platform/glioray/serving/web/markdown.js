"use strict";
// The Markdown that a model card is written in, as elements. What was sent becomes text, never HTML.
const BLOCKS = [
  [/^#+ /, (lines) => lines.map((line) => inline(make(line.startsWith("##") ? "h4" : "h3"), line.replace(/^#+ /, "")))],
  [/^>/, (lines) => [filled("blockquote", paragraphs(lines.map((line) => line.replace(/^> ?/, ""))))]],
  [/^- /, (lines) => [filled("ul", lines.map((line) => inline(make("li"), line.slice(2))))]],
  [/^\|/, (lines) => [table(lines)]],
  [/^/, paragraphs],
];

function markdown(text) {  // lines of one kind that follow one another are a block
  const blocks = [];
  for (const line of text.split("\n")) {
    const kind = line ? BLOCKS.findIndex(([start]) => start.test(line)) : -1;
    if (blocks.at(-1)?.kind === kind) blocks.at(-1).lines.push(line);
    else blocks.push({ kind, lines: [line] });
  }
  return blocks.filter(({ kind }) => kind >= 0).flatMap(({ kind, lines }) => BLOCKS[kind][1](lines));
}

function paragraphs(lines) {
  return lines.join("\n").split("\n\n").map((text) => inline(make("p"), text.replaceAll("\n", " ")));
}

function table(lines) {
  const rows = lines.filter((line) => !/^[|: -]+$/.test(line)).map((line, index) => {
    const cells = line.split("|").slice(1, -1).map((cell) => inline(make(index ? "td" : "th"), cell.trim()));
    return filled("tr", cells);
  });
  return filled("table", rows);
}

function inline(element, text) {  // **bold** and `code`
  for (const part of text.split(/(\*\*[^*]+\*\*|`[^`]+`)/)) {
    if (part.startsWith("**") && part.length > 4) element.append(make("strong", "", part.slice(2, -2)));
    else if (part.startsWith("`") && part.length > 2) element.append(make("code", "", part.slice(1, -1)));
    else element.append(part);
  }
  return element;
}

function filled(tag, children) {
  const element = make(tag);
  element.append(...children);
  return element;
}
