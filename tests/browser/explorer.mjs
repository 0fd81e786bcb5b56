// Uses the explorer in Chromium as its readers do. Takes its settings from the environment:
// CHROMIUM, ADDRESS, TRUSTED_ADDRESS (an instance with trusted documents), ITU_LINE, UPU_LINE and TSB_LINE (`ROLE TOKEN`).
// Writes pictures into SCREENSHOTS, if that is set. Prints one line for each problem.
import assert from 'node:assert/strict';

import { chromium } from 'playwright-core';

const { CHROMIUM, ADDRESS, TRUSTED_ADDRESS, ITU_LINE, UPU_LINE, TSB_LINE, SCREENSHOTS } = process.env;
const LINES = { ITU: ITU_LINE, UPU: UPU_LINE };
const REFUSED = 'The token could not be verified: sign in again at the identity provider of this service.';
const UNREACHABLE = 'The service cannot be reached.';
// The longest wait for anything: only a failing test waits so long on a busy machine.
const PATIENCE = 60_000;

const problems = [];
let step = 'start';

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  // Loopback only, so no sandbox is needed, and it would not start for root.
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

/** Opens the explorer as somebody who has never been there. */
async function visit(address, { width = 1400, height = 900, colorScheme = 'light', path = '/graphiql' } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  context.setDefaultTimeout(PATIENCE);
  context.on('request', (request) => {
    if (new URL(request.url()).origin !== address) problems.push(`${step}: asked another origin: ${request.url()}`);
  });
  context.on('console', (message) => {
    // A violation of the policy is an error here; a worker that does not start, a warning.
    if (!['error', 'warning'].includes(message.type())) return;
    const { url } = message.location();
    // The browser itself reports each response that the steps below provoke.
    if (url === `${address}/graphql` && message.text().startsWith('Failed to load resource') && /refused|offline|trusted/.test(step)) return;
    problems.push(`${step}: console: ${message.text()} ${url}`);
  });
  context.on('weberror', (error) => problems.push(`${step}: script: ${error.error()}`));
  const page = await context.newPage();
  await page.goto(`${address}${path}`);
  await page.locator('.graphiql-query-editor .view-lines').waitFor();
  return page;
}

const tabNames = (page) => page.locator('.graphiql-tab-button').allInnerTexts();
const openTab = (page, name) => page.locator('.graphiql-tab-button', { hasText: new RegExp(`^${name}$`) }).click();
const response = (page) => page.locator('.graphiql-response .view-lines');
const shows = (page, text) => response(page).getByText(text).first().waitFor();
const outcome = (page, pattern) => page.locator('#outcome').filter({ hasText: pattern }).waitFor();
const holder = (page, pattern) => page.locator('#holder').filter({ hasText: pattern }).waitFor();

async function run(page) {
  await page.locator('.graphiql-execute-button').click();
}

async function picture(page, name) {
  if (SCREENSHOTS) await page?.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
}

