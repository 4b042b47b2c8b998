// The audit of the data: what the records and the ledger of the split tell.

const COUNTS = [
  ["users", "Users"],
  ["items", "Items"],
  ["interactions", "Interactions"],
];
const percent = (part, of) => (of ? `${((100 * part) / of).toFixed(1)}%` : "–");

function dataSet(about) {
  const { counts } = about;
  const known = COUNTS.filter(([key]) => counts[`${key}_before`] !== undefined);
  const filtered = known.length
    ? el(
        "figure",
        {},
        el(
          "table",
          { "aria-label": "Counts before and after filtering" },
          el(
            "thead",
            {},
            el(
              "tr",
              {},
              ["", "Before filtering", "After", "Kept"].map((text) =>
                el("th", { scope: "col", class: text ? "number" : "text" }, text),
              ),
            ),
          ),
          el(
            "tbody",
            {},
            known.map(([key, name]) => {
              const [before, after] = [counts[`${key}_before`], counts[`${key}_after`]];
              return el(
                "tr",
                {},
                el("th", { scope: "row", class: "text" }, name),
                [whole(before), whole(after), percent(after, before)].map((text) =>
                  el("td", { class: "number" }, text),
                ),
              );
            }),
          ),
        ),
      )
    : null;
  const quartiles = (values) =>
    `${values[0]} · ${values[1]} · ${values[2]} · ${values[3]} · ${values[4]}`;
  const facts = about.num_users
    ? [
        entry("test users", whole(about.num_users)),
        entry(
          "targets already in the user's history",
          `${whole(about.target_in_history)} (${percent(about.target_in_history, about.num_users)})`,
        ),
        entry(
          "targets never seen in training (cold)",
          `${whole(about.cold)} (${percent(about.cold, about.num_users)})`,
        ),
        entry("history length: least, quartiles, most", quartiles(about.history_length)),
        entry("training count of the target: likewise", quartiles(about.target_train_count)),
      ]
    : [];
  const checksum = entry("checksum of the split", el("code", {}, counts.checksum));
  return el(
    "article",
    {},
    el("h3", {}, about.dataset),
    filtered,
    el("dl", { class: "tree wide" }, facts.flat(), checksum),
    about.slices ? sliceBars(about) : null,
    (counts.filters ?? []).map((one) =>
      el("section", {}, el("h4", {}, `Filter: ${one.name}`), tree(one)),
    ),
    counts.split ? el("section", {}, el("h4", {}, "Split"), tree(counts.split)) : null,
    counts.audit ? el("section", {}, el("h4", {}, "Audit of the files"), tree(counts.audit)) : null,
  );
}

/** How many users are in each slice, as bars of one length scale. */
function sliceBars({ slices, num_users: all }) {
  const cuts = unique(slices.map(([label]) => label.split(": ")[0]));
  return el(
    "div",
    { class: "bars" },
    cuts.map((cut) =>
      el(
        "figure",
        {},
        el("figcaption", {}, `Users by ${CUTS[cut] ?? cut.replaceAll("_", " ")}`),
        el(
          "table",
          {},
          el(
            "tbody",
            {},
            slices
              .filter(([label]) => label.startsWith(`${cut}: `))
              .map(([label, users]) => {
                const bar = svg(
                  "svg",
                  { width: 140, height: 10, "aria-hidden": "true" },
                  svg("rect", {
                    width: Math.max((140 * users) / all, 0.5),
                    height: 10,
                    fill: "var(--accent)",
                    opacity: 0.7,
                  }),
                );
                return el(
                  "tr",
                  {},
                  el("th", { scope: "row", class: "text" }, label.slice(cut.length + 2)),
                  el("td", { class: "number" }, whole(users)),
                  el("td", { class: "number" }, percent(users, all)),
                  el("td", {}, bar),
                );
              }),
          ),
        ),
      ),
    ),
  );
}
