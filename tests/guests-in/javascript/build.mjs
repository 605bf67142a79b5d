// Makes a component with a whole JavaScript engine in it.
//
// usage: node build.mjs WIT FILE
import { componentize } from '@bytecodealliance/componentize-js';
import { readFile, writeFile } from 'node:fs/promises';

const [witPath, file] = process.argv.slice(2);
const { component } = await componentize(await readFile('plugin.js', 'utf8'), {
  witPath,
  worldName: 'plugin',
  // What is left on would be imported from WASI. dray has no `wasi:http`, and nothing behind the others.
  disableFeatures: ['random', 'stdio', 'clocks', 'http', 'fetch-event'],
});
await writeFile(file, component);
