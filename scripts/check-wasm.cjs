// Runs the checks inside the WebAssembly core under node:
//   node scripts/check-wasm.cjs <folder of the node build>
// The core throws where a frozen vector comes out differently than it did natively.
const { resolve } = require("node:path");

const folder = process.argv[2];
if (folder === undefined) {
  console.error("usage: node scripts/check-wasm.cjs <folder>");
  process.exit(2);
}
const core = require(resolve(folder, "chartkey_wasm.js"));
const started = performance.now();
let passed = 0;
let failed = 0;
for (const [name, check] of Object.entries(core)) {
  if (!name.endsWith("_check")) continue;
  try {
    const count = check();
    if (!(count > 0)) throw new Error("checked nothing");
    passed += count;
    console.log(`${name}: ${count}`);
  } catch (why) {
    failed += 1;
    console.error(`${name}: ${why instanceof Error ? why.message : why}`);
  }
}
console.log(`wasm checks took ${Math.round(performance.now() - started)} ms`);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);
