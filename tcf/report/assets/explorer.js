// The explorer: an item, and its nearest under each encoder side by side.

/** Bytes of base64, read as 16-bit numbers where `wide`. */
function decoded(text, wide) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return wide
    ? Uint16Array.from(
        { length: bytes.length / 2 },
        (_, n) => bytes[2 * n] | (bytes[2 * n + 1] << 8),
      )
    : bytes;
}

function startExplorer() {
  const body = BY_ID("explorer-body");
  if (!DATA.explorer) {
    body.append(
      el(
        "p",
        {},
        "Which items stand near which, under each encoder? This page was made without the study's data. To see it: ",
        el("code", {}, "tcf report RECORDS --out report.html --study study.py --data FOLDER"),
        ".",
      ),
    );
    return;
  }
  const { titles, encoders, num_neighbours: count, num_items: total } = DATA.explorer;
  const lists = encoders.map((encoder) => ({
    name: encoder.name,
    items: decoded(encoder.items, true),
    cosines: decoded(encoder.cosines, false),
  }));
  const lower = titles.map((title) => title.toLowerCase());
  const columns = el("div", { class: "neighbours" });
  const chosen = el("p", { class: "chosen", "aria-live": "polite" });

  function show(item) {
    chosen.replaceChildren("Nearest to ", el("strong", {}, titles[item]), ":");
    columns.replaceChildren(
      ...lists.map(({ name, items, cosines }) => {
        const rows = Array.from({ length: count }, (_, n) => [
          items[item * count + n],
          cosines[item * count + n] / 255,
        ]);
        return el(
          "section",
          {},
          el("h3", {}, name),
          el(
            "ol",
            {},
            rows.map(([other, cosine]) =>
              el(
                "li",
                {},
                link(titles[other], () => [show(other), input.focus()]),
                el("span", { class: "cosine" }, cosine.toFixed(2)),
              ),
            ),
          ),
        );
      }),
    );
  }

  const input = el("input", {
    type: "search",
    id: "item",
    role: "combobox",
    autocomplete: "off",
    "aria-expanded": "false",
    "aria-controls": "item-list",
    "aria-autocomplete": "list",
    placeholder: "Type part of an item's text",
  });
  const list = el("ul", { id: "item-list", role: "listbox", "aria-label": "Items", hidden: true });
  let [found, active] = [[], -1];

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function pick(item) {
    input.value = titles[item];
    close();
    show(item);
  }

  function suggest() {
    const words = input.value
      .toLowerCase()
      .split(/\s+/)
      .filter((word) => word);
    const matching = (place) =>
      words.length
        ? lower.flatMap((title, n) => (words.every((word) => place(title, word)) ? [n] : []))
        : [];
    const beginning = matching((title, word) => ` ${title}`.includes(` ${word}`));
    found = unique([...beginning, ...matching((title, word) => title.includes(word))]).slice(0, 12);
    active = -1;
    list.replaceChildren(
      ...found.map((item, n) =>
        el(
          "li",
          {
            role: "option",
            id: `item-${n}`,
            "aria-selected": "false",
            onpointerdown: (event) => [event.preventDefault(), pick(item)],
          },
          titles[item],
        ),
      ),
    );
    if (words.length && !found.length)
      list.replaceChildren(el("li", { class: "none" }, "No item has these words."));
    list.hidden = !words.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
  }

  function move(step) {
    if (list.hidden || !found.length) return suggest();
    active = (active + step + found.length) % found.length;
    [...list.children].forEach((node, n) =>
      node.setAttribute("aria-selected", String(n === active)),
    );
    list.children[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", `item-${active}`);
  }

  input.addEventListener("input", suggest);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp")
      [event.preventDefault(), move(event.key === "ArrowDown" ? 1 : -1)];
    if (event.key === "Enter" && found.length) pick(found[Math.max(active, 0)]);
    if (event.key === "Escape") close();
  });
  body.append(
    el(
      "p",
      {},
      `The ${whole(titles.length)} items most often taken in training, of ${whole(total)}; their ${count} nearest among themselves by cosine, before any training of a recommender.`,
    ),
    el("div", { class: "combobox" }, el("label", { for: "item" }, "Item"), input, list),
    chosen,
    columns,
  );
  show(0);
}
