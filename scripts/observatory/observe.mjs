// Grades pages by the rules of Mozilla's HTTP Observatory: node observe.mjs --http-port N [--cookie TEXT] URL...
// The authority of the certificates is in NODE_EXTRA_CA_CERTS. Prints a JSON object for each URL. The scanner's own program knows no ports, no cookies and
// no pages with an error status; its rules are used as they are.
import https from "node:https";
import { parseArgs } from "node:util";

const { values: option, positionals: urls } = parseArgs({
  allowPositionals: true,
  options: { "http-port": { type: "string" }, cookie: { type: "string" } },
});
if (option.cookie) {
  const plain = https.request;
  https.request = (options, ...rest) => plain({ ...options, headers: { ...options.headers, cookie: option.cookie } }, ...rest);
}
const scanner = "@mdn/mdn-http-observatory/src";
const { retrieve } = await import(`${scanner}/retriever/retriever.js`);
const { ALL_TESTS } = await import(`${scanner}/constants.js`);
const { getGradeForScore, getScoreModifier } = await import(`${scanner}/grader/grader.js`);
const { MINIMUM_SCORE_FOR_EXTRA_CREDIT } = await import(`${scanner}/grader/charts.js`);

for (const text of urls) {
  const url = new URL(text);
  const found = await retrieve(url.hostname, { httpsPort: url.port, httpPort: option["http-port"], path: url.pathname + url.search });
  const answer = found.responses.https;
  if (!answer) {
    console.log(JSON.stringify({ url: text, failing: ["no answer over HTTPS"] }));
    continue;
  }
  const tests = ALL_TESTS.map((test) => test(found)).map((test) => ({
    name: test.constructor.name, result: test.result, pass: test.pass, modifier: getScoreModifier(test.result),
  }));
  const sum = (modifiers) => modifiers.reduce((score, modifier) => score + modifier, 100);
  const bare = sum(tests.map((test) => Math.min(test.modifier, 0)));
  const score = bare >= MINIMUM_SCORE_FOR_EXTRA_CREDIT ? sum(tests.map((test) => test.modifier)) : bare;
  console.log(JSON.stringify({
    url: text, status: answer.status, landed: answer.config?.url, ...getGradeForScore(score),
    results: Object.fromEntries(tests.map((test) => [test.name, test.result])),
    failing: tests.filter((test) => !test.pass).map((test) => test.name),
  }));
}