const steps = {
  async 'the schema is loaded: docs, explorer, completion, underlines'() {
    const page = await visit(ADDRESS);
    await holder(page, /Anonymous/);
    await page.getByLabel('Show Documentation Explorer').click();
    await page.getByText('Root Types').waitFor();
    await page.locator('.graphiql-doc-explorer').getByText('Query', { exact: true }).first().click();
    await page.locator('.graphiql-doc-explorer').getByText('actionItems').first().waitFor();
    await picture(page, 'docs');
    await page.getByLabel('Show GraphiQL Explorer').click();
    await page.locator('.graphiql-explorer-root').getByText('actionItems').first().waitFor();
    await page.getByLabel('Hide GraphiQL Explorer').click();

    await page.getByLabel('New tab').click();
    await page.locator('.graphiql-query-editor .view-lines').click();
    await page.keyboard.press('Control+A');
    await page.keyboard.type('query Next { topi');
    await page.locator('.suggest-widget').getByText('topics').first().waitFor();
    await picture(page, 'completion');
    await page.keyboard.press('Escape');
    await page.keyboard.type('cz');
    await page.locator('.squiggly-error').first().waitFor({ state: 'attached' });

    for (const button of await page.getByRole('button').all()) {
      const name = (await button.getAttribute('aria-label')) ?? (await button.innerText());
      if (!name.trim()) problems.push(`${step}: a button without a name: ${await button.evaluate((it) => it.outerHTML)}`);
    }
  },

  async 'every prepared tab runs'() {
    const page = await visit(ADDRESS);
    const names = await tabNames(page);
    assert.ok(names.length >= 18, `prepared tabs: ${names}`);
    for (const name of names) {
      step = `the tab ${name} runs`;
      await openTab(page, name);
      const query = await stored(page, name);
      const side = /As (\w+)_EDITOR/.exec(query)?.[1];
      await page.locator('#token').fill(side ? LINES[side] : '');
      await holder(page, side ? `${side}_EDITOR` : 'Anonymous');
      const label = await page.locator('#token').inputValue();
      assert.equal(label, side ? LINES[side].split(' ')[1] : '', 'the token alone remains of a pasted line');
      if (query.includes('subscription ')) {
        await followsOwnEvent(page);
        continue;
      }
      const answered = page.waitForResponse((it) => it.request().postData()?.includes(` ${name}`));
      await run(page);
      const answer = await answered;
      const { data, errors } = await answer.json();
      assert.ok(data && !errors, JSON.stringify(errors));
      for (const payload of Object.values(data)) assert.deepEqual(payload?.userErrors ?? [], []);
      await shows(page, '"data"');
      await outcome(page, new RegExp(`status 200 · \\d+ ms · cost .* of 100,000 · request ${answer.headers()['x-request-id']}`));
    }
    const kept = await page.evaluate(() => JSON.stringify(localStorage));
    for (const line of Object.values(LINES)) assert.ok(!kept.includes(line.split(' ')[1]), 'the token is kept beyond the session');
  },

  async 'a refused token is explained by the service, also to a subscription'() {
    const page = await visit(ADDRESS);
    await page.locator('#token').fill('a.b.c');
    await holder(page, REFUSED);
    for (const name of ['Dashboard', 'Watch']) {
      let sent = 0;
      page.on('request', (request) => (sent += request.postData()?.includes(` ${name}`) ? 1 : 0));
      await openTab(page, name);
      await run(page);
      await shows(page, REFUSED);
      await outcome(page, /status 401 .*request /);
      assert.equal(sent, 1, `${name} is sent once`);
      assert.ok(!(await response(page).innerText()).includes('stack'));
    }
    await picture(page, 'refused');
    // The schema is there all the same.
    await page.reload();
    await page.getByLabel('Show Documentation Explorer').click();
    await page.getByText('Root Types').waitFor();
  },

  async 'an offline service is a plain sentence'() {
    const page = await visit(ADDRESS);
    await holder(page, /Anonymous/);
    // The API alone: GraphiQL still fetches some of its own files when it first needs them.
    await page.route(`${ADDRESS}/graphql`, (route) => route.abort('internetdisconnected'));
    for (const name of ['Dashboard', 'Watch']) {
      await openTab(page, name);
      await run(page);
      await shows(page, UNREACHABLE);
      assert.ok(!(await response(page).innerText()).includes('stack'));
    }
    await page.locator('#token').fill('x.y.z');
    await holder(page, UNREACHABLE);
  },

  async 'an operation is shared by a link'() {
    const query = 'query Shared($code: String!) {\n  topic(by: { code: $code }) { code }\n}\n';
    const variables = '{"code": "T-1"}';
    const page = await visit(ADDRESS, { path: `/graphiql?${new URLSearchParams({ query, variables })}` });
    assert.equal((await tabNames(page))[0], 'Shared');
    await run(page);
    await shows(page, '"T-1"');
    await page.getByRole('button', { name: /^Share:/ }).click();
    await page.getByRole('button', { name: /^The link is copied/ }).waitFor();
    const link = new URL(page.url());
    assert.equal(link.searchParams.get('query'), query);
    assert.equal(link.searchParams.get('variables'), variables);
    // For somebody who has been there, it is one more tab.
    await page.goto(`${ADDRESS}/graphiql?${new URLSearchParams({ query: '{ viewer { roles } }' })}`);
    await page.locator('.graphiql-query-editor').getByText('viewer').waitFor();
    assert.ok((await tabNames(page)).includes('Shared'));
  },

  async 'restoring the examples asks first and keeps own tabs'() {
    const page = await visit(ADDRESS, { path: `/graphiql?${new URLSearchParams({ query: 'query Own { viewer { roles } }' })}` });
    const before = (await tabNames(page)).length;
    await openTab(page, 'Dashboard');
    await page.locator('.graphiql-tab', { hasText: 'Dashboard' }).getByLabel('Close Tab').click();
    page.once('dialog', (dialog) => dialog.dismiss());
    await page.getByText('Restore examples').click();
    assert.equal((await tabNames(page)).length, before - 1);
    page.once('dialog', (dialog) => dialog.accept());
    const loaded = page.waitForEvent('load');
    await page.getByText('Restore examples').click();
    await loaded;
    await page.locator('.graphiql-tab-button', { hasText: 'Dashboard' }).waitFor();
    const names = await tabNames(page);
    assert.equal(names.length, before, `${names}`);
    assert.ok(names.includes('Own'));
    await page.locator('.graphiql-query-editor').getByText('Dashboard').waitFor();
    await run(page);
    await shows(page, '"data"');
  },

  async 'it fits a telephone and a desk, in both themes'() {
    for (const colorScheme of ['light', 'dark']) {
      for (const size of [{ width: 1400, height: 900 }, { width: 390, height: 844 }]) {
        const page = await visit(ADDRESS, { ...size, colorScheme });
        await page.locator('#token').fill(ITU_LINE);
        await holder(page, 'ITU_EDITOR');
        await run(page);
        await shows(page, '"data"');
        await outcome(page, /status 200/);
        for (const target of ['.graphiql-execute-button', '.graphiql-response', '.graphiql-query-editor', '#token', '#restore', '#outcome']) {
          const box = await page.locator(target).first().boundingBox();
          const inside = box && box.width > 20 && box.x >= 0 && box.x + box.width <= size.width + 1;
          if (!inside) problems.push(`${step}: ${target} is outside at ${size.width} px: ${JSON.stringify(box)}`);
        }
        const editor = await page.locator('.graphiql-query-editor').first().boundingBox();
        if (editor.width < Math.min(300, size.width / 2)) problems.push(`${step}: the editor has ${editor.width} px at ${size.width} px`);
        // The last tab can be reached.
        const names = await tabNames(page);
        await openTab(page, names.at(-1));
        await page.locator('.graphiql-query-editor').getByText('CreateWebhook').first().waitFor();
        await openTab(page, names[0]);
        await shows(page, '"data"');
        await picture(page, `${size.width}-${colorScheme}`);
          }
    }
  },

  async 'an instance with trusted documents says so'() {
    const page = await visit(TRUSTED_ADDRESS);
    await holder(page, 'This service runs only the documents that it was given beforehand.');
    await picture(page, 'trusted');
  },
};

