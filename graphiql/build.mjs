// Bundles the explorer into `dist`: every file minified, named after its content, stored once as gzip.
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, relative } from 'node:path';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';

const common = { bundle: true, minify: true, write: false, outdir: 'dist', target: 'es2022', logLevel: 'error' };

// `import address from 'x.js?worker'`: x.js bundled into a file of its own.
const workers = {
  name: 'workers',
  setup(run) {
    run.onResolve({ filter: /\?worker$/ }, async ({ path, kind, resolveDir }) => {
      const found = await run.resolve(path.replace('?worker', ''), { kind, resolveDir });
      // Relative, or the names of the files would tell machines apart.
      return { path: relative('.', found.path), namespace: 'worker' };
    });
    run.onLoad({ filter: /./, namespace: 'worker' }, async ({ path }) => {
      const { outputFiles } = await build({ ...common, entryPoints: [path], format: 'iife' });
      return { contents: outputFiles[0].contents, loader: 'file' };
    });
  },
};

// GraphiQL's style sheet holds its fonts and pictures as data: addresses, which `default-src 'self'` refuses.
const dataFiles = {
  name: 'data-files',
  setup(run) {
    run.onResolve({ filter: /^data:/ }, ({ path }) => {
      const [, kind, type] = /^data:(\w+)\/(\w+)/.exec(path);
      return { path: `${hash(path)}/${kind}.${type}`, namespace: 'data', pluginData: path };
    });
    run.onLoad({ filter: /./, namespace: 'data' }, async ({ pluginData }) => {
      const response = await fetch(pluginData); // reads the address itself; nothing is asked for
      return { contents: new Uint8Array(await response.arrayBuffer()), loader: 'file' };
    });
  },
};

const scripts = await build({
  ...common,
  entryPoints: ['main.jsx'],
  entryNames: '[name]-[hash]',
  format: 'esm',
  splitting: true, // GraphiQL asks for the editor and the formatter when it needs them
  jsx: 'automatic',
  // GraphiQL asks for the formatter's parsers by old names, which lead to files whose exports a split bundle loses.
  alias: { 'prettier/parser-babel': 'prettier/plugins/babel', 'prettier/parser-graphql': 'prettier/plugins/graphql' },
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: { '.css': 'empty', '.ttf': 'empty' }, // the style sheet below has them
  plugins: [workers],
});
const styles = await build({
  ...common,
  entryPoints: ['page.css'],
  entryNames: '[name]-[hash]',
  plugins: [dataFiles],
});

await rm('dist', { recursive: true, force: true });
await mkdir('dist');
const entries = {};
for (const { path, contents } of [...scripts.outputFiles, ...styles.outputFiles]) {
  const name = basename(path);
  const entry = /^(main|page)-/.exec(name)?.[1];
  if (entry) entries[entry] = name;
  await store(name, contents);
}
const icon = await readFile('icon.svg');
entries.icon = `icon-${hash(icon)}.svg`;
await store(entries.icon, icon);

// Addresses are relative, so that a proxy may serve the page under a prefix.
const page = (await readFile('index.html', 'utf8')).replace(
  /(src|href)="(main|page|icon)\.\w+"/g,
  (_, attribute, entry) => `${attribute}="graphiql/assets/${entries[entry]}"`,
);
await store(`index-${hash(page)}.html`, page);

async function store(name, contents) {
  await writeFile(`dist/${name}.gz`, gzipSync(contents, { level: 9 }));
}

function hash(contents) {
  return createHash('sha256').update(contents).digest('hex').slice(0, 8);
}
