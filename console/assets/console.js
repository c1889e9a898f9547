// What the pages do beyond what they do without a script. Nothing here builds HTML from data: the server renders, and escapes.
"use strict";

// Times in the browser's zone.
const time = new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "medium"});

function localTimes(root) {
    for (const element of root.querySelectorAll("time[datetime]")) {
        const at = new Date(element.dateTime);
        if (!Number.isNaN(at.getTime())) {
            element.title = element.dateTime;
            element.textContent = time.format(at);
        }
    }
}

// The preview beside a form, while one types.
function livePreview(form) {
    const shown = document.getElementById("preview");
    const state = document.getElementById("preview-state");
    if (!shown || !form.dataset.preview) return;
    let timer = 0;
    let running = null;
    async function update() {
        running?.abort();
        const request = new AbortController();
        running = request;
        try {
            const response = await fetch(form.dataset.preview, {
                method: "POST", body: new URLSearchParams(new FormData(form)), signal: request.signal, redirect: "error",
            });
            if (!response.ok) throw new Error(String(response.status));
            shown.innerHTML = await response.text();
            state.textContent = shown.firstElementChild?.dataset.summary ?? "";
        } catch (error) {
            if (error.name !== "AbortError") state.textContent = "The preview can't be updated. Is the console running, and are you still signed in?";
        }
    }
    const soon = () => { clearTimeout(timer); timer = setTimeout(update, 300); };
    form.addEventListener("input", soon);
    form.addEventListener("change", soon);
    for (const select of form.querySelectorAll("select[data-sample-for]")) {
        select.addEventListener("change", () => {
            const sample = select.selectedOptions[0]?.dataset.sample;
            if (sample) document.getElementById(select.dataset.sampleFor).value = sample;
        });
    }
    for (const button of form.querySelectorAll("button[data-preview-now]")) {
        button.addEventListener("click", (event) => { event.preventDefault(); clearTimeout(timer); update(); });
    }
}

// Events as they come. The server sends each as a row of the table.
function liveEvents(table) {
    const toggle = document.getElementById("live");
    const state = document.getElementById("live-state");
    const text = state.querySelector("[role=status]");
    const rows = table.tBodies[0];
    const most = Number(table.dataset.most);
    let source = null;
    let waiting = 0;
    function tell(live, words) {
        state.classList.toggle("is-live", live);
        if (text.textContent !== words) text.textContent = words;
    }
    function add(html) {
        const template = document.createElement("template");
        template.innerHTML = html;
        const row = template.content.firstElementChild;
        if (!row || (row.id && document.getElementById(row.id))) return;
        row.classList.add("new");
        localTimes(row);
        rows.prepend(row);
        while (rows.rows.length > most) rows.lastElementChild.remove();
        document.getElementById("no-events")?.remove();
        table.hidden = false;
        table.parentElement.hidden = false;
    }
    function start() {
        source = new EventSource(table.dataset.stream);
        source.addEventListener("open", () => tell(true, "Live: new events appear at the top."));
        source.addEventListener("row", (event) => add(event.data));
        source.addEventListener("missed", () => tell(true, "Live, but some events came too fast to be shown. Load the page again to see them."));
        source.addEventListener("end", () => { stop("Your session has ended. Sign in again."); });
        source.addEventListener("error", () => {
            if (source?.readyState === EventSource.CLOSED) {
                clearTimeout(waiting);
                waiting = setTimeout(() => { if (source) { source.close(); start(); } }, 3000);
            }
            tell(false, "The connection is lost. Trying again.");
        });
        toggle.textContent = "Pause";
    }
    function stop(words) {
        clearTimeout(waiting);
        source?.close();
        source = null;
        toggle.textContent = "Show new events";
        tell(false, words);
    }
    toggle.hidden = false;
    state.hidden = false;
    toggle.addEventListener("click", () => (source ? stop("Paused.") : start()));
    addEventListener("pagehide", () => source?.close());
    start();
}

// Whoever follows a link from another site comes to the sign-in even with a session, since the browser keeps its cookie back then.
async function goOnIfSignedIn(form) {
    const response = await fetch("/sign-in/state");
    if (await response.text() === "signed in") location.replace(form.dataset.next);
}

localTimes(document);
for (const form of document.querySelectorAll("form[data-next]")) goOnIfSignedIn(form);
for (const form of document.querySelectorAll("form[data-preview]")) livePreview(form);
for (const table of document.querySelectorAll("table[data-stream]")) liveEvents(table);
