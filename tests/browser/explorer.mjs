// Uses the explorer in Chromium as its users do. Takes its settings from the environment:
// CHROMIUM, ADDRESS, TRUSTED_ADDRESS (an instance with trusted documents), ITU_LINE, UPU_LINE and TSB_LINE (`ROLE TOKEN`).
// Writes screenshots to the directory SCREENSHOTS, if that is set. Prints one line for each problem.
import assert from 'node:assert/strict';
import net from 'node:net';

import { chromium } from 'playwright-core';

const { CHROMIUM, ADDRESS, TRUSTED_ADDRESS, ITU_LINE, UPU_LINE, TSB_LINE, SCREENSHOTS } = process.env;
const LINES = { ITU: ITU_LINE, UPU: UPU_LINE };
const REFUSED = 'The token could not be verified: sign in again at the identity provider of this service.';
const UNREACHABLE = 'The service cannot be reached.';
const CUT_OFF = 'The connection to the service was lost.';
const TRUSTED = 'This service runs trusted documents only';
// The longest wait for anything: only a failing test waits so long on a busy machine.
const TIMEOUT = 60_000;

const problems = [];
let step = 'start';

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  // Loopback only, so no sandbox is needed, and it would not start for root.
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

/** Opens the explorer as on a first visit. */
async function visit(address, { width = 1400, height = 900, colorScheme = 'light', path = '/graphiql' } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme });
  context.setDefaultTimeout(TIMEOUT);
  context.on('request', (request) => {
    if (new URL(request.url()).origin !== address) problems.push(`${step}: asked another origin: ${request.url()}`);
  });
  context.on('console', (message) => {
    // A violation of the policy is an error here; a worker that does not start, a warning.
    if (!['error', 'warning'].includes(message.type())) return;
    const { url } = message.location();
    // The browser itself reports each failure that the steps below provoke.
    if (url === `${address}/graphql` && message.text().startsWith('Failed to load resource') && /refused|offline|trusted|pasted/.test(step)) return;
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

/** Waits until a tab with this name is there, or is not. */
const tab = (page, name, state = 'attached') =>
  page.locator('.graphiql-tab-button', { hasText: new RegExp(`^${name}$`) }).waitFor({ state });

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
    for (const button of await page.getByRole('button').all()) {
      const name = (await button.getAttribute('aria-label')) ?? (await button.innerText());
      if (!/[a-z]{3}/i.test(name)) problems.push(`${step}: a button without a name: ${await button.evaluate((element) => element.outerHTML)}`);
    }
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

    await page.keyboard.press('Control+A');
    await page.keyboard.type('query Typed { viewer { roles');
    await page.keyboard.press('Control+Enter');
    await shows(page, '"viewer"');
  },

  async 'a printed line can be pasted, and the token says whose it is and until when'() {
    const page = await visit(ADDRESS);
    const [role, token] = TSB_LINE.split(' ');
    const { sub, exp } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
    const until = await page.evaluate((at) => new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' }), exp * 1000);
    for (const line of [
      `${role}  ${token}\n`,
      `Authorization: Bearer ${token}`,
      `curl https://api.liaison.example/graphql -H 'Authorization: Bearer ${token}'`,
    ]) {
      await page.locator('#token').fill('');
      await holder(page, 'Anonymous');
      await page.locator('#token').fill(line);
      await holder(page, `${sub} · ${role} · until ${until}`);
      assert.equal(await page.locator('#token').inputValue(), token);
    }
    await page.locator('#acting-as').selectOption('ITU_EDITOR');
    await holder(page, 'The header `Acting-As` must name one role, and one that the token has');
    await page.locator('#acting-as').selectOption('TSB_EDITOR');
    await holder(page, sub);
    assert.ok(!(await page.evaluate(() => JSON.stringify(localStorage))).includes(token), 'the token outlives the session');
  },

  async 'every prepared tab runs'() {
    const page = await visit(ADDRESS);
    const names = await tabNames(page);
    for (const name of ['Publications', 'Examinations', 'Exchange', 'AnyRecord', 'Watch', 'Webhooks']) {
      assert.ok(names.includes(name), `prepared tabs: ${names}`);
    }
    for (const name of names) {
      step = `the tab ${name} runs`;
      await openTab(page, name);
      const query = await stored(page, name);
      const side = /As (\w+)_EDITOR/.exec(query)?.[1];
      await page.locator('#token').fill(side ? LINES[side] : '');
      await holder(page, side ? `${side}_EDITOR` : 'Anonymous');
      if (query.includes('subscription ')) {
        await followsOwnEvent(page);
        continue;
      }
      const responded = page.waitForResponse((candidate) => candidate.request().postData()?.includes(` ${name}`));
      await run(page);
      const answer = await responded;
      const { data, errors } = await answer.json();
      assert.ok(data && !errors, JSON.stringify(errors));
      for (const payload of Object.values(data)) assert.deepEqual(payload?.userErrors ?? [], []);
      await shows(page, '"data"');
      await outcome(page, new RegExp(`status 200 · \\d+ ms · cost .* of 100,000 · request ${answer.headers()['x-request-id']}`));
    }
  },

  async 'a refused token is explained by the service, also to a subscription'() {
    const page = await visit(ADDRESS);
    // Also what no header can hold, such as an abbreviated token.
    for (const token of ['eyJ…', 'a.b.c']) {
      await page.locator('#token').fill(token);
      await page.waitForResponse(`${ADDRESS}/graphql`);
      await holder(page, REFUSED);
    }
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

  async 'an offline service ends a subscription with a plain sentence'() {
    let subscribed;
    const proxy = net.createServer((client) => {
      const server = net.connect(new URL(ADDRESS).port, '127.0.0.1');
      client.pipe(server).pipe(client);
      client.on('data', (data) => {
        if (data.includes('subscription Watch')) subscribed = client;
      });
      client.on('error', () => undefined).on('close', () => server.destroy());
      server.on('error', () => undefined).on('close', () => client.destroy());
    });
    await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const page = await visit(`http://127.0.0.1:${proxy.address().port}`);
    await openTab(page, 'Watch');
    await run(page);
    await outcome(page, 'subscribed, 0 events');
    subscribed.destroy();
    await shows(page, CUT_OFF);
    await page.context().close();
    proxy.close();
  },

  async 'an operation is shared by a link'() {
    const query = 'query Shared($code: String!) {\n  topic(by: { code: $code }) { code }\n}\n';
    const variables = '{"code": "T-1"}';
    const page = await visit(ADDRESS, { path: `/graphiql?${new URLSearchParams({ query, variables })}` });
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    const examples = (await tabNames(page)).filter((name) => name !== 'Shared');
    assert.ok(examples.includes('Dashboard'), `${examples}`);
    await page.locator('#token').fill(ITU_LINE);
    await holder(page, 'ITU_EDITOR');
    await run(page);
    await shows(page, '"T-1"');
    await page.getByRole('button', { name: /^Share:/ }).click();
    await page.getByRole('button', { name: /^The link is copied/ }).waitFor();
    const link = new URL(page.url());
    assert.deepEqual([...link.searchParams], [['query', query], ['variables', variables]], 'the link has no token');
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link.href);
    // On a later visit it is one more tab, also by the address with a slash at its end.
    for (const [path, name, code] of [['/graphiql', 'Second', 'T-2'], ['/graphiql/', 'Third', 'T-3']]) {
      const later = new URLSearchParams({ query: query.replace('Shared', name), variables: variables.replace('T-1', code) });
      await page.goto(`${ADDRESS}${path}?${later}`);
      await tab(page, name);
      await run(page);
      await shows(page, `"${code}"`);
      for (const other of ['Shared', ...examples]) await tab(page, other);
    }
  },

  async 'restoring the examples asks first and keeps own tabs'() {
    const page = await visit(ADDRESS, { path: `/graphiql?${new URLSearchParams({ query: 'query Own { viewer { roles } }' })}` });
    const before = await tabNames(page);
    await openTab(page, 'Dashboard');
    await page.locator('.graphiql-tab', { hasText: 'Dashboard' }).getByLabel('Close Tab').click();
    await tab(page, 'Dashboard', 'detached');
    page.once('dialog', (dialog) => dialog.dismiss());
    await page.getByText('Restore examples').click();
    assert.equal((await tabNames(page)).length, before.length - 1);
    // Changes that GraphiQL has not stored yet are neither lost nor do they undo what is restored.
    await openTab(page, 'Own');
    await page.locator('.graphiql-query-editor .view-lines').click();
    await page.keyboard.press('Control+A');
    await page.keyboard.type('query Edited { viewer { party } }');
    page.once('dialog', (dialog) => dialog.accept());
    const loaded = page.waitForEvent('load');
    await page.getByText('Restore examples').click();
    await loaded;
    await tab(page, 'Dashboard');
    await tab(page, 'Edited');
    const names = await tabNames(page);
    assert.deepEqual(names.sort(), before.map((name) => (name === 'Own' ? 'Edited' : name)).sort());
    await page.locator('.graphiql-query-editor').getByText('Dashboard').waitFor();
    await run(page);
    await shows(page, '"data"');
  },

  async 'the page fits a phone and a desk, in both themes'() {
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
        if (size.width < 700) await usesAllOnAPhone(page, colorScheme);
      }
    }
  },

  async 'an instance with trusted documents says so'() {
    const page = await visit(TRUSTED_ADDRESS);
    await holder(page, TRUSTED);
    await run(page);
    await shows(page, 'FORBIDDEN');
    await picture(page, 'trusted');
  },
};

