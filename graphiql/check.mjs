// Uses the explorer as a reader would: `npm ci --ignore-scripts && node check.mjs URL [TOKEN]`.
// Needs Chromium, named by the variable CHROMIUM or found as `chromium` on the PATH.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

import { chromium } from 'playwright-core';

const [url, token] = process.argv.slice(2);
if (!url) fail('usage: node check.mjs URL [TOKEN]');
const { origin } = new URL(url);
const problems = [];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? onPath('chromium'),
  // Loopback only, so no sandbox is needed, and it would not start for root.
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking'],
});
const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
context.on('request', (request) => {
  if (new URL(request.url()).origin !== origin) problems.push(`asked another origin: ${request.url()}`);
});
context.on('console', (message) => {
  // What the policy refuses is an error here; a worker that does not start, a warning.
  if (['error', 'warning'].includes(message.type())) problems.push(`console: ${message.text()}`);
});
context.on('weberror', (error) => problems.push(`script: ${error.error()}`));

try {
  const page = await context.newPage();
  await page.goto(`${origin}/graphiql`);
  await page.fill('#token', token ?? '');
  await page.locator('.graphiql-query-editor').getByText('Dashboard').waitFor(); // the button is there before the editor

  const answers = page.waitForResponse((response) => response.request().postData()?.includes('"Dashboard"'));
  await page.click('.graphiql-execute-button');
  const answer = await answers;
  const sent = await answer.request().headerValue('authorization');
  if ((sent ?? undefined) !== (token && `Bearer ${token}`)) problems.push(`sent as token: ${sent}`);
  const { data, errors } = await answer.json();
  if (!data || errors) problems.push(`the first example answered ${JSON.stringify({ data, errors })}`);
  await page.getByText('"data"').waitFor(); // and it is shown

  await page.getByLabel('Show Documentation Explorer').click();
  await page.getByText('Root Types').waitFor();
  await page.getByLabel('Show GraphiQL Explorer').click();
  await page.locator('.graphiql-explorer-root').getByText('actionItems').first().waitFor();

  // The GraphQL worker proposes fields, so it has started and knows the schema.
  await page.locator('.graphiql-query-editor textarea').focus();
  await page.keyboard.press('Control+End');
  await page.keyboard.type('query Next { mand');
  await page.locator('.suggest-widget').getByText('mandates').first().waitFor();
  await page.locator('.squiggly-error').first().waitFor({ state: 'attached' });

  const kept = await page.evaluate(() => JSON.stringify(localStorage));
  if (token && kept.includes(token)) problems.push('the token is kept beyond the session');
} catch (error) {
  problems.push(error.message);
}
await browser.close();
if (problems.length > 0) fail(problems.slice(0, 20).join('\n'));

function onPath(name) {
  const found = process.env.PATH.split(delimiter).map((folder) => join(folder, name)).find((file) => existsSync(file));
  return found ?? fail(`${name} is not on the PATH`);
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
