// Monaco's workers: files of our own, since the policy allows no others.
import editor from 'monaco-editor/esm/vs/editor/editor.worker.js?worker';
import json from 'monaco-editor/esm/vs/language/json/json.worker.js?worker';
import graphql from 'monaco-graphql/esm/graphql.worker.js?worker';

const files = { json, graphql };

globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(new URL(files[label] ?? editor, import.meta.url)),
};