/** Opens and closes, at the width of a phone, what is closed at first. */
async function usesAllOnAPhone(page, colorScheme) {
  await openTab(page, 'OneCommittee');
  await page.getByRole('button', { name: 'Variables', exact: true }).click();
  await page.locator('.graphiql-editor-tool').getByText('"SG17"').waitFor();
  await isUncovered(page, page.locator('.graphiql-editor-tool').getByText('"SG17"'));
  await picture(page, `phone-variables-${colorScheme}`);
  await page.getByLabel('Hide editor tools').click();
  for (const [plugin, content] of [['Documentation Explorer', 'Root Types'], ['History', 'Dashboard'], ['GraphiQL Explorer', 'committees']]) {
    await page.getByLabel(`Show ${plugin}`).click();
    await page.locator('.graphiql-plugin').getByText(content).first().waitFor();
    await picture(page, `phone-${plugin}-${colorScheme}`);
    await page.getByLabel(`Hide ${plugin}`).click();
    await isUncovered(page, page.locator('.graphiql-execute-button'));
  }
  await page.getByLabel('Open settings dialog').click();
  await isUncovered(page, page.getByRole('button', { name: 'Dark', exact: true }));
  await picture(page, `phone-settings-${colorScheme}`);
}

/** Asserts that all four corners of an element can be seen and touched. */
async function isUncovered(page, locator) {
  await locator.click({ trial: true });
  const seen = await locator.evaluate((element) => {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    const corners = [[left + 3, top + 3], [right - 3, top + 3], [left + 3, bottom - 3], [right - 3, bottom - 3]];
    return corners.every(([x, y]) => {
      const there = document.elementFromPoint(x, y);
      return element.contains(there) || there?.contains(element);
    });
  });
  if (!seen) problems.push(`${step}: covered or outside: ${locator}`);
}

/** Returns the text of a tab, as GraphiQL stores it. */
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
