// The bar: whose token it is and until when, the role to act in, and the button that restores the examples.
import { identity, send } from './service.js';
import { restoreExamples } from './tabs.js';

const QUESTION = 'Restore the examples?\n\nExamples that you have not changed are replaced, with fresh ids. Your own tabs stay.';
const TRUSTED = 'This service runs trusted documents only: it refuses operations that you type here.';

const token = document.getElementById('token');
const role = document.getElementById('acting-as');
const holder = document.getElementById('holder');

export function setUpBar() {
  // Only the session keeps the token: it is gone with the browser's tab, and never in GraphiQL's own storage.
  token.value = sessionStorage.getItem('token') ?? '';
  role.value = sessionStorage.getItem('acting-as') ?? '';

  let pause;
  token.addEventListener('input', () => {
    token.value = bare(token.value);
    sessionStorage.setItem('token', token.value);
    clearTimeout(pause);
    pause = setTimeout(showHolder, 300);
  });
  role.addEventListener('change', () => {
    sessionStorage.setItem('acting-as', role.value);
    showHolder();
  });
  document.getElementById('restore').addEventListener('click', () => {
    if (confirm(QUESTION)) restoreExamples();
  });
  addEventListener('online', showHolder);
  showHolder();
}

/** Returns the token of a pasted line: `ROLE TOKEN` as `liaison dev` prints it, or a whole header. */
function bare(text) {
  // A JWT begins with the base64 of `{"`.
  return /\beyJ[\w-]*\.[\w-]+\.[\w-]+/.exec(text)?.[0] ?? text.trim();
}

async function showHolder() {
  const asked = token.value + role.value;
  const { result, status } = await send({ query: '{ viewer { subject roles expiresAt } }' }, identity());
  if (asked !== token.value + role.value) return; // a later answer follows
  const viewer = result.data?.viewer;
  holder.classList.toggle('refused', !viewer);
  if (viewer) holder.textContent = describe(viewer);
  else if (status === 403 && !role.value) holder.textContent = TRUSTED;
  else holder.textContent = result.errors?.[0]?.message ?? '';
}

function describe({ subject, roles, expiresAt }) {
  if (!token.value) return 'Anonymous: may read, not write.';
  const until = expiresAt && new Date(expiresAt).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
  return [subject, roles.join(', ') || 'no role', until && `until ${until}`].filter(Boolean).join(' · ');
}
