// @ts-check
/**
 * The page of the topics: a small view of the Kafka of the run. All that it shows is text.
 *
 * @typedef {object} Partition
 * @property {number} partition
 * @property {number} first first offset that is held
 * @property {number} end offset after the last message
 * @property {number} messages
 * @property {number | null} next next offset that the reader reads
 * @property {number | null} lag
 *
 * @typedef {{name: string, topic: string, reader: string, partitions: Partition[]}} Topic
 *
 * @typedef {object} Message
 * @property {number} partition
 * @property {number} offset
 * @property {number} timestamp wall time, epoch ms
 * @property {string | null} key
 * @property {string | null} value
 * @property {{topic: string, partition: number, offset: number, reason: string, detail: string,
 *   process: string} | null} rejected why a record was rejected, of which this is the copy
 */

import { UNKNOWN, number } from "./format.js";

const EVERY_MS = 2_000;
const SHOWN = 200; // rows of messages

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const partition = /** @type {HTMLSelectElement} */ (element("topics-partition"));
const hold = element("topics-hold");

let chosen = "trips";
/** @type {Topic[]} */
let topics = [];

/** What a table body shows now: what has not changed is left alone. @type {WeakMap<HTMLElement, string>} */
const shown = new WeakMap();

/**
 * Fill the body of a table; the content of each cell is text.
 * @param {HTMLElement} body
 * @param {(string | null)[][]} rows
 * @param {string[]} classes of the cells of a row
 */
function fill(body, rows, classes) {
  const text = JSON.stringify(rows);
  if (shown.get(body) === text) return;
  shown.set(body, text);
  body.replaceChildren(...rows.map((row) => {
    const line = document.createElement("tr");
    row.forEach((content, index) => {
      const cell = document.createElement("td");
      cell.className = classes[index];
      cell.textContent = content;
      line.append(cell);
    });
    return line;
  }));
}

/** @param {string} path */
async function read(path) {
  const response = await fetch(path);
  const found = await response.json();
  if (found.error) throw new Error(found.error);
  return found;
}

async function showTopics() {
  const { kafka, topics: found, processes } = await read("/api/topics");
  topics = found;
  const body = element("topics-list");
  if (body.childElementCount !== topics.length) body.replaceChildren(...topics.map(topicRow));
  topics.forEach((topic, index) => {
    const cells = body.children[index].children;
    const lags = topic.partitions.map((each) => each.lag);
    cells[2].textContent = number(sum(topic.partitions.map((each) => each.messages)));
    cells[3].textContent = number(lags.includes(null) ? null : sum(lags));
  });
  element("topics-lead").textContent = `Kafka at ${kafka}`;
  element("topics-processes").textContent = `Processes: ${processes.map(
    (/** @type {{name: string, alive: boolean}} */ each) =>
      `${each.name} ${each.alive ? "lives" : "has ended"}`).join(", ")}`;
  showPartitions();
}

/** @param {Topic} topic */
function topicRow(topic) {
  const line = document.createElement("tr");
  for (const kind of ["", "", "number", "number"]) {
    const cell = document.createElement("td");
    cell.className = kind;
    line.append(cell);
  }
  const name = document.createElement("button");
  name.type = "button";
  name.className = "topics-name";
  name.textContent = topic.name;
  name.setAttribute("aria-pressed", String(topic.topic === chosen));
  name.addEventListener("click", () => choose(topic.topic));
  line.children[0].append(name);
  line.children[1].textContent = topic.reader;
  return line;
}

function showPartitions() {
  const topic = topics.find((each) => each.topic === chosen);
  if (!topic) return;
  element("topics-partitions-title").textContent = `Partitions of ${topic.name}`;
  element("topics-messages-title").textContent = `Latest messages of ${topic.name}`;
  fill(element("topics-partitions"), topic.partitions.map((each) => [
    String(each.partition), number(each.first), number(each.end), number(each.next), number(each.lag),
  ]), Array(5).fill("number"));
  if (partition.options.length !== topic.partitions.length + 1) {
    const numbers = topic.partitions.map((each) => String(each.partition));
    partition.replaceChildren(new Option("all", ""), ...numbers.map((each) => new Option(each, each)));
  }
}

/** @param {string} topic */
function choose(topic) {
  chosen = topic;
  [...element("topics-list").querySelectorAll("button")].forEach((each, index) =>
    each.setAttribute("aria-pressed", String(topics[index].topic === topic)));
  showPartitions();
  void showMessages().catch(say);
}

async function showMessages() {
  const topic = chosen;
  const found = await read(`/api/topics/${encodeURIComponent(topic)}`);
  if (topic !== chosen) return; // another one was chosen meanwhile
  /** @type {Message[]} */
  const messages = found.partitions.flatMap(
    (/** @type {{partition: number, messages: Message[]}} */ each) =>
      each.messages.map((message) => ({ ...message, partition: each.partition })));
  const rows = messages
    .filter((each) => partition.value === "" || String(each.partition) === partition.value)
    .sort((a, b) => b.timestamp - a.timestamp || b.offset - a.offset)
    .slice(0, SHOWN)
    .map((each) => [
      String(each.partition), number(each.offset), clock(each.timestamp), each.key ?? UNKNOWN,
      valueOf(each),
    ]);
  fill(element("topics-messages"), rows, ["number", "number", "", "", "value"]);
}

/**
 * What a message holds; of a rejected record, first why it was rejected.
 * @param {Message} message
 */
function valueOf({ value, rejected }) {
  const text = value ?? "no value";
  if (!rejected) return text;
  const place = `${rejected.topic} partition ${rejected.partition} offset ${rejected.offset}`;
  return `${place}: ${rejected.reason}, says ${rejected.process}: ${rejected.detail}\n${text}`;
}

/** @param {number} ts wall time */
function clock(ts) {
  return ts > 0 ? new Date(ts).toISOString().slice(11, 23) : UNKNOWN;
}

/** @param {(number | null)[]} values */
function sum(values) {
  return values.reduce((/** @type {number} */ total, value) => total + (value ?? 0), 0);
}

/** @param {unknown} error */
function say(error) {
  element("topics-lead").textContent = error instanceof Error ? error.message : String(error);
}

async function show() {
  if (document.hidden) return;
  try {
    await showTopics();
    if (hold.getAttribute("aria-pressed") !== "true") await showMessages();
  } catch (error) {
    say(error);
  }
}

hold.addEventListener("click", () => {
  const isHeld = hold.getAttribute("aria-pressed") === "true";
  hold.setAttribute("aria-pressed", String(!isHeld));
});
partition.addEventListener("change", () => void showMessages().catch(say));
document.addEventListener("visibilitychange", () => void show());

/** Show, and show again some time after it is done. */
async function keepShowing() {
  await show();
  setTimeout(keepShowing, EVERY_MS);
}
void keepShowing();
