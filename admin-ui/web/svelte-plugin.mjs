// Svelte sources come in, JavaScript goes out: the bridge between esbuild and svelte/compiler.

import { transform } from "esbuild";
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { compile, compileModule } from "svelte/compiler";

/** What `esm-env` exports in a production bundle for browsers. esbuild does not carry constants from
 * one module into another, so without this 13 KB of the script would be checks for developers. */
const ENVIRONMENT = { BROWSER: "true", DEV: "false", NODE: "false" };
const ENVIRONMENT_IMPORT = /^import \{[^}]*\} from ['"]esm-env['"];?$/gm;

/** An esbuild plugin for components (`.svelte`) and modules with runes (`.svelte.ts`). */
export function svelte() {
  return {
    name: "svelte",
    setup(build) {
      const root = build.initialOptions.absWorkingDir ?? process.cwd();
      build.initialOptions.define = { ...build.initialOptions.define, ...ENVIRONMENT };
      const options = (path) => ({ filename: relative(root, path), generate: "client", dev: false });

      build.onLoad({ filter: /node_modules\/svelte\/src\/.*\.js$/ }, async ({ path }) => {
        const source = await readFile(path, "utf8");
        return { contents: source.replace(ENVIRONMENT_IMPORT, ""), loader: "js" };
      });
      build.onLoad({ filter: /\.svelte$/ }, ({ path }) =>
        attempt(async () => {
          const source = await readFile(path, "utf8");
          return compile(source, { ...options(path), runes: true, css: "external" });
        }),
      );
      build.onLoad({ filter: /\.svelte\.ts$/ }, ({ path }) =>
        attempt(async () => {
          const source = await readFile(path, "utf8");
          // `verbatimModuleSyntax` keeps imports that only runes use.
          const tsconfigRaw = { compilerOptions: { verbatimModuleSyntax: true } };
          const { code } = await transform(source, { loader: "ts", target: "es2022", tsconfigRaw });
          return compileModule(code, options(path));
        }),
      );
    },
  };
}

async function attempt(work) {
  try {
    const { js, warnings } = await work();
    return { contents: js.code, loader: "js", warnings: warnings.map(message) };
  } catch (error) {
    return { errors: [message(error)] };
  }
}

function message({ message: text, filename, start, frame }) {
  const location = start && { file: filename, line: start.line, column: start.column, lineText: frame };
  return { text, location };
}
