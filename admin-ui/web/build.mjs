// The sources in src/ come in, the files to embed go out: app.js, style.css, icon.svg, notices.txt
// and their compressed twins. build.rs names them after their content.

import { build } from "esbuild";
import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import { svelte } from "./svelte-plugin.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({ options: { out: { type: "string", default: join(here, "dist") } } });

/** Bytes the script may have before compression. More would be felt on a phone. */
const SCRIPT_BUDGET = 90 * 1024;
const BROWSERS = ["chrome111", "firefox113", "safari16.4"];

const bundle = await build({
  absWorkingDir: here,
  entryPoints: { app: "src/main.ts", style: "src/style.css" },
  outdir: values.out,
  bundle: true,
  minify: true,
  format: "esm",
  target: BROWSERS,
  conditions: ["svelte", "browser", "production"],
  plugins: [svelte()],
  metafile: true,
  write: false,
  logLevel: "warning",
});

await mkdir(values.out, { recursive: true });
for (const file of bundle.outputFiles) {
  await emit(file.path, file.contents);
}
await emit(join(values.out, "icon.svg"), await readFile(join(here, "src/icon.svg")));
await emit(join(values.out, "notices.txt"), await notices(bundle.metafile));

const script = bundle.outputFiles.find((file) => file.path.endsWith("app.js"));
if (script.contents.length > SCRIPT_BUDGET) {
  throw new Error(`app.js has ${script.contents.length} bytes, the budget is ${SCRIPT_BUDGET}`);
}
console.log(`app.js: ${script.contents.length} of ${SCRIPT_BUDGET} bytes`);

/** Writes a file and what browsers rather download. */
async function emit(path, contents) {
  const bytes = Buffer.from(contents);
  const brotli = { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
  await writeFile(path, bytes);
  await writeFile(`${path}.br`, await promisify(brotliCompress)(bytes, brotli));
  await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: 9 }));
}

/** The licence texts of every package whose code is in the bundle. */
async function notices({ outputs }) {
  const inputs = Object.values(outputs).flatMap((output) => Object.keys(output.inputs));
  const packages = new Set(
    inputs.flatMap((input) => input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.slice(1) ?? []),
  );
  const texts = [...packages].sort().map(async (name) => {
    const directory = join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(directory, "package.json"), "utf8"));
    const file = (await readdir(directory)).find((entry) => /^licen[cs]e/i.test(entry));
    const text = file ? await readFile(join(directory, file), "utf8") : "";
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  });
  const head = "The admin page contains code of these packages.\n";
  return [head, ...(await Promise.all(texts))].join(`\n${"-".repeat(72)}\n\n`);
}