/** The text of a tab, as GraphiQL keeps it. */
async function stored(page, name) {
  const state = await page.evaluate(() => JSON.parse(localStorage.getItem('graphiql:tabState')));
  return state.tabs.find((tab) => tab.title === name).query;
}

/** Runs the subscription, makes an event, and sees it. */
async function followsOwnEvent(page) {
  await run(page);
  await outcome(page, 'subscribed, 0 events');
  const title = `Seen by a browser ${Date.now()}`;
  const query = `mutation { topicPropose(input: { title: "${title}", summary: "A topic to see" }) { userErrors { message } } }`;
  const made = await fetch(`${ADDRESS}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${TSB_LINE.split(' ')[1]}` },
    body: JSON.stringify({ query }),
  });
  assert.deepEqual(await made.json(), { data: { topicPropose: { userErrors: [] } } });
  await shows(page, title);
  await outcome(page, 'subscribed, 1 event');
  await page.locator('.graphiql-execute-button').click();
}

for (const [name, work] of Object.entries(steps)) {
  step = name;
  try {
    await work();
  } catch (error) {
    problems.push(`${step}: ${error.message}`);
    await picture(browser.contexts().at(-1)?.pages()[0], 'failed');
  }
  await Promise.all(browser.contexts().map((context) => context.close()));
}
await browser.close();
console.log(problems.slice(0, 30).join('\n'));
