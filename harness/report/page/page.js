// Filters, keys and copying, for every page. Without this script a page still shows everything.
// What a page has to filter by is in its HTML: groups of buttons ([data-choice]), suite, level, search.
"use strict";
const page = (() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const search = document.getElementById("search");
  if (!search) return null;  // no case ran: nothing to filter
  document.documentElement.classList.add("js");

  const suite = document.getElementById("suite");
  const level = document.getElementById("level");
  const choices = all("[data-choice]");
  const cases = all(".case");
  const groups = all(".group");
  const unfolded = new Set(groups.filter((each) => each.open));  // without filters
  const help = document.getElementById("help");

  // --- the filters, which live in the controls and in the address's hash

  const buttons = (choice) => all("button", choice);
  const pressed = (choice) => buttons(choice)
    .filter((each) => each.getAttribute("aria-pressed") === "true").map((each) => each.dataset.value);

  function press(choice, values) {
    for (const each of buttons(choice)) each.setAttribute("aria-pressed", values.includes(each.dataset.value));
  }

  function apply() {
    const wanted = choices.map((each) => [each.dataset.choice, pressed(each)]).filter(([, values]) => values.length);
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const each of cases) {
      const { level: itsLevel, search: text } = each.dataset;
      each.hidden = !(wanted.every(([name, values]) => each.dataset[name].split(" ").some((it) => values.includes(it)))
        && (!level.value || level.value === itsLevel)
        && (!suite.value || suite.value === each.closest(".suite").dataset.suite)
        && words.every((word) => text.includes(word)));
      shown += !each.hidden;
    }
    const filtered = shown < cases.length;
    for (const each of groups) {
      each.hidden = !each.querySelector(".case:not([hidden])");
      each.open = filtered ? !each.hidden : unfolded.has(each);
    }
    for (const each of all(".suite, .part")) each.hidden = !each.querySelector(".case:not([hidden])");
    document.getElementById("none").hidden = shown > 0;
    document.getElementById("shown").textContent = shown === cases.length
      ? `${shown} cases` : `${shown} of ${cases.length} cases`;
  }

  function remember() {
    const state = new URLSearchParams();
    for (const each of choices) {
      if (pressed(each).length) state.set(each.dataset.choice, pressed(each).join(","));
    }
    if (level.value) state.set("level", level.value);
    if (suite.value) state.set("suite", suite.value);
    if (search.value) state.set("q", search.value);
    const hash = String(state);
    history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
  }

  function change() {
    apply();
    remember();
  }

  function set(state) {
    for (const each of choices) press(each, (state.get(each.dataset.choice) ?? "").split(","));
    level.value = state.get("level") ?? "";
    suite.value = state.get("suite") ?? "";
    search.value = state.get("q") ?? "";
    if (level.selectedIndex < 0) level.value = "";
    if (suite.selectedIndex < 0) suite.value = "";
    apply();
  }

  // The hash is either the filters (q=...) or the id of one case, or of something in it.
  function follow() {
    const hash = location.hash.slice(1);
    const found = document.getElementById(decoded(hash));
    const target = found?.closest(".case");
    set(new URLSearchParams(target ? "" : hash));
    if (!target) return;
    unfold(target);
    target.open = true;
    target.scrollIntoView();
    const place = found === target ? target.querySelector("summary") : found;
    const focus = () => place.focus({ preventScroll: true });
    focus();
    // The browser follows the address on its own as well, and then takes the focus away again.
    window.addEventListener("load", focus, { once: true });
  }

  function unfold(target) {
    const group = target.closest(".group");
    if (group) group.open = true;
  }

  function decoded(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  function clear() {
    set(new URLSearchParams());
    remember();
  }

  for (const each of choices.flatMap(buttons)) {
    each.addEventListener("click", () => {
      each.setAttribute("aria-pressed", each.getAttribute("aria-pressed") !== "true");
      change();
    });
  }
  for (const each of [search, suite, level]) each.addEventListener("input", change);
  document.getElementById("clear").addEventListener("click", clear);
  document.getElementById("keys").addEventListener("click", () => help.showModal());
  window.addEventListener("hashchange", follow);

  // --- keys

  function move(step) {
    const visible = cases.filter((each) => !each.hidden);
    const focus = document.activeElement;
    const within = focus.closest(".case") ?? focus.closest(".group")?.querySelector(".case:not([hidden])");
    const at = visible.indexOf(within);
    const before = within && !focus.closest(".case") && step > 0 ? 0 : step;  // from a group to its first case
    const next = visible[at < 0 ? (step > 0 ? 0 : visible.length - 1) : at + before];
    if (!next) return;
    unfold(next);
    next.querySelector("summary").focus();
  }

  // A key of a choice presses what the choice says that it should, or frees all again.
  function preset(choice) {
    const values = buttons(choice).map((each) => each.dataset.value)
      .filter((each) => choice.dataset.preset.split(" ").includes(each));
    press(choice, String(pressed(choice)) === String(values) ? [] : values);
    change();
  }

  function escape() {
    const open = document.activeElement.closest(".case[open]");
    if (!open) return clear();
    open.open = false;
    open.querySelector("summary").focus();
  }

  const keys = {
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    "/": () => search.select(),
    "?": () => help.showModal(),
    Escape: escape,
  };
  for (const each of choices) keys[each.dataset.key] = () => preset(each);

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const focus = document.activeElement;
    if (focus === search) {
      if (event.key === "Escape") search.blur();
      else if (event.key !== "ArrowDown") return;
    } else if (focus.matches("select") || (focus.matches("pre") && event.key.startsWith("Arrow"))) {
      return;  // there the keys have a meaning of their own
    }
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });

  // --- copying

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // pages that came by plain http may not use the clipboard: the old way
      const area = document.body.appendChild(document.createElement("textarea"));
      area.value = text;
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }

  for (const button of all(".copy")) {
    const label = button.textContent;
    button.addEventListener("click", async () => {
      await copy(document.getElementById(button.dataset.copy).textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = label; }, 1500);
    });
  }

  // --- paper, on which nothing can be unfolded

  const facts = all(".facts:not([open]), .group:not([open])");
  window.addEventListener("beforeprint", () => { for (const each of facts) each.open = true; });
  window.addEventListener("afterprint", () => { for (const each of facts) each.open = false; });

  follow();
  return { all, cases, follow };
})();
